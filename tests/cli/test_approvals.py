"""`watchkeeper approvals` on a folder where no service runs: what a person sees and what their decision does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.gateway.approvals.wanted import BOUNDS, wanted
from watchkeeper.app.platform import Platform, opened
from watchkeeper.cli import main
from watchkeeper.gateway.approvals import Approval, State
from watchkeeper.gateway.approvals.model import Requirement


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with opened(tmp_path, "gateway"):
        return tmp_path


@pytest.fixture
def platform(folder: Path) -> Iterator[Platform]:
    with opened(folder, "gateway") as platform:
        yield platform


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["approvals", words[0], "--data", str(folder), *words[1:]])


def asked(platform: Platform, binding: str = "b-1", quorum: int = 1) -> Approval:
    demands = (Requirement("mine.pay", "responder", quorum),)
    return platform.approvals.request(wanted(binding, requirements=demands), BOUNDS)


@pytest.mark.behaviour("approvals.cli")
def test_an_empty_inbox_says_how_something_comes_into_it(folder: Path) -> None:
    told = run(folder, "list")
    assert told.exit_code == 0
    assert '@effect("ask")' in told.output
    assert json.loads(run(folder, "list", "--json").output) == []


@pytest.mark.behaviour("approvals.cli")
def test_what_waits_is_listed_shown_and_approved(platform: Platform, folder: Path) -> None:
    one = asked(platform)
    assert one.id in run(folder, "list").output
    page = run(folder, "show", one.id).output
    for part in ("agent:claude", "bank", "pay", "mine.pay", "A person decides about payments.", '"to":"ada"'):
        assert part in page
    told = run(folder, "approve", one.id)
    assert (told.exit_code, "passes once" in told.output) == (0, True)
    assert platform.approvals.show(one.id).state is State.GRANTED
    assert [row["id"] for row in json.loads(run(folder, "list", "--all", "--json").output)] == [one.id]


@pytest.mark.behaviour("approvals.cli")
def test_a_denial_keeps_its_reason_and_stands_beside_the_next_request(platform: Platform, folder: Path) -> None:
    one = asked(platform)
    assert run(folder, "deny", one.id, "--reason", "too much").exit_code == 0
    other = asked(platform, "b-2")
    page = run(folder, "show", other.id).output
    assert ("decided before" in page, "denied by operator:" in page) == (True, True)
    assert "too much" in run(folder, "show", one.id).output


@pytest.mark.behaviour("approvals.cli")
def test_a_quorum_tells_what_is_missing(platform: Platform, folder: Path) -> None:
    one = asked(platform, quorum=2)
    told = run(folder, "approve", one.id, "--json")
    assert json.loads(told.output)["missing"] == {"mine.pay": 1}
    again = run(folder, "approve", one.id)
    assert (again.exit_code, "another person" in again.output) == (73, True)
    assert "pending (1 for)" in run(folder, "list").output


@pytest.mark.behaviour("approvals.cli")
def test_what_is_not_there_is_not_found_and_what_is_over_is_a_conflict(platform: Platform, folder: Path) -> None:
    assert run(folder, "show", "ask-0").exit_code == 66
    one = asked(platform)
    run(folder, "deny", one.id)
    assert run(folder, "approve", one.id).exit_code == 73


@pytest.mark.behaviour("approvals.cli")
def test_watch_tells_each_request_once(platform: Platform, folder: Path) -> None:
    one, other = asked(platform), asked(platform, "b-2")
    told = run(folder, "watch", "--for", "1.2", "--json").output
    assert sorted(json.loads(line)["id"] for line in told.splitlines()) == sorted([one.id, other.id])


@pytest.mark.behaviour("approvals.cli")
def test_no_value_makes_lines_of_its_own_on_the_page(platform: Platform, folder: Path) -> None:
    forged = wanted(arguments='{"a":1,\n"state":"granted"}', target="pay\n  said so far:\u202e")
    page = run(folder, "show", platform.approvals.request(forged, BOUNDS).id).output
    assert [line for line in page.splitlines() if line.strip().startswith(('"state"', "said so far"))] == []
    assert "\u202e" not in page
