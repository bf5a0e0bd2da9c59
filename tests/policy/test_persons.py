"""What operators may do: the policies that come with the product, and policies that fail."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy.persons import FAILED, May, PersonRules

FOLDER = content_folder("policies") / "operators"
CASES = yaml.safe_load((FOLDER / "operators.tests.yaml").read_text(encoding="utf-8"))["cases"]


def asked(case: dict[str, Any]) -> May:
    scopes = tuple(case["scopes"]) if "scopes" in case else None
    return May("ada", case["role"], case["act"], case.get("needs", ""), scopes)


@pytest.mark.behaviour("operators.roles")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_role_may_do_what_the_tests_beside_the_policies_say(case: dict[str, Any]) -> None:
    permission = PersonRules().may(asked(case))
    assert permission.is_given is case["allow"]
    assert permission.reason


@pytest.mark.behaviour("operators.roles")
def test_every_policy_about_operators_speaks_in_some_test() -> None:
    rules = PersonRules()
    spoken = {rule for case in CASES for rule in rules.may(asked(case)).rules}
    text = (FOLDER / "operators.cedar").read_text(encoding="utf-8")
    written = {line.split('"')[1] for line in text.splitlines() if "@id" in line}
    assert spoken - {FAILED} == written


@pytest.mark.behaviour("operators.fail-closed")
def test_a_policy_that_errs_denies_what_others_permit(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    overflow = "9223372036854775807"
    (tmp_path / "more.cedar").write_text(
        '@id("mine.errs") @reason("It errs.") forbid (principal, action, resource) '
        f"when {{ {overflow} + (if context.limited then 0 else 1) > 0 }};"
    )
    permission = PersonRules(tmp_path).may(May("ada", "admin", "view_console"))
    assert (permission.is_given, permission.rules) == (False, (FAILED,))


@pytest.mark.behaviour("operators.fail-closed")
@pytest.mark.parametrize("text", ["permit (", "permit (principal, action, resource);", ""])
def test_policies_that_cannot_be_used_permit_nothing(tmp_path: Path, text: str) -> None:
    shutil.copy(FOLDER / "operators.cedarschema", tmp_path)
    (tmp_path / "operators.cedar").write_text(text)
    rules = PersonRules(tmp_path)
    with pytest.raises(Misconfigured):
        rules.check()
    assert not rules.may(May("ada", "admin", "view_console")).is_given


@pytest.mark.behaviour("operators.fail-closed")
def test_a_policy_about_what_the_schema_does_not_know_is_refused(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "more.cedar").write_text(
        '@id("mine.typo") @reason("A typo.") permit (principal, action == Action::"veiw_console", resource);'
    )
    with pytest.raises(Misconfigured):
        PersonRules(tmp_path).check()
    assert not PersonRules(tmp_path).may(May("ada", "admin", "view_console")).is_given


def test_a_name_that_is_no_text_is_a_no() -> None:
    assert not PersonRules().may(May("\ud800", "admin", "view_console")).is_given
