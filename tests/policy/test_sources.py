from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy import PolicyEngine, check
from watchkeeper.policy.model import PINS
from watchkeeper.policy.sources import read
from watchkeeper.registry.model import PinState

GOOD = '@id("a") @reason("r") permit (principal, action, resource);\n'


@pytest.mark.behaviour("policy.bad-policy-named")
@pytest.mark.parametrize(
    ("text", "line", "policy"),
    [
        ("permit (principal, action, resource)", 1, ""),
        ("permit (principal, action, resource);", 1, ""),
        ('\n@id("x") permit (principal, action, resource);', 2, "x"),
        (GOOD + "\n" + GOOD, 1, "a"),
        ('\n\n@id("x") @reason("r") forbid (principal, action, resource) when { context.pinn == "x" };', 3, "x"),
        ('@id("x") @reason("r") forbid (principal, action, resource) when { context.pin == 3 };', 1, "x"),
        ('@id("x") @reason("r") forbid (principal == User::"a", action, resource);', 1, "x"),
        ('@id("x") @reason("r") forbid (principal, action == Action::"cal_tool", resource);', 1, "x"),
        ('@id("x") @reason("r") forbid (principal, action, resource) when { context.arguments.a == 1 };', 1, "x"),
        (
            '@id("x") @reason("r") forbid (principal, action, resource) when { context.counts.contains("many") };',
            1,
            "x",
        ),
        ('@id("x") @reason("r") forbid (principal, action, resource) when { context.pin == "hold" };', 1, "x"),
        ('@id("x") @reason("r") permit (principal, action, resource) unless { "hold" == context.pin };', 1, "x"),
        ('@id("x") @reason("r") permit (principal, action, resource) when { ["hold"].contains(context.pin) };', 1, "x"),
        ('@id("x") @reason("r") permit (principal == ?principal, action, resource);', 1, ""),
    ],
)
def test_a_wrong_policy_is_named_with_file_and_line(tmp_path: Path, text: str, line: int, policy: str) -> None:
    file = tmp_path / "p.cedar"
    file.write_text(text)
    (problem,) = check([tmp_path])
    assert (problem.file, problem.line, problem.policy) == (str(file), line, policy)
    with pytest.raises(Misconfigured) as caught:
        PolicyEngine.load([tmp_path])
    assert f"{file}:{line}:" in caught.value.reason


def test_the_pins_that_policies_can_speak_of_are_those_of_the_registry() -> None:
    assert set(PinState) <= set(PINS)


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (problem,) = check([tmp_path / "missing"])
    assert problem.file == str(tmp_path / "missing")


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_bytes(b"\xff\xfe")
    assert [problem.file for problem in check([tmp_path])] == [str(tmp_path / "p.cedar")]


def test_an_id_of_the_starter_set_cannot_be_taken_again(tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_text(GOOD.replace('"a"', '"starter.held-definition"'))
    (problem,) = check([content_folder("policies"), tmp_path])
    assert problem.policy == "starter.held-definition"


def test_good_policies_have_no_problems(tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_text(GOOD)
    assert check([content_folder("policies"), tmp_path]) == []


@pytest.mark.behaviour("policy.windows")
def test_a_window_of_time_that_the_settings_do_not_name_is_a_problem(tmp_path: Path) -> None:
    text = (
        '@id("x") @reason("r") forbid (principal, action, resource) unless { context.times.contains("office_hours") };'
    )
    (tmp_path / "p.cedar").write_text("\n" + text)
    assert check([tmp_path]) == []
    assert check([tmp_path], ["office_hours"]) == []
    (problem,) = check([tmp_path], ["night"])
    assert (problem.line, problem.policy) == (2, "x")
    with pytest.raises(Misconfigured):
        PolicyEngine.load([tmp_path], ["night"])


@pytest.mark.behaviour("policy.replaces")
def test_a_policy_takes_the_place_of_the_one_it_names(tmp_path: Path) -> None:
    old = '@id("old") @reason("r") forbid (principal, action, resource);\n'
    new = '@id("new") @reason("r") @replaces("old") permit (principal, action, resource);\n'
    (tmp_path / "a.cedar").write_text(old + new)
    policies, problems = read([tmp_path])
    assert ([policy.id for policy in policies], problems) == (["new"], [])


@pytest.mark.behaviour("policy.replaces")
@pytest.mark.parametrize(
    "notes", ['@replaces("older")', '@replaces("")', '@replaces("new")', '@replaces("old") @mode("shadow")']
)
def test_a_policy_that_cannot_take_a_place_stops_the_load(tmp_path: Path, notes: str) -> None:
    old = '@id("old") @reason("r") forbid (principal, action, resource);\n'
    (tmp_path / "a.cedar").write_text(f'{old}@id("new") @reason("r") {notes} permit (principal, action, resource);')
    assert [problem.policy for problem in check([tmp_path])] == ["new"]


@pytest.mark.parametrize("chain", [("one", "two"), ("one", "two", "three")])
def test_policies_that_replace_each_other_are_a_problem_and_not_both_gone(
    tmp_path: Path, chain: tuple[str, ...]
) -> None:
    after = (*chain[1:], chain[0])
    for name, other in zip(chain, after, strict=True):
        text = f'@id("{name}") @reason("No.") @replaces("{other}") forbid (principal, action, resource);'
        (tmp_path / f"{name}.cedar").write_text(text)
    problems = check([tmp_path])
    assert sorted(problem.policy for problem in problems) == sorted(chain)
    assert "neither would count" in problems[0].text
