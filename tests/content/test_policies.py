from __future__ import annotations

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.policy import Case, PolicyEngine, check, read_cases, run_case

FOLDER = content_folder("policies")
CASES = [case for _, case in read_cases([FOLDER])]


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    return PolicyEngine.load()


def test_the_starter_policies_are_sound() -> None:
    assert check([FOLDER]) == []


@pytest.mark.behaviour("policy.starter-set")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_policies_answer_as_their_tests_say(engine: PolicyEngine, case: Case) -> None:
    assert run_case(engine, case) == ""


def test_every_policy_speaks_in_some_test(engine: PolicyEngine) -> None:
    assert {policy.id for policy in engine.policies} == {rule for case in CASES for rule in case.rules}


def test_reasons_fit_for_a_model_are_short_sentences(engine: PolicyEngine) -> None:
    for policy in engine.policies:
        assert policy.reason.endswith(".")
        assert len(policy.reason) <= 160
