"""Whether a condition can ever be true, and whether anything must be there for it. Pure.

Only what is certain is told: a value of a list may be one thing and another of its values something else, so two values
of one field contradict each other only where a field has one value by its nature.
"""

from __future__ import annotations

from collections.abc import Iterator

from watchkeeper.detect.conditions.model import And, Comparison, Condition, Not, Operator, Or
from watchkeeper.detect.conditions.needs import Every, needs_of
from watchkeeper.detect.linting.model import Problem, error, hint

_SINGLE = frozenset({"kind", "EventID", "outcome", "server", "target", "actor", "Channel"})


def problems_of(condition: Condition) -> Iterator[Problem]:
    """What the shape of a condition says about it."""
    if why := never(condition):
        yield error("never-true", f"the condition can never be true: {why}", "write `or`, or remove one of the two")
    elif why := always(condition):
        yield error("always-true", f"the condition is true of every event: {why}", "narrow it")
    elif needs_of(condition) == Every():
        yield hint(
            "no-needle",
            "nothing must be there for it to be true, so it is asked of every event",
            "add a comparison that must hold, e.g. of the kind of event, or of a name",
        )


def never(condition: Condition) -> str:
    """Why it is never true; empty where it may be."""
    if isinstance(condition, Or):
        whys = [never(arg) for arg in condition.args]
        return whys[0] if whys and all(whys) else "" if whys else "it asks for one of nothing"
    if isinstance(condition, Not):
        return always(condition.arg)
    if isinstance(condition, Comparison):
        return ""
    for arg in condition.args:
        if why := never(arg):
            return why
    return _contradiction(list(_flat(condition)))


def always(condition: Condition) -> str:
    """Why it is always true; empty where it may be false."""
    if isinstance(condition, And):
        whys = [always(arg) for arg in condition.args]
        return whys[0] if whys and all(whys) else "" if whys else "it asks for nothing"
    if isinstance(condition, Not):
        return never(condition.arg)
    if isinstance(condition, Comparison):
        return ""
    args = set(condition.args)
    for arg in condition.args:
        if why := always(arg):
            return why
        if isinstance(arg, Not) and arg.arg in args:
            return f"it holds with {_words(arg.arg)} and without"
    return ""


def _contradiction(args: list[Condition]) -> str:
    wanted = set(args)
    for arg in args:
        if isinstance(arg, Not):
            denied = arg.arg.args if isinstance(arg.arg, Or) else (arg.arg,)
            if clash := next((one for one in denied if one in wanted), None):
                return f"it asks for {_words(clash)} and against it"
    said = [arg for arg in args if isinstance(arg, Comparison)]
    absent = {one.field for one in said if one.operator is Operator.ABSENT}
    present = {one.field for one in said if one.operator is not Operator.ABSENT and one.field}
    if both := sorted(absent & present):
        return f"it asks for {both[0]} to be absent and to have a value"
    values: dict[str, set[str]] = {}
    for one in said:
        if one.operator is Operator.EQUALS and one.field in _SINGLE:
            values.setdefault(one.field, set()).add(str(one.value).casefold())
    return next(
        (f"{field} cannot be {' and '.join(sorted(v))} at once" for field, v in values.items() if len(v) > 1), ""
    )


def _flat(condition: And) -> Iterator[Condition]:
    for arg in condition.args:
        if isinstance(arg, And):
            yield from _flat(arg)
        else:
            yield arg


def _words(condition: Condition) -> str:
    if isinstance(condition, Comparison):
        return f"{condition.field or 'a keyword'} {condition.operator} {condition.value!r}"[:120]
    return "one selection"
