"""How the command line speaks: tables for people, JSON for programs, errors that say what to do next.

Whatever an agent or a server wrote passes `visible` before it reaches a terminal.
"""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click
import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.text import visible

WIDEST = 60
"""Characters of a table's cell."""


def as_json(value: Any) -> None:
    """One JSON value on standard output."""
    data = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    click.echo(inert(data.decode()))


def lines(values: Sequence[Any]) -> None:
    """One JSON object a line."""
    if values:  # in one piece: to flush each line costs more than to make it
        click.echo("\n".join(inert(msgspec.json.encode(value, enc_hook=str).decode()) for value in values))


def inert(json: str) -> str:
    """The same JSON value with every invisible character escaped: programs read the same, terminals obey nothing."""
    return json if json.isascii() else "".join(map(_escaped, json))


def _escaped(character: str) -> str:
    if character.isascii() or visible(character) == character:
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str, below: Sequence[str] = ()) -> None:
    """Aligned columns; where there is nothing, `empty` says what would fill it.

    On a terminal too narrow for them, the columns named in `below` go to a second line of each row. In a pipe a row is
    always one line.
    """
    if not rows:
        click.echo(empty)
        return
    cells = [[visible(str(cell), limit=WIDEST) for cell in row] for row in rows]
    everything = [[h.upper() for h in headings], *cells]
    lines = _aligned(everything)
    if below and _is_too_wide(lines):
        kept = [at for at, heading in enumerate(headings) if heading not in below]
        moved = [at for at in range(len(headings)) if at not in kept]
        upper = _aligned([[row[at] for at in kept] for row in everything])
        lower = ["    " + "  ".join(row[at] for at in moved) for row in everything]
        lines = [line for pair in zip(upper, lower, strict=True) for line in pair]
    for line in lines:
        click.echo(line.rstrip())


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)) for row in rows
    ]


def _width(cell: str) -> int:
    """Columns of a terminal, in which East Asian characters take two and combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in cell)


def _is_too_wide(lines: Sequence[str]) -> bool:
    return sys.stdout.isatty() and max(map(_width, lines)) > shutil.get_terminal_size().columns


def moment(microseconds: object) -> str:
    """A time to the millisecond, or a dash where there is none."""
    if not isinstance(microseconds, int) or microseconds <= 0:
        return "-"
    return to_iso(microseconds)[:-4] + "Z"


def text(value: str, *, err: bool = False) -> None:
    """Several lines from elsewhere, made safe; with `err`, beside what programs read."""
    click.echo(visible(value, keep="\n"), err=err)


def said(error: WatchkeeperError, *, json: bool = False) -> NoReturn:
    """The error on standard error, and the process's end with its exit code."""
    if json:
        body: Mapping[str, Any] = {"code": error.code, "reason": error.reason, "hint": error.hint}
        click.echo(msgspec.json.encode({"error": body}).decode(), err=True)
    else:
        click.echo(f"error: {visible(error.reason, keep=chr(10))}", err=True)
        if error.hint:
            click.echo(f"  what to do: {visible(error.hint, keep=chr(10))}", err=True)
    sys.exit(error.exit_code)
