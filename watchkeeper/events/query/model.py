"""A query as a tree of values: what is asked of a row, in one of two meanings (`sql`, `memory`). No I/O."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Contains(msgspec.Struct, frozen=True, tag=True):
    """The row says this somewhere, letters of either case."""

    text: str


class Is(msgspec.Struct, frozen=True, tag=True):
    """A field is one of these values; each may hold `*` where `Pattern` marks it as a wildcard."""

    field: str
    values: tuple[Pattern, ...]


class Pattern(msgspec.Struct, frozen=True):
    """A value, or a pattern with `*` for any characters."""

    text: str
    is_wild: bool = False


class Compare(msgspec.Struct, frozen=True, tag=True):
    """A number stands in this relation: `=`, `<`, `<=`, `>`, `>=`."""

    field: str
    sign: str
    number: int


class Has(msgspec.Struct, frozen=True, tag=True):
    """A field is there and not empty."""

    field: str


class Not(msgspec.Struct, frozen=True, tag=True):
    part: Expr


class All(msgspec.Struct, frozen=True, tag=True):
    """Every one; of none it is true."""

    parts: tuple[Expr, ...]


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """At least one."""

    parts: tuple[Expr, ...]


Expr: TypeAlias = Contains | Is | Compare | Has | Not | All | AnyOf
"""A query. What is not there (null) is different from every value, and neither smaller nor greater than any."""
