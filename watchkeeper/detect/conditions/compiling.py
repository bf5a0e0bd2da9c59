"""A Sigma condition as one closure over an event's fields, and the kinds of event it can be true for.

pySigma has resolved selections, quantifiers (`1 of`, `all of`) and modifiers into a tree of and, or, not and leaves.
"""

from __future__ import annotations

from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import SigmaString

from watchkeeper.detect.conditions.fields import is_field
from watchkeeper.detect.conditions.values import Test, Unsupported, field_test, keyword_test


def compile_condition(node: Any) -> Test:
    """The closure of a condition tree. Raises `Unsupported`, naming what it cannot carry out."""
    if isinstance(node, ConditionAND):
        return _every([compile_condition(arg) for arg in node.args])
    if isinstance(node, ConditionOR):
        return _some([compile_condition(arg) for arg in node.args])
    if isinstance(node, ConditionNOT):
        inner = compile_condition(node.args[0])
        return lambda fields: not inner(fields)
    if isinstance(node, ConditionFieldEqualsValueExpression):
        path = tuple(node.field.split("."))
        if not is_field(path):
            raise Unsupported(
                f"there is no field {node.field}",
                hint="fields are the members of an event, or body.NAME; see the concept page",
            )
        return field_test(path, node.value)
    if isinstance(node, ConditionValueExpression):
        return keyword_test(node.value)
    raise Unsupported(f"the condition holds {type(node).__name__}, which is not supported")


def fields_of(node: Any) -> frozenset[str]:
    """The fields that the condition reads, as dotted paths; `*` for keywords, which read all of an event."""
    if isinstance(node, ConditionAND | ConditionOR | ConditionNOT):
        return frozenset().union(*map(fields_of, node.args))
    return frozenset({node.field if isinstance(node, ConditionFieldEqualsValueExpression) else "*"})


def kinds_of(node: Any) -> frozenset[str] | None:
    """The kinds without which the condition cannot be true; `None` when it may be true for any."""
    if isinstance(node, ConditionAND):
        known = [kinds for kinds in map(kinds_of, node.args) if kinds is not None]
        return frozenset.intersection(*known) if known else None
    if isinstance(node, ConditionOR):
        each = [kinds_of(arg) for arg in node.args]
        return None if None in each else frozenset().union(*(kinds for kinds in each if kinds is not None))
    if isinstance(node, ConditionFieldEqualsValueExpression) and node.field == "kind":
        value = node.value
        if isinstance(value, SigmaString) and not value.contains_special():
            return frozenset({"".join(str(part) for part in value.s).casefold()})
    return None


def _every(tests: list[Test]) -> Test:
    def holds(fields: Any) -> bool:
        for test in tests:  # noqa: SIM110 — twice as fast as all() over a generator, for every event
            if not test(fields):
                return False
        return True

    return holds


def _some(tests: list[Test]) -> Test:
    def holds(fields: Any) -> bool:
        for test in tests:  # noqa: SIM110 — as above
            if test(fields):
                return True
        return False

    return holds
