"""A condition as one closure over a record's fields: slow, and easy to believe."""

from __future__ import annotations

from typing import Any

from watchkeeper.detect.conditions.model import And, Condition, Not, Or
from watchkeeper.detect.conditions.values import Test, comparison_test


def compile_condition(condition: Condition) -> Test:
    """The closure of a condition. Raises `Unsupported` for a pattern that cannot run."""
    if isinstance(condition, And):
        return _every([compile_condition(arg) for arg in condition.args])
    if isinstance(condition, Or):
        return _some([compile_condition(arg) for arg in condition.args])
    if isinstance(condition, Not):
        inner = compile_condition(condition.arg)
        return lambda fields: not inner(fields)
    return comparison_test(condition)


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
