"""Severity by context: at most one level, with reasons, and never by what is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.detect.alerts.found import a_call, a_rule, found, heading
from watchkeeper.detect.alerts.model import Context, Fact, Weighed
from watchkeeper.detect.alerts.severity import weigh
from watchkeeper.events import Severity

PLAIN = a_rule(detection="{s: {kind: gateway.request.decided}, condition: s}")


def known(**sources: dict[str, Any]) -> Context:
    return {name: Fact(known=True, says=says) for name, says in sources.items()}


@pytest.mark.behaviour("alerts.severity-by-context")
@pytest.mark.parametrize(
    ("outcome", "context", "severity", "reasons"),
    [
        ("allow", {}, Severity.MEDIUM, ()),
        ("deny", {}, Severity.LOW, ("the call was stopped: one level lower",)),
        ("allow", known(asset={"criticality": "critical"}), Severity.HIGH,
         ("the server's criticality is critical: one level higher",)),
        ("deny", known(asset={"criticality": "high"}), Severity.MEDIUM,
         ("the call was stopped: one level lower", "the server's criticality is high: one level higher")),
        ("allow", known(asset={"criticality": "low"}), Severity.LOW,
         ("the server's criticality is low: one level lower",)),
        ("allow", known(definition={"labels": ["reads_private", "executes", "lookalike"]}), Severity.HIGH,
         ("the tool is marked executes, lookalike, and the call was not stopped: one level higher",)),
        ("deny", known(definition={"labels": ["executes"]}), Severity.LOW, ("the call was stopped: one level lower",)),
        ("allow", known(identity={"quarantined": True}, asset={"criticality": "critical"}), Severity.HIGH,
         ("the server's criticality is critical: one level higher",
          "the principal is in quarantine: one level higher")),
        ("allow", {"asset": Fact(known=False, why="nobody said")}, Severity.MEDIUM, ()),
        ("allow", known(asset={"criticality": ["critical"]}, definition={"labels": "executes"}), Severity.MEDIUM, ()),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_known_moves_the_level_by_at_most_one_and_says_why(
    outcome: str, context: Context, severity: Severity, reasons: tuple[str, ...]
) -> None:
    assert weigh(found(PLAIN, a_call(outcome=outcome)), context) == Weighed(severity, reasons)


@pytest.mark.behaviour("alerts.severity-by-context")
def test_critical_stays_critical_and_low_does_not_vanish() -> None:
    worst = known(asset={"criticality": "low"})
    assert weigh(found(a_rule(level="critical"), a_call()), worst) == Weighed(Severity.CRITICAL)
    assert weigh(found(a_rule(level="low"), a_call()), worst).severity is Severity.LOW
    assert weigh(found(a_rule(level="informational"), a_call()), worst).severity is Severity.INFORMATIONAL


def test_a_rule_that_looks_at_the_outcome_is_not_lowered_by_it_nor_what_is_no_such_rule() -> None:
    assert weigh(found(a_rule(), a_call()), {}).severity is Severity.MEDIUM
    other = replace(found(PLAIN, a_call()), by=heading(), severity=Severity.HIGH)
    assert weigh(other, {}) == Weighed(Severity.HIGH)
