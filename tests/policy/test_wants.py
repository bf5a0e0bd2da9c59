from __future__ import annotations

from collections.abc import Callable

import pytest

from watchkeeper.policy import PolicyEngine
from watchkeeper.policy.wants import EVERYTHING

Make = Callable[..., PolicyEngine]
Forbid = Callable[..., str]


@pytest.mark.behaviour("policy.wanted-findings")
@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ('context.findings.contains("secret")', {"secret"}),
        ('context.pin == "held" && (context.findings.contains("a") || context.findings.contains("b"))', {"a", "b"}),
        ('context.findings.containsAny(["iban", "email"])', {"iban", "email"}),
        ('["a"].containsAll(context.findings)', {EVERYTHING}),
        ('context.findings == ["a"]', {EVERYTHING}),
        ("!context.findings.isEmpty()", {EVERYTHING}),
        ("context.findings.containsAny(context.labels)", {EVERYTHING}),
        ('{c: context}.c.findings.contains("a")', {EVERYTHING}),
        ('context.pin == "held"', set()),
    ],
)
def test_the_findings_that_a_condition_asks_for(make: Make, forbid: Forbid, condition: str, wanted: set[str]) -> None:
    assert make(forbid("p", condition)).wanted == wanted


@pytest.mark.behaviour("policy.wanted-findings")
def test_the_classes_that_a_modification_names_are_wanted(make: Make) -> None:
    note = '@id("m") @reason("r") @effect("modify") @transform("redact") @classes("email,iban")'
    assert make(f"{note} forbid (principal, action, resource);").wanted == {"email", "iban"}


def test_the_starter_set_does_not_ask_for_personal_data() -> None:
    assert PolicyEngine.load().wanted == {"secret", "hidden_instruction", "inspection_failed"}
