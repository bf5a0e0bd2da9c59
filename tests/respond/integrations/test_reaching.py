"""Playbooks that reach other systems: through the real service, real servers, and what the incident then says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.respond.conftest import CLOCK, Estate, Gate
from tests.respond.integrations.conftest import made
from tests.respond.integrations.servers import Elsewhere, Post, elsewhere, mail_server
from tests.respond.integrations.test_pager import EventsApi
from tests.respond.integrations.test_repository import Clone
from tests.respond.integrations.tracker import Tracker
from watchkeeper.respond import RespondSettings
from watchkeeper.respond.integrations import Integration, IntegrationSettings, Outbox
from watchkeeper.respond.integrations.minutes import Minutes
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Case
from watchkeeper.respond.service import Connections, RespondService

HEAD = """
id: reach_out
version: 1
title: Reach out
description: Ask other systems.
severity: high
when: incident.alerts.exists(a, a.playbook == "reach_out")
blast_radius: {}
steps:
"""


class House:
    """Response with integrations, as the watch runs it."""

    def __init__(self, estate: Estate, folder: Path) -> None:
        self.estate = estate
        self.folder = folder
        self.integrations: dict[str, tuple[IntegrationSettings, Integration]] = {}

    def add(self, name: str, type_: str, *allowed: str, **settings: Any) -> None:
        how = {key: value for key, value in settings.items() if key != "secrets"}
        self.integrations[name] = (
            IntegrationSettings(type=type_, **how),
            made(type_, *allowed, **settings),
        )

    def playbook(self, *steps: str) -> None:
        self.folder.mkdir(exist_ok=True)
        how = "deadline: 20s, on_failure: "
        lines = "".join(f"  - {{{how}{'undo' if 'gone' in step else 'continue'}, {step}}}\n" for step in steps)
        (self.folder / "reach_out.yaml").write_text(HEAD + lines)

    @contextmanager
    def running(self) -> Iterator[tuple[RespondService, Outbox]]:
        estate = self.estate
        minutes = Minutes(Ledger(estate.database, estate.journal, estate.reader), CLOCK)
        outbox = Outbox(
            estate.database, minutes, CLOCK, self.integrations, lambda one: f"https://console.example/{one.number}"
        )
        settings = RespondSettings(
            playbooks=str(self.folder), integrations={name: how for name, (how, _) in self.integrations.items()}
        )
        connections = Connections(
            estate.database, estate.journal, estate.reader, estate.orders, estate.pins, errands=outbox
        )
        service, stop = RespondService(estate.data, settings, connections), threading.Event()
        runs = [service.run, *outbox.runs.values()]
        threads = [threading.Thread(target=run, args=(stop,), daemon=True) for run in runs]
        for thread in threads:
            thread.start()
        try:
            yield service, outbox
        finally:
            stop.set()
            for thread in threads:
                thread.join(20)

    def respond(self) -> Case:
        """Raise the alert, wait for the playbook and for all that it asked for; the incident then."""
        with self.running() as (service, outbox):
            self.estate.raise_alert(1, playbook="reach_out")
            self.estate.until_finished()
            self.estate.until(lambda: all(one.waiting == 0 for one in outbox.standings()))
            return service.incidents.show(service.incidents.list()[0].number)


@pytest.fixture
def house(estate: Estate, gate: Gate, tmp_path: Path) -> House:
    return House(estate, tmp_path / "playbooks")


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def chat(house: House, servers: ExitStack, name: str, **settings: Any) -> Elsewhere:
    there = servers.enter_context(elsewhere(lambda _: (200, b"ok")))
    house.add(name, "chat", there.host, style="slack", url=there.url, **settings)
    return there


@pytest.mark.behaviour("integrations.routing")
def test_notify_reaches_the_console_those_who_want_the_severity_and_those_it_names(
    house: House, servers: ExitStack
) -> None:
    loud, quiet, named = (
        chat(house, servers, "loud", notify="medium"),
        chat(house, servers, "quiet", notify="critical"),
        chat(house, servers, "named"),
    )
    post = Post()
    address = servers.enter_context(mail_server(post))
    house.add(
        "mail", "mail", address, address=address, security="none", notify="high",
        sender="w@example.org", recipients=("soc@example.org",),
    )  # fmt: skip
    house.playbook("id: tell, action: notify, with: {text: it happened, channels: [named]}, evidence: [channels]")
    case = house.respond()
    assert (len(loud.got), len(quiet.got), len(named.got), len(post.got)) == (1, 0, 1, 1)
    (step,) = case.runs[0].steps
    assert step.evidence["channels"] == ["console", "loud", "mail", "named"]
    assert {event.body["channel"] for event in house.estate.events("respond.notification.sent")} == {"console"}
    lines = [entry.what for entry in case.timeline]
    assert "tell by mail: taken as 4XyZ123" in lines
    assert loud.got[0].json["blocks"][2]["elements"][0]["url"] == f"https://console.example/{case.incident.number}"


@pytest.mark.behaviour("integrations.actions")
def test_a_playbook_pages_opens_a_ticket_and_takes_a_commit_back(
    house: House, servers: ExitStack, tmp_path: Path
) -> None:
    api, tracker, clone = EventsApi(), Tracker(), Clone(tmp_path / "clone")
    clone.commit("one", config="a\n")
    bad = clone.commit("two", config="evil\n")
    pager = servers.enter_context(elsewhere(api))
    house.add("pager", "pager", pager.host, style="pagerduty", url=pager.url, secret="env:KEY")
    there = servers.enter_context(elsewhere(tracker))
    house.add("tracker", "ticket", there.host, url=f"{there.url}/tickets", authorization="Bearer env:TOKEN")
    house.add("config", "git", repository=str(clone.folder))
    house.playbook(
        "id: page, action: page, with: {through: pager, text: wake up}",
        "id: ticket, action: open_ticket, with: {through: tracker, text: look at it}",
        "id: comment, action: update_ticket, with: {through: tracker, text: held}",
        f'id: revert, action: revert_commit, with: {{through: config, commit: "{bad}", reason: evil}}',
    )
    case = house.respond()
    steps = {step.step: step for step in case.runs[0].steps}
    assert [(step.state, step.verified) for step in steps.values()] == [
        ("completed", None), ("completed", True), ("completed", True), ("completed", True),
    ]  # fmt: skip
    assert (api.paged, tracker.created, len(tracker.comments["OPS-41"])) == (1, 1, 1)
    assert steps["ticket"].evidence["reference"] == "OPS-41"
    assert clone.tree(steps["revert"].evidence["reference"]) == clone.tree(f"{bad}^")
    assert "create by tracker: verified as OPS-41" in [entry.what for entry in case.timeline]


@pytest.mark.behaviour("respond.undo-takes-all-back")
def test_a_failure_takes_back_pages_and_tickets_and_corrects_what_was_told(house: House, servers: ExitStack) -> None:
    api, tracker = EventsApi(), Tracker()
    pager = servers.enter_context(elsewhere(api))
    house.add("pager", "pager", pager.host, style="pagerduty", url=pager.url, secret="env:KEY")
    there = servers.enter_context(elsewhere(tracker))
    house.add("tracker", "ticket", there.host, url=f"{there.url}/tickets", authorization="Bearer env:TOKEN")
    ops = chat(house, servers, "ops")
    house.playbook(
        "id: page, action: page, with: {through: pager, text: wake up}",
        "id: ticket, action: open_ticket, with: {through: tracker, text: look at it}",
        "id: comment, action: update_ticket, with: {through: tracker, text: held}",
        "id: tell, action: notify, with: {text: it happened, channels: [ops]}",
        "id: gone, action: page, with: {through: nobody}",
    )
    case = house.respond()
    states = {step.step: step.state for step in case.runs[0].steps}
    assert list(states)[5:] == ["undo_tell", "undo_ticket", "undo_page"]
    assert set(states.values()) - {states["gone"]} == {"completed"}
    assert (api.paged, set(api.pages.values())) == (1, {"resolved"})
    assert tracker.tickets["OPS-41"]["status"] == "closed"
    assert "CORRECTION, taken back: it happened" in str(ops.got[-1].json)
    assert len(ops.got) == 2


@pytest.mark.behaviour("respond.only-containment-is-contained")
def test_a_ticket_that_is_proven_to_be_there_contains_nothing(house: House, servers: ExitStack) -> None:
    there = servers.enter_context(elsewhere(Tracker()))
    house.add("tracker", "ticket", there.host, url=f"{there.url}/tickets", authorization="Bearer env:TOKEN")
    house.playbook("id: ticket, action: open_ticket, with: {through: tracker, text: look at it}")
    case = house.respond()
    assert case.runs[0].steps[0].verified is True
    assert house.estate.events("respond.containment") == []
    assert (case.incident.state, case.incident.contained_at) == ("open", 0)
    assert "containment" not in str([entry.what for entry in case.timeline])


@pytest.mark.behaviour("integrations.lies")
def test_a_tracker_that_lies_leaves_a_failed_playbook_and_says_so_on_the_incident(
    house: House, servers: ExitStack
) -> None:
    tracker = Tracker()
    tracker.loses = True
    there = servers.enter_context(elsewhere(tracker))
    house.add("tracker", "ticket", there.host, url=f"{there.url}/tickets", authorization="Bearer env:TOKEN")
    house.playbook("id: ticket, action: open_ticket, with: {through: tracker, text: look at it}")
    case = house.respond()
    (step,) = case.runs[0].steps
    assert step.verified is False
    assert case.runs[0].outcome == "failure"
    assert "Open a ticket in tracker" in case.incident.advice
    assert [entry.what for entry in case.timeline if "NOT verified" in entry.what]


@pytest.mark.behaviour("integrations.nothing-lost")
def test_a_pager_that_is_away_fails_the_step_and_gets_the_page_later(house: House, servers: ExitStack) -> None:
    api, down = EventsApi(), True
    there = servers.enter_context(elsewhere(lambda request: (503, b"") if down else api(request)))
    house.add("pager", "pager", there.host, style="pagerduty", url=there.url, secret="env:KEY")
    house.playbook("id: page, action: page, with: {through: pager, text: wake up}")
    with house.running() as (service, outbox):
        house.estate.raise_alert(1, playbook="reach_out")
        house.estate.until_finished()
        (step,) = service.incidents.show(service.incidents.list()[0].number).runs[0].steps
        assert step.state == "failed"
        assert "is asked again" in step.summary
        down = False
        house.estate.until(lambda: outbox.standings()[0].sent == 1)
        case = service.incidents.show(service.incidents.list()[0].number)
    assert api.paged == 1
    what = [entry.what for entry in case.timeline]
    assert len([line for line in what if line.startswith("trigger by pager failed, and is tried again")]) == 1
    assert [line for line in what if line.startswith("trigger by pager: taken as watchkeeper-")]


@pytest.mark.behaviour("integrations.unserved")
def test_without_integrations_the_step_is_unavailable(house: House) -> None:
    house.playbook("id: page, action: page, with: {through: pager}")
    with house.estate.responding(settings=RespondSettings(playbooks=str(house.folder))) as service:
        house.estate.raise_alert(1, playbook="reach_out")
        house.estate.until_finished()
        (step,) = service.incidents.show(service.incidents.list()[0].number).runs[0].steps
    assert step.state == "unavailable"
    assert "no integrations" in step.summary


def test_a_channel_that_is_not_there_fails_the_step_after_everybody_else_was_told(
    house: House, servers: ExitStack
) -> None:
    there = chat(house, servers, "ops", notify="low")
    house.playbook("id: tell, action: notify, with: {text: it happened, channels: [nobody]}")
    case = house.respond()
    (step,) = case.runs[0].steps
    assert step.state == "failed"
    assert "'nobody'" in step.summary
    assert len(there.got) == 1
