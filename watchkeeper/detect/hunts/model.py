"""A hunt: a question to the lake that was worth asking once, with its parameters and its own tests. No I/O."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Kind = Literal["text", "texts", "number"]
Value = str | int | tuple[str, ...]


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has to be said when the hunt is run."""

    type: Kind
    says: str
    """One sentence for whoever runs it."""
    default: str | int | tuple[str, ...] | None = None
    """`None`: it must be given."""


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Events that are given, and the rows that must come out: the named columns of each, in this order."""

    given: tuple[dict[str, Any], ...]
    """Members of an event; `at` is its time, in seconds from the moment at which the hunt is run."""
    expected: tuple[dict[str, Any], ...]
    parameters: dict[str, Any] = {}


class Hunt(msgspec.Struct, frozen=True, kw_only=True):
    """One file of `content/hunts`, checked."""

    name: str
    title: str
    why: str
    techniques: tuple[str, ...]
    """Ids of SAFE-MCP (`SAFE-T1201`) and of ATT&CK (`T1195`)."""
    range: str
    """The range when none is said: an age (`24h`), or `all`."""
    parameters: dict[str, Parameter]
    sql: str
    tests: tuple[Trial, ...]
    source: str
    """The file it came from."""
