"""Verbs of rooms that are not there, and of rooms that are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.respond.conftest import CLOCK
from watchkeeper.core.errors import NotFound
from watchkeeper.respond.actions.elsewhere import FreezeRegistry, LegalHold, PinRollback, RotateSecret
from watchkeeper.respond.gates.book import Gates
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.intake import Intake, Shelf
from watchkeeper.respond.interface import ActionContext, Services, Unserved
from watchkeeper.respond.interpreter import RunInterpreter
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import IncidentState, alert_of
from watchkeeper.respond.notifications import ConsoleNotifier
from watchkeeper.respond.ports import Asking, Rollback, Rotation
from watchkeeper.respond.progress import Progress
from watchkeeper.respond.settings import RespondSettings
from watchkeeper.respond.shelf import shelve

VERBS = [
    (PinRollback(), {"server": "files", "tool": "read_file", "reason": "r"}),
    (RotateSecret(), {"secret": "files/token", "reason": "r"}),
    (FreezeRegistry(), {"source": "pypi", "reason": "r"}),
    (LegalHold(), {"target": "INC-1", "reason": "r"}),
]


class Room:
    """One that serves all four ports: a shelf of versions, a keyring, a gate and a bin, each of them in memory."""

    def __init__(self) -> None:
        self.in_use, self.approved = "sha256:bad", "sha256:good"
        self.valid = {"old"}
        self.frozen: set[str] = set()
        self.held: set[str] = set()
        self.done: dict[str, Any] = {}

    def roll_back(self, server: str, name: str, asking: Asking) -> Rollback:
        if asking.key not in self.done:
            self.done[asking.key] = Rollback(self.in_use, self.approved)
            self.in_use = self.approved
        return self.done[asking.key]

    def running(self, server: str, name: str) -> str:
        return self.in_use

    def pinned(self, server: str, name: str) -> str:
        return self.approved

    def roll_forward(self, server: str, name: str, digest: str, asking: Asking) -> None:
        if not digest:
            raise NotFound("no such version")
        self.in_use = digest

    def rotate(self, secret: str, asking: Asking) -> Rotation:
        if asking.key not in self.done:
            self.valid = {f"new {len(self.done)}"}
            self.done[asking.key] = Rotation(*self.valid, "old")
        return self.done[asking.key]

    def works(self, secret: str, fingerprint: str) -> bool:
        return fingerprint in self.valid

    def freeze(self, source: str, asking: Asking) -> str:
        self.frozen.add(source)
        return asking.key

    def admits(self, source: str) -> bool:
        return source not in self.frozen

    def unfreeze(self, source: str, asking: Asking) -> None:
        self.frozen.discard(source)

    def hold(self, target: str, asking: Asking) -> str:
        self.held.add(target)
        return asking.key

    def would_delete(self, target: str) -> bool:
        return target not in self.held

    def lift(self, target: str, asking: Asking) -> None:
        self.held.discard(target)


def context_of(estate: Any, room: Room | None) -> ActionContext:
    services = Services(
        *(estate.pins, estate.orders, SimpleNamespace(), CLOCK),
        rollbacks=room,
        rotations=room,
        freezes=room,
        legal_holds=room,
    )
    return ActionContext(services, "run:step:1", {"id": "i", "number": "INC-1"}, "", lambda: True)


@pytest.mark.behaviour("respond.unserved-is-said")
@pytest.mark.parametrize(("action", "given"), VERBS, ids=[action.name for action, _ in VERBS])
def test_a_verb_without_a_room_says_so_and_what_a_person_should_do(estate, action, given):
    parameters = action.Parameters(**given)
    with pytest.raises(Unserved) as raised:
        action.run(parameters, context_of(estate, None))
    assert raised.value.hint
    assert action.by_hand(parameters)


@pytest.mark.parametrize(("action", "given"), VERBS, ids=[action.name for action, _ in VERBS])
def test_a_verb_with_a_room_acts_once_under_its_key_and_proves_it(estate, action, given):
    parameters, room = action.Parameters(**given), Room()
    context = context_of(estate, room)
    first = action.run(parameters, context)
    again = action.run(parameters, context)
    assert first.evidence == again.evidence
    assert all(first.evidence[name] for name in action.evidence)
    assert action.verify(parameters, context).verified


@pytest.mark.parametrize(("action", "given"), VERBS, ids=[action.name for action, _ in VERBS])
def test_what_was_done_elsewhere_is_taken_back_where_it_can_be(estate, action, given):
    parameters, room = action.Parameters(**given), Room()
    context = context_of(estate, room)
    action.run(parameters, context)
    action.undo(parameters, context)
    assert action.verify(parameters, context).verified is (action.name == "rotate_secret")


@pytest.mark.behaviour("respond.unserved-is-said")
def test_an_incident_whose_only_verb_has_no_room_is_not_contained_and_says_what_to_do(estate):
    actions = {"freeze_registry": FreezeRegistry()}
    text = (
        b"id: p\nversion: 1\ntitle: P\nwhen: 'true'\nseverity: low\nblast_radius: {sources: 1}\nsteps:\n"
        b"  - {id: a, action: freeze_registry, with: {source: pypi, reason: r}, deadline: 5s}\n"
    )
    shelf = Shelf([shelve(text, actions, name="p.yaml")], actions)
    ledger = Ledger(estate.database, estate.journal, estate.reader)
    intake = Intake(estate.database, ledger, CLOCK, RespondSettings(), shelf)
    services = Services(estate.pins, estate.orders, ConsoleNotifier(estate.database, ledger), CLOCK)
    (document,) = intake.take(alert_of(estate.rug_pull()))
    progress, gates = Progress(estate.database, ledger, CLOCK), Gates(estate.database, ledger, CLOCK)
    RunInterpreter(actions, services, progress, gates)(document, lambda name, step: step())
    (incident,) = IncidentDesk(estate.database, ledger, CLOCK).list()
    assert incident.state is IncidentState.UNVERIFIED
    assert "Stop installs and updates from pypi" in incident.advice
