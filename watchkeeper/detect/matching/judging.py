"""One rule, judged of one record: by generated code where a field has one value, read plainly where it has several."""

from __future__ import annotations

from typing import Generic, TypeVar

from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.model import Condition
from watchkeeper.detect.conditions.needs import needs_of
from watchkeeper.detect.conditions.values import Test
from watchkeeper.detect.matching.generating import Judge, generate
from watchkeeper.detect.matching.views import Names, Several, View

R = TypeVar("R")


class Judged(Generic[R]):
    """A rule with its condition, compiled when it is needed first: most rules never are."""

    __slots__ = ("_judge", "_names", "_plain", "condition", "needs", "rule")

    def __init__(self, rule: R, condition: Condition, names: Names) -> None:
        self.rule = rule
        self.condition = condition
        self.needs = needs_of(condition)
        self._names = names
        self._judge: Judge | None = None
        self._plain: Test | None = None

    def holds(self, view: View) -> bool:
        """Whether the rule's condition is true of the record."""
        judge = self._judge
        if judge is None:
            judge = self._judge = generate(self.condition, self._names)
        try:
            return judge(view)
        except Several:
            if self._plain is None:
                self._plain = compile_condition(self.condition)
            return self._plain(view.fields)
