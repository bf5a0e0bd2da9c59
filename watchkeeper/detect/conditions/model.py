"""A condition as data: and, or, not, and comparisons of one field. No I/O, no pySigma.

What Sigma writes by modifiers (`base64offset`, `windash`, `wide`, `all`, `expand`) is resolved by the reader before;
what stands here is what a matcher carries out. A tree is stored as MessagePack or JSON by msgspec.

A **field** is a name as the rule writes it. It means the member of that very name where an event has one
(`cs-uri-query`, `userIdentity.type` of a flat record), else the path that its dots describe; a list on the way means
any of its items. An absent field, a null and an empty text are the same: nothing is there.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Operator(StrEnum):
    """How a comparison compares."""

    EQUALS = "equals"
    """Text: the whole of it; number: equal to it, also where an event writes it as text."""
    CONTAINS = "contains"
    STARTS_WITH = "startswith"
    ENDS_WITH = "endswith"
    LIKE = "like"
    """Text with wildcards: see `Comparison.parts`."""
    REGEX = "re"
    """RE2, found anywhere."""
    CIDR = "cidr"
    LESS = "lt"
    LESS_EQUAL = "lte"
    GREATER = "gt"
    GREATER_EQUAL = "gte"
    NOT_EQUAL = "neq"
    EXISTS = "exists"
    """Something is there."""
    ABSENT = "absent"
    """Nothing is there."""
    SAME_AS = "fieldref"
    """Equal to the field named by `value`."""
    SAME_START = "fieldref|startswith"
    SAME_END = "fieldref|endswith"
    SAME_PART = "fieldref|contains"


class Wild(msgspec.Struct, frozen=True, tag="wild", gc=False):
    """A wildcard of a `like`: `*` for many characters, `?` for one."""

    one: bool = False


class Literal(msgspec.Struct, frozen=True, tag="text", gc=False):
    """Plain text of a `like`."""

    text: str


class Comparison(msgspec.Struct, frozen=True, tag="is", gc=False):
    """One field against one value."""

    field: str
    """Empty: a keyword, any text of the event."""
    operator: Operator
    value: str | int | float | bool | None = None
    """Case-folded already where `cased` is false and the operator compares text."""
    cased: bool = False
    flags: str = ""
    """Of a regular expression: some of `i`, `m`, `s`, sorted."""
    part: str = ""
    """`minute`, `hour`, `day`, `week`, `month`, `year`: compare that part of a time, in UTC (Sigma 2.1)."""
    parts: tuple[Literal | Wild, ...] = ()
    """Of a `like`."""


class And(msgspec.Struct, frozen=True, tag="and", gc=False):
    """All of them; of none, true."""

    args: tuple[Condition, ...]


class Or(msgspec.Struct, frozen=True, tag="or", gc=False):
    """Any of them; of none, false."""

    args: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True, tag="not", gc=False):
    """The opposite."""

    arg: Condition


# no tree has a cycle, and thousands of rules have too many branches for the collector to walk again and again
Condition = And | Or | Not | Comparison
