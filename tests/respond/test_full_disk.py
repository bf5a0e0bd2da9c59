"""A full disk at each write of the responder: said why, nothing lost, nothing twice, on when there is room."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.disks import Disk
from tests.respond.conftest import CLOCK, Estate, Gate
from tests.respond.playbooks import hold_and_ask
from watchkeeper.core.errors import Stalled, WatchkeeperError
from watchkeeper.gateway.orders import OrderKind
from watchkeeper.operators import Roster
from watchkeeper.policy.persons import PersonRules
from watchkeeper.respond import IncidentState
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.deadman.pausing import Pauses
from watchkeeper.respond.errands import Errand, Verb
from watchkeeper.respond.gates.model import Said
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.integrations._store import Shelf as DeliveryShelf
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import alert_of
from watchkeeper.respond.ports import Asking
from watchkeeper.respond.service import RespondService
from watchkeeper.respond.settings import RespondSettings
from watchkeeper.respond.vault import Vault

IMPORTED = '{"external_id": "SEC-1", "title": "an old one", "opened_at": 1700000000000000}'
PLACES = ["hold effect", "asked approval opened", "asked done"]
OTHERS = ["hold recorded", "hold done", "asked approval decided", "asked effect", "asked recorded"]


@pytest.fixture
def estate(disk: Disk) -> Iterator[Estate]:
    estate = Estate(disk.folder / "data")
    yield estate
    estate.close()


def refusal_of(act: Callable[[], object]) -> WatchkeeperError | None:
    try:
        act()
    except WatchkeeperError as error:
        return error
    return None


def fill(disk: Disk) -> None:
    """Also what the logs of the databases hold as room of their own."""
    for path in (disk.folder / "data").glob("*.db"):
        with closing(sqlite3.connect(path, timeout=0.1)) as link:
            link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    disk.fill()


class Filling:
    """Response with a disk that is full from a place of its run on."""

    def __init__(self, estate: Estate, disk: Disk, place: str) -> None:
        self._estate, self._disk, self._place = estate, disk, place
        self.is_full = threading.Event()
        folder = disk.folder / "playbooks"
        folder.mkdir()
        (folder / "full.yaml").write_text(hold_and_ask())
        roster = Roster(estate.database, estate.journal, CLOCK)
        self.options = {
            "watch": self._watch,
            "settings": RespondSettings(playbooks=str(folder)),
            "electorate": Electorate(PersonRules(), roster),
        }

    def _watch(self, where: str) -> None:
        if where == self._place and not self.is_full.is_set():
            fill(self._disk)
            self.is_full.set()


def approve(service: RespondService) -> None:
    for gate in service.runs.gates.waiting():
        service.runs.persons.say(gate.id, Said("operator:ann", "responder", "approve", "looked at it"))


@pytest.mark.behaviour("respond.full-disk")
def test_what_begins_on_a_full_disk_says_so_and_begins_when_there_is_room(disk: Disk, estate: Estate) -> None:
    filling = Filling(estate, disk, "nowhere")
    estate.raise_alert(rule="room", target="read_file", principal="agent:desk")
    fill(disk)
    with estate.responding(**filling.options) as service:
        estate.until(lambda: "full" in service.progress()["trouble"])
        disk.empty()
        estate.until(lambda: bool(service.runs.gates.waiting()))
        estate.until(lambda: service.progress() == {"waiting": 0, "trouble": ""})
    assert Counter(e.kind for e in estate.events("respond.incident.opened", "respond.playbook.started")) == {
        "respond.incident.opened": 1,
        "respond.playbook.started": 1,
    }


@pytest.mark.behaviour("respond.full-disk")
@pytest.mark.parametrize("place", [*PLACES, *(pytest.param(place, marks=pytest.mark.slow) for place in OTHERS)])
def test_a_run_waits_for_room_at_every_write_and_does_everything_once(disk: Disk, estate: Estate, place: str) -> None:
    filling = Filling(estate, disk, place)
    is_opening = place == "asked approval opened"
    with (
        Gate(estate.data, estate.database, estate.orders),
        estate.responding(**filling.options) as service,
    ):
        estate.raise_alert(rule="room", target="read_file", principal="agent:desk")

        def is_full() -> bool:
            if not is_opening and not filling.is_full.is_set():
                approve(service)
            return filling.is_full.is_set()

        estate.until(is_full)
        if is_opening:
            with pytest.raises(Stalled, match="full"):
                approve(service)
        estate.until(lambda: "full" in service.progress()["trouble"])
        assert service.runs.gates.waiting() or not is_opening, "what was refused is not half decided"
        disk.empty()

        def is_finished() -> bool:
            approve(service)
            return bool(estate.events("respond.playbook.finished"))

        estate.until(is_finished)
        estate.until(lambda: service.progress()["trouble"] == "")
        (incident,) = service.incidents.list()
    assert incident.state is IncidentState.CONTAINED, incident.advice
    assert Counter((o.kind.value, o.target) for o in estate.orders.all()) == {
        ("hold_tool", "files/read_file"): 1,
        ("quarantine_principal", "agent:desk"): 1,
    }
    facts = [e for e in estate.events("respond.", "gateway.order.") if e.kind != "respond.incident.updated"]
    assert Counter(e.kind for e in facts) == {
        "respond.incident.opened": 1,
        "respond.playbook.started": 1,
        "respond.gate.opened": 1,
        "respond.gate.answered": 1,
        "respond.gate.decided": 1,
        "respond.notification.sent": 1,
        "respond.step.completed": 2,
        "gateway.order.issued": 2,
        "respond.containment.verified": 2,
        "respond.playbook.finished": 1,
    }
    assert {e.outcome for e in facts} <= {"success", "", "deny"}


@pytest.mark.behaviour("respond.full-disk")
def test_what_a_person_or_an_action_asks_for_on_a_full_disk_is_refused_with_why_and_once_when_it_works(
    disk: Disk, estate: Estate
) -> None:
    service = estate.service()
    intake, ledger = service.intake, Ledger(estate.database, estate.journal, estate.reader)
    intake.take(alert_of(estate.raise_alert(rule="room")))
    (incident,) = service.incidents.list()
    later = alert_of(estate.raise_alert(2, rule="room", server="other"))
    book = CaseBook(estate.database, ledger, CLOCK)
    vault = Vault(estate.data, estate.journal, estate.reader, CLOCK)
    asking = Asking("run:step:1", "system:respond", "before it is changed", incident.id)
    shelf = DeliveryShelf(estate.database)
    errand = Errand(key="k", integration="chat", verb=Verb.TELL, time=1, incident=incident.id)
    pauses = Pauses(estate.database, estate.journal, CLOCK)
    by = "operator:ann"
    order = {"reason": "harm", "by": by, "key": "order 1"}
    acts: dict[str, Callable[[], object]] = {
        "an alert": lambda: intake.take(later),
        "a note": lambda: book.noting.note(incident.id, by, text="seen"),
        "a task": lambda: book.tasks.add(incident.id, by, title="call"),
        "a decision": lambda: book.deciding.acknowledge(incident.id, by),
        "an order": lambda: estate.orders.issue(OrderKind.HOLD_TOOL, "files/read_file", **order),
        "evidence": lambda: vault.keep("files", {"a": "x" * 10_000}, asking),
        "an errand": lambda: shelf.put("errand 1", errand, CLOCK.now()),
        "a pause": lambda: pauses.pause(60, by, "maintenance"),
        "an import": lambda: book.importing.take("old", [(1, IMPORTED)], by, dry_run=False),
    }
    fill(disk)
    for name, act in acts.items():
        refused = refusal_of(act)
        assert isinstance(refused, Stalled), f"{name}: {refused!r}"
        assert "disk" in f"{refused.reason}; {refused.hint}", name
    disk.empty()
    for act in acts.values():
        estate.until(lambda act=act: not isinstance(refusal_of(act), Stalled))  # the journal finds the room by itself
    assert len(service.incidents.list()) == 3
    assert [one.text for one in book.reading.open(incident.id).notes] == ["seen"]
    assert len(book.reading.open(incident.id).tasks) == 1
    assert len(estate.orders.all()) == 1
    assert vault.check(asking.key).is_whole
    kinds = Counter(e.kind for e in estate.events("respond.", "gateway.order."))
    assert {kinds[kind] for kind in ("gateway.order.issued", "respond.evidence.kept")} == {1}
    assert max(Counter(e.id for e in estate.events("")).values()) == 1
