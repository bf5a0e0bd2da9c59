"""A run's report and an analyst's act at the same moment, on both kinds of state: neither overwrites the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from tests.respond.conftest import CLOCK, PATIENCE, Estate
from watchkeeper.core.database import Database
from watchkeeper.events import Event
from watchkeeper.gateway.containment import Order as Held
from watchkeeper.gateway.containment import OrderKind
from watchkeeper.respond.acting import Order, Stepper
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.cases.model import Filter
from watchkeeper.respond.cases.registrar import Registrar
from watchkeeper.respond.interface import Services
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Incident, StepResult, alert_of
from watchkeeper.respond.notifications import ConsoleNotifier
from watchkeeper.respond.progress import Progress

ADA = "operator:ada"


class Table:
    """An incident with a run, whose process reports through a connection of its own."""

    def __init__(self, estate: Estate) -> None:
        self.ledger = Ledger(estate.database, estate.journal, estate.reader)
        intake = estate.service().intake
        (document,) = intake.take(alert_of(estate.rug_pull()))
        self.run = str(document["run"])
        self.incident = str(document["incident"]["id"])
        self.registrar = Registrar(estate.database, self.ledger, CLOCK)
        self.book = CaseBook(estate.database, self.ledger, CLOCK)
        self.database = Database(estate.database.url)
        self.progress = Progress(self.database, self.ledger, CLOCK)
        self.services = Services(estate.pins, estate.orders, ConsoleNotifier(estate.database, self.ledger), CLOCK)
        self.stepper = Stepper({}, self.services, self.progress, lambda _: None)

    def now(self) -> Incident:
        return self.book.reading.open(self.incident).incident

    def told(self, kind: str, about: str = "", **more: Any) -> Event:
        order = msgspec.convert(self.progress.document(self.run), Order)
        return self.stepper.event(order, kind, about, more)

    def done(self, **members: Any) -> None:
        """The step that holds the tool ended."""
        result = StepResult("hold", "hold_tool", "completed", CLOCK.now(), **members)
        body: dict[str, Any] = {"step": "hold", "action": "hold_tool", "parameters": {}, "summary": "", "evidence": {}}
        body["duration_us"] = 1
        self.progress.step(self.run, result, self.told("respond.step.completed", "hold", **body))

    def report(self, what: Callable[[], None]) -> tuple[threading.Thread, threading.Event]:
        """Report in a thread; the event is set when it asks for what only one can hold."""
        is_waiting = threading.Event()
        asks = ("SELECT pg_advisory_xact_lock", "BEGIN IMMEDIATE")

        @event.listens_for(self.database.engine, "before_cursor_execute")
        def look(_link, _cursor, statement, *_):  # type: ignore[no-untyped-def]  # SQLAlchemy's own types
            if statement.startswith(asks[0] if self.database.is_server else asks[1]):
                is_waiting.set()

        thread = threading.Thread(target=what, daemon=True)
        thread.start()
        return thread, is_waiting


@pytest.fixture
def table(shared_estate: Estate):  # type: ignore[no-untyped-def]
    table = Table(shared_estate)
    yield table
    table.database.close()


REPORTS: dict[str, Callable[[Table], None]] = {
    "finished": lambda t: t.progress.finished(t.run, t.told("respond.playbook.finished", steps={}, advice=""), ""),
    "parked": lambda t: t.progress.parked(t.run, "another engine"),
    "lost": lambda t: t.progress.lost(t.run, "it broke", is_over=True),
}


@pytest.mark.behaviour("playbooks.a-report-and-an-act-keep-each-other")
@pytest.mark.parametrize("name", REPORTS)
def test_what_a_person_closes_while_a_run_reports_stays_closed(table: Table, name: str) -> None:
    table.done(contains="hold_tool read_file", verified=True)
    with table.registrar.opened(table.incident, ADA) as work:
        thread, is_waiting = table.report(lambda: REPORTS[name](table))
        assert is_waiting.wait(PATIENCE)
        work.row.state, work.row.status, work.row.closed_by = "closed", "closed", ADA
        work.tell("respond.incident.closed", "closed by hand")
    thread.join(PATIENCE)
    assert not thread.is_alive()
    now = table.now()
    assert (now.state, now.status, now.closed_by) == ("closed", "closed", ADA)
    run = table.book.reading.open(table.incident).runs[0]
    assert run.state == ("parked" if name == "parked" else "finished")


@pytest.mark.behaviour("playbooks.a-report-and-an-act-keep-each-other")
def test_a_step_that_is_reported_during_a_merge_is_told_where_its_run_went(table: Table, shared_estate: Estate) -> None:
    other = shared_estate.service().intake
    other.take(alert_of(shared_estate.raise_alert(7, server="mail", target="send", rule="another")))
    target = next(one.id for one in table.book.reading.page(Filter()).incidents if one.id != table.incident)
    waiting: list[tuple[threading.Thread, threading.Event]] = []

    @event.listens_for(shared_estate.database.engine, "after_cursor_execute")
    def meanwhile(_link, _cursor, statement, *_):  # type: ignore[no-untyped-def]  # SQLAlchemy's own types
        if not waiting and statement.startswith("UPDATE respond_counters"):
            waiting.append(table.report(table.done))
            assert waiting[0][1].wait(PATIENCE)

    table.book.merging.merge(table.incident, ADA, target, "one attack")
    waiting[0][0].join(PATIENCE)
    assert not waiting[0][0].is_alive()
    lines = [entry.what for entry in table.book.reading.timeline(target).entries]
    assert any("hold_tool completed" in line for line in lines)


@pytest.mark.behaviour("respond.lifted-contains-nothing")
@pytest.mark.parametrize(("in_force", "state"), [(True, "contained"), (False, "unverified")])
def test_what_was_proven_by_an_order_that_was_lifted_since_is_not_called_contained(
    table: Table, in_force: bool, state: str
) -> None:
    order = Held("o-1", OrderKind.HOLD_TOOL, "files/read_file", "r", ADA, 1, 1)
    table.progress = Progress(table.database, table.ledger, CLOCK, lambda: [order] if in_force else [])
    table.done(contains="hold_tool read_file", verified=True, evidence={"order": "o-1", "generation": 1})
    REPORTS["finished"](table)
    assert table.now().state == state
