from __future__ import annotations

import json

import pytest

from watchkeeper.inspection import Inspection, Surface, redact
from watchkeeper.inspection.instructions import HiddenInstructions
from watchkeeper.inspection.personal import Personal
from watchkeeper.inspection.secrets import Secrets

LETTER = json.dumps({"from": "ada.brook@lakes.test", "account": "DE41 5172 8821 5558 2444 49"}).encode()


@pytest.fixture(scope="module")
def all_of_it() -> Inspection:
    return Inspection([HiddenInstructions(), Personal(), Secrets()], wanted=frozenset({"personal_data"}))


@pytest.mark.behaviour("inspection.personal-on-demand")
def test_personal_data_is_not_looked_for_until_a_policy_asks_for_it() -> None:
    inspection = Inspection([HiddenInstructions(), Personal(), Secrets()])
    assert inspection.inspect(Surface.RESULT, LETTER) == ()
    for word in ("personal_data", "iban", "national_id", "*"):
        found = inspection.wanting(frozenset({word})).inspect(Surface.RESULT, LETTER)
        assert [finding.rule for finding in found] == ["personal.email", "personal.iban"]
    assert inspection.wanting(frozenset({"secret"})).inspect(Surface.RESULT, LETTER) == ()


@pytest.mark.behaviour("inspection.personal-not-kept")
def test_what_was_found_is_neither_quoted_nor_kept(all_of_it: Inspection) -> None:
    found = all_of_it.inspect(Surface.RESULT, LETTER)
    kept = redact(LETTER, found, 2048) + repr(found)
    assert "brook" not in kept
    assert "5172" not in kept


def test_definitions_are_not_searched_for_persons(all_of_it: Inspection) -> None:
    assert all_of_it.inspect(Surface.DEFINITION, LETTER) == ()
    assert all_of_it.inspect(Surface.INSTRUCTIONS, LETTER) == ()


def test_a_card_written_as_a_number_is_one(all_of_it: Inspection) -> None:
    (found,) = all_of_it.inspect(Surface.ARGUMENTS, b'{"pay":{"card":4929537387197180,"sum":12}}')
    assert (found.rule, found.path, found.start, found.end) == ("personal.payment-card", "/pay/card", 0, 16)


def test_a_finding_can_be_called_by_label_class_and_kind(all_of_it: Inspection) -> None:
    (found,) = all_of_it.inspect(Surface.RESULT, b'{"ssn":"536-22-8145"}')
    assert found.classes == {"personal_data", "national_id", "us_ssn"}
    assert found.kind == "national_id"
    (other,) = all_of_it.inspect(Surface.RESULT, b'{"t":"ghp_' + b'k3Jx9QmT2vLp7RwZ4nYc8BdF1hGs6Ua5Ke0T"}')
    assert (other.kind, other.classes) == ("github_token", {"secret", "github_token"})


def test_of_each_rule_no_more_are_named_than_was_asked_for(all_of_it: Inspection) -> None:
    many = json.dumps([f"u{i}@lakes.test" for i in range(80)]).encode()
    assert len(all_of_it.inspect(Surface.RESULT, many)) == 51
    assert len(all_of_it.inspect(Surface.RESULT, many, 1000)) == 80
