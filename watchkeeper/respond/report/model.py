"""What a report is made of. No I/O."""

from __future__ import annotations

import msgspec


class Section(msgspec.Struct, frozen=True):
    """A heading with what stands under it: words, facts by name, one table."""

    title: str
    words: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    """Name and value."""
    head: tuple[str, ...] = ()
    """The table's headings; empty for no table."""
    rows: tuple[tuple[str, ...], ...] = ()
    widths: tuple[int, ...] = ()
    """Shares of the page for each column."""
    empty: str = ""
    """Said where the table has no row."""


class Report(msgspec.Struct, frozen=True):
    """The whole of it."""

    number: str
    title: str
    made_at: str
    by: str
    warnings: tuple[str, ...]
    """What a reader must know before anything else."""
    sections: tuple[Section, ...]
