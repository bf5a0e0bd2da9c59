"""A correlation as data: what Sigma's `correlation:` says, its references resolved to rules' ids. No I/O, no pySigma.

Sigma has eight types; ours is the ninth: `absence`, which tells what did *not* happen in time. In a file it is written
with words that Sigma has: an ordered correlation whose condition negates (`call and not answer`), or a count of less
than one (`event_count` with `lt: 1` or `eq: 0`), which means "seen before in this group, and then no more".
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from watchkeeper.detect.model import Heading


class Type(StrEnum):
    """What is looked at over the time span, for each group."""

    EVENT_COUNT = "event_count"
    """How many events matched."""
    VALUE_COUNT = "value_count"
    """How many distinct values (of several fields: combinations of them)."""
    TEMPORAL = "temporal"
    """Which of the rules matched, in any order."""
    TEMPORAL_ORDERED = "temporal_ordered"
    """Which of the rules matched, in the order in which they are named."""
    VALUE_SUM = "value_sum"
    VALUE_AVG = "value_avg"
    VALUE_PERCENTILE = "value_percentile"
    VALUE_MEDIAN = "value_median"
    ABSENCE = "absence"
    """`rules` matched (in their order, where there are several), and then none of `missing` within the time span."""


class Operator(StrEnum):
    """How a count or a value is compared."""

    LESS = "lt"
    LESS_EQUAL = "lte"
    GREATER = "gt"
    GREATER_EQUAL = "gte"
    EQUAL = "eq"
    NOT_EQUAL = "neq"


class Threshold(msgspec.Struct, frozen=True):
    """One comparison of the count or the value."""

    operator: Operator
    value: int | float


class Matched(msgspec.Struct, frozen=True, tag="rule"):
    """The rule (or correlation) of this id matched."""

    rule: str


class Every(msgspec.Struct, frozen=True, tag="and"):
    """All of them."""

    args: tuple[Expression, ...]


class Some(msgspec.Struct, frozen=True, tag="or"):
    """Any of them."""

    args: tuple[Expression, ...]


class Never(msgspec.Struct, frozen=True, tag="not"):
    """Not, by the end of the time span."""

    arg: Expression


Expression = Matched | Every | Some | Never


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """One correlation. Ids are those of `Rule.id` or of another correlation's `heading.id`."""

    heading: Heading
    type: Type
    rules: tuple[str, ...]
    """What it counts or awaits, in the order of the file."""
    missing: tuple[str, ...] = ()
    """Of an absence: what should have come. The same as `rules`: a sign of life (any of them) that stops."""
    timespan: int
    """Microseconds, more than none."""
    group_by: tuple[str, ...] = ()
    """Fields, or aliases: events are counted together when all of these are equal. Empty: all together."""
    aliases: dict[str, dict[str, str]] = {}
    """For an alias, which field it is in the events of which rule (by id)."""
    condition: tuple[Threshold, ...] = ()
    """All must hold: of a count or a value; of a temporal one, of how many of `rules` matched."""
    expression: Expression | None = None
    """The extended condition of a temporal one, which then has no threshold. Holds no `Never`, or one that must be
    waited for: it is decided when the time span is over."""
    fields: tuple[str, ...] = ()
    """Whose values are counted or calculated with; more than one only of `value_count`."""
    percentile: float = 50.0
    """Of `value_percentile`."""
    generates: bool = False
    """Whether the rules it refers to raise alerts of their own as well. Several correlations may name one rule: it
    raises when any of them says so; `Rule.alone` has the answer."""
    alone: bool = True
    """Whether it raises alerts by itself; false where only another correlation asks for it."""
    group: tuple[str, ...] = ()
    """The members of the completing event that name what the alert is about, where `group_by` does not."""
