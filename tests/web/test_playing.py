"""Playbooks, runs and what these wait for over real HTTP, with a real responder and a gateway's orders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.respond.oncall.conftest import settings_of
from tests.web.plays import Play, played
from watchkeeper.app.oncall import Oncalling
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.respond.oncall.settings import LayerSettings, PersonSettings
from watchkeeper.respond.settings import RespondSettings

FORM = {"Sec-Fetch-Site": "same-origin"}
HOSTILE = "<script>alert(1)</script>\u202e\u200b"


@pytest.fixture
def play(serve_console: Callable[..., AbstractContextManager[Any]], desk: Any, tmp_path: Path) -> Iterator[Play]:
    with played(serve_console, desk, tmp_path) as play:
        yield play


def shown(client: httpx.Client, gate: str) -> str:
    """Of which plan the page of a gate is."""
    found = re.search(r'name="binding" value="([^"]+)"', client.get(f"/gates/{gate}").text)
    return found[1] if found else ""


def say(client: httpx.Client, gate: str, choice: str, comment: str = "I looked", **more: str) -> httpx.Response:
    more.setdefault("binding", shown(client, gate))
    return client.post(f"/gates/{gate}/say", data={"choice": choice, "comment": comment, **more}, headers=FORM)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.behaviour("web.gates")
def test_two_persons_approve_what_they_saw_exactly_and_only_then_is_it_done(play: Play) -> None:
    play.estate.raise_alert(1, principal="agent:desk")
    gate = play.waits("hold")
    with play.running.inside("ada") as ada, play.running.inside("eve") as eve:
        listing, page = ada.get("/approvals").text, ada.get(f"/gates/{gate}").text
        assert 'data-part="waiting">1<' in listing
        assert "Response waits for you" in listing
        for part in ("hold_tool", "tool=read_file", "can be taken back", "0 of 2", "responder", "Time left"):
            assert part in words(page) or part in page, part
        binding = re.search(r'name="binding" value="([^"]+)"', page)
        assert binding is not None
        assert say(ada, gate, "approve", comment="").status_code == 400
        assert say(ada, gate, "approve", binding="sha256:0000").status_code == 409
        assert say(ada, gate, "approve", binding=binding[1]).status_code == 303
        assert play.holds() == []
        again = say(ada, gate, "approve", binding=binding[1])
        assert (again.status_code, "has approved it already" in words(again.text)) == (409, True)
        assert "1 of 2" in words(eve.get(f"/gates/{gate}").text)
        assert say(eve, gate, "approve", "the owner is away", binding=binding[1]).status_code == 303
        play.estate.until(lambda: play.holds() == ["files/read_file"])
        later = say(eve, gate, "decline")
        assert later.status_code == 409
    said = [(e.actor, e.body["choice"]) for e in play.estate.events("respond.gate.answered")]
    assert said == [("operator:ada", "approve"), ("operator:eve", "approve")]


@pytest.mark.behaviour("web.gates-replayed")
def test_an_approval_that_names_no_plan_or_that_of_another_run_decides_nothing_and_is_recorded(play: Play) -> None:
    play.estate.raise_alert(1)
    first = play.waits("hold")
    with play.running.inside("ada") as ada, play.running.inside("eve") as eve:
        old = shown(ada, first)
        for client in (ada, eve):
            assert say(client, first, "approve").status_code == 303
        play.estate.until(lambda: play.holds() == ["files/read_file"])
        play.estate.raise_alert(2, server="mail", target="send")
        gates = play.estate.service().runs.gates
        play.estate.until(lambda: any(gate.step == "hold" for gate in gates.waiting()))
        (second,) = [gate.id for gate in gates.waiting() if gate.step == "hold"]
        for forged in ("", old, first, shown(ada, second)[:-1]):
            assert say(ada, second, "approve", binding=forged).status_code == 409, forged
        assert say(ada, first, "approve", binding=old).status_code == 409, "it came again"
        assert gates.by_id(second).votes == ()
        refused = play.estate.events("respond.gate.refused")
        assert [(e.actor, e.outcome) for e in refused] == [("operator:ada", "deny")] * 5
        assert say(ada, second, "approve", binding=shown(ada, second)).status_code == 303
    assert play.holds() == ["files/read_file"]


@pytest.mark.behaviour("oncall.handover")
def test_what_a_run_waits_for_stands_in_the_handover_until_it_was_decided(play: Play) -> None:
    play.estate.raise_alert(1)
    gate = play.waits("hold")
    people = {"ada": PersonSettings(channels=("pager",))}
    oncall = settings_of(people=people, layers=(LayerSettings(people=("ada",)),))
    shifts = Oncalling(play.platform, Loaded(Settings(respond=RespondSettings(oncall=oncall)), play.platform.data_dir))
    (now,) = shifts.acts["oncall.handovers"]({"now": True})
    number = play.estate.events("respond.incident.opened")[0].body["number"]
    asked = {"gate": gate, "incident": number, "playbook": "look_first", "step": "hold", "kind": "approval"}
    assert now["others"]["playbooks"]["rows"] == (asked | {"by": "responder"},)
    assert "Playbooks that wait for a person: 1" in now["text"]
    with play.running.inside("ada") as client:
        assert say(client, gate, "decline").status_code == 303
    (now,) = shifts.acts["oncall.handovers"]({"now": True})
    assert gate not in now["text"]


@pytest.mark.behaviour("web.gate-roles")
def test_who_may_not_decide_sees_why_and_is_refused_and_nothing_happens(play: Play) -> None:
    play.estate.raise_alert(1)
    gate = play.waits("hold")
    with play.running.inside("ada") as client:
        play.running.everybody.role = "analyst"
        page = client.get(f"/gates/{gate}").text
        assert 'value="approve"' not in page
        assert "not by you" in words(client.get("/approvals").text)
        assert say(client, gate, "approve").status_code == 403
        play.running.everybody.role = "responder"
        assert client.post(f"/gates/{gate}/say", data={"choice": "approve", "comment": "x"}).status_code == 403
        assert say(client, gate, "perhaps").status_code == 400
        assert say(client, "gone-gone", "approve").status_code == 404
    assert play.holds() == []
    assert play.estate.events("respond.gate.answered") == []


@pytest.mark.behaviour("web.runs")
def test_a_run_is_shown_step_by_step_with_its_lanes_proofs_and_text_and_is_ended_by_a_person(play: Play) -> None:
    play.estate.raise_alert(1)
    gate = play.waits("hold")
    with play.running.inside("ada") as ada, play.running.inside("eve") as eve:
        assert say(ada, gate, "approve").status_code == 303
        assert say(eve, gate, "approve").status_code == 303
        manual = play.waits("ask")
        run = play.estate.events("respond.gate.opened")[0].body["run"]
        play.estate.until(lambda: "told by console" in ada.get(f"/runs/{run}").text)
        page = ada.get(f"/runs/{run}").text
        for part in ("hold", "proven", "people", "machines", "Look before you hold", f"{run}:hold:1", "sha256:"):
            assert part in page, part
        (order,) = play.platform.orders.in_force()
        told = words(page)
        for part in (f"in force order {order.id} take it back", "asked to prove it:", f"deny by {order.rule}", "took"):
            assert part in told, part
        waits = words(re.search(r"<li class=\"stage gated\">.*?</li>", page, re.DOTALL)[0])
        assert re.search(r"ask .*asked (just now|[0-9]+ s ago)", waits), waits
        proof = re.search(r'href="/events/([0-9a-f-]+)/proof"', page)
        assert proof is not None
        told = {event.id: event.kind for event in play.estate.events("respond.step.")}
        assert told[proof[1]] == "respond.step.completed"
        assert run in ada.get("/runs").text
        assert run not in ada.get("/runs?state=finished").text
        play.running.everybody.role = "analyst"
        refused = ada.post(f"/runs/{run}/cancel", data={"reason": "x"}, headers=FORM)
        assert refused.status_code == 403
        play.running.everybody.role = "responder"
        assert ada.post(f"/runs/{run}/cancel", data={"reason": ""}, headers=FORM).status_code == 400
        ended = ada.post(f"/runs/{run}/cancel", data={"reason": "it was a drill", "undo": "1"}, headers=FORM)
        assert ended.status_code == 303
        play.estate.until_finished()
        assert play.holds() == []
        ended_page = words(ada.get(f"/runs/{run}").text)
        assert "cancelled by operator:ada: it was a drill" in ended_page
        assert re.search(r"done taken back [^:]*: lifted the order on files/read_file", ended_page)
        assert re.search(rf"lifted order {order.id} lifted .* by system:respond", ended_page)
        assert "void" in str(play.view._acts.gate({"gate": manual})["state"])


@pytest.mark.behaviour("web.gates")
def test_a_manual_step_is_answered_with_what_was_done_and_the_run_goes_on(play: Play) -> None:
    play.estate.raise_alert(1)
    gate = play.waits("hold")
    with play.running.inside("ada") as ada, play.running.inside("eve") as eve:
        for client in (ada, eve):
            assert say(client, gate, "approve").status_code == 303
        manual = play.waits("ask")
        assert "Ask the owner whether the change was theirs." in ada.get(f"/gates/{manual}").text
        assert say(ada, manual, "approve").status_code == 400
        assert say(ada, manual, "done", "they did not").status_code == 303
        play.estate.until_finished()
        assert "Nothing waits for a person" in ada.get("/approvals").text
        assert "they did not" in ada.get(f"/gates/{manual}").text


@pytest.mark.behaviour("web.playbooks")
def test_a_playbook_is_shown_tried_against_an_incident_and_run_by_who_may(play: Play) -> None:
    play.estate.raise_alert(1, rule="other", title="Another", principal="agent:desk")
    play.estate.until(lambda: bool(play.estate.events("respond.incident.opened")))
    number = play.estate.events("respond.incident.opened")[0].body["number"]
    with play.running.inside("ada") as client:
        assert "Look before you hold" in client.get("/playbooks").text
        page = words(client.get(f"/playbooks/look_first?incident={number}").text)
        assert "not due by itself" in page
        assert "tool=read_file" in page
        assert play.holds() == []
        assert client.get("/playbooks/none").status_code == 404
        assert "there is no incident" in client.get("/playbooks/look_first?incident=INC-none").text
        play.running.everybody.role = "analyst"
        asked = {"incident": number, "reason": "I want to see it held"}
        assert client.post("/playbooks/look_first/run", data=asked, headers=FORM).status_code == 403
        play.running.everybody.role = "responder"
        assert client.post("/playbooks/look_first/run", data=asked | {"reason": ""}, headers=FORM).status_code == 400
        begun = client.post("/playbooks/look_first/run", data=asked, headers=FORM)
        assert begun.status_code == 303
        assert "asked for by" in words(client.get(begun.headers["location"]).text)


@pytest.mark.behaviour("web.gates-hostile")
def test_what_an_event_says_is_inert_on_every_page_of_response(play: Play) -> None:
    play.estate.raise_alert(1, title=HOSTILE, target=HOSTILE, principal=HOSTILE)
    gate = play.waits("hold")
    play.estate.until(lambda: bool(play.estate.events("respond.gate.opened")))
    run = play.estate.events("respond.gate.opened")[0].body["run"]
    with play.running.inside("ada") as client:
        bad = say(client, gate, "approve", comment=HOSTILE * 100)
        assert bad.status_code == 400
        paths = ("/approvals", f"/gates/{gate}", f"/runs/{run}", "/runs", "/playbooks", "/playbooks/look_first")
        for page in (*(client.get(path).text for path in paths), bad.text):
            assert "<script>alert" not in page
            assert not {"\u202e", "\u200b"} & set(re.sub(r"<textarea.*?</textarea>", "", page, flags=re.DOTALL))
