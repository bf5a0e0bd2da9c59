"""What a condition looks at: the fields it reads, and the kinds of event without which it cannot be true. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from watchkeeper.detect.conditions.model import And, Comparison, Condition, Not, Operator, Or

_REFERENCES = frozenset({Operator.SAME_AS, Operator.SAME_START, Operator.SAME_END, Operator.SAME_PART})


def comparisons_of(condition: Condition) -> Iterator[Comparison]:
    """Every comparison, from left to right."""
    if isinstance(condition, And | Or):
        for arg in condition.args:
            yield from comparisons_of(arg)
    elif isinstance(condition, Not):
        yield from comparisons_of(condition.arg)
    else:
        yield condition


def fields_of(condition: Condition) -> frozenset[str]:
    """The fields that the condition reads; `*` for keywords, which read all of an event."""
    return frozenset(name for said in comparisons_of(condition) for name in fields_read(said))


def fields_read(said: Comparison) -> tuple[str, ...]:
    """The fields that one comparison reads."""
    if said.operator in _REFERENCES:
        return said.field, str(said.value)
    return (said.field or "*",)


def kinds_of(condition: Condition) -> frozenset[str] | None:
    """The kinds without which the condition cannot be true; `None` when it may be true for any."""
    if isinstance(condition, And):
        known = [kinds for kinds in map(kinds_of, condition.args) if kinds is not None]
        return frozenset.intersection(*known) if known else None
    if isinstance(condition, Or):
        each = [kinds_of(arg) for arg in condition.args]
        return None if None in each else frozenset().union(*(kinds for kinds in each if kinds is not None))
    if isinstance(condition, Comparison) and condition.field == "kind":
        is_whole = condition.operator is Operator.EQUALS and isinstance(condition.value, str) and not condition.part
        return frozenset({str(condition.value).casefold()}) if is_whole else None
    return None
