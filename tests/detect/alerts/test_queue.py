"""The queue: filled from the journal, moved by people, counted per rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from tests.detect.alerts.found import T, a_call, a_rule
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.detect.alerts import AlertAdmission, Knowledge, Limits
from watchkeeper.detect.alerts.exceptions.book import ExceptionBook
from watchkeeper.detect.alerts.exceptions.held import Held
from watchkeeper.detect.alerts.exceptions.model import Draft
from watchkeeper.detect.alerts.queue.book import AlertQueue, forget
from watchkeeper.detect.alerts.queue.follower import QueueFollower
from watchkeeper.detect.alerts.queue.model import Alert, Filter
from watchkeeper.detect.alerts.queue.moves import wish_of
from watchkeeper.detect.alerts.queue.past import past_alerts
from watchkeeper.detect.alerts.queue.precision import Rate, rate
from watchkeeper.detect.alerts.raising import detection_of
from watchkeeper.detect.stream.spans import one_log
from watchkeeper.events import Event, Journal, JournalReader

RULE = a_rule()
ANN, ZOE = "operator:ann", "operator:zoe"


@dataclass
class Desk:
    """A data folder with a queue."""

    journal: Journal
    reader: JournalReader
    database: Database
    clock: ManualClock
    queue: AlertQueue
    follower: QueueFollower
    exceptions: ExceptionBook

    def raises(self, calls: list[Event], limits: Limits | None = None) -> list[Event]:
        """Record calls, what admission makes of them, and let the queue follow."""
        admission = AlertAdmission(limits, Knowledge(exceptions=Held(self.exceptions.in_force)))
        told: list[Event] = []
        for call in calls:
            position = self.journal.record(call)
            told += admission.admit(detection_of(RULE, call, position), self.clock.now())
        told += admission.pass_time(self.clock.now() + 10_000 * SECOND, self.clock.now())
        for event in told:
            self.journal.record(event)
        self.follow()
        return told

    def follow(self) -> None:
        while self.follower.step():
            continue

    def alerts(self, **asked: Any) -> list[Alert]:
        return list(self.queue.page(Filter(**asked)).alerts)

    def does(self, alert: str, act: str, by: str = ANN, **more: str) -> Alert:
        return self.queue.assess(alert, "default", wish_of(act, by, **more))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock, database = ManualClock(T + 3_600 * SECOND), Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    journal, reader = Journal.open(tmp_path, "watch"), JournalReader(tmp_path)

    def read_at(writer: str, index: int) -> Event | None:
        return next((one.event for one in one_log(reader, writer, index, index + 1)), None)

    yield Desk(
        journal, reader, database, clock, AlertQueue(database, journal, clock, read_at),
        QueueFollower(database, reader, clock), ExceptionBook(database, journal, clock),
    )  # fmt: skip
    journal.close()
    database.close()


@pytest.mark.behaviour("alerts.queue-follows")
def test_alerts_wait_in_the_queue_with_their_counts_the_newest_first(desk: Desk) -> None:
    first, second, _ = desk.raises([a_call(0, 1), a_call(1, 2), a_call(2, 3, server="mail"), a_call(3, 4)])
    assert {(a.id, a.count, a.state, a.server) for a in desk.alerts()} == {
        (first.id, 3, "new", "files"),
        (second.id, 1, "new", "mail"),
    }
    assert [a.count for a in desk.alerts(server="files")] == [3]
    assert [a.server for a in desk.alerts(words="A CALL mail")] == ["mail"]
    assert desk.alerts(severity=4) == desk.alerts(tenant="other") == desk.alerts(words="100%") == []
    assert desk.queue.page(Filter(), limit=1).total == 2


@pytest.mark.behaviour("alerts.queue-moves")
def test_an_alert_is_taken_on_closed_and_reopened_and_each_step_is_recorded(desk: Desk) -> None:
    (alert,) = desk.raises([a_call()])
    assert desk.does(alert.id[:8], "acknowledge").state == "acknowledged"
    assert desk.does(alert.id, "assign", to=ZOE).assignee == ZOE
    closed = desk.does(alert.id, "close", ZOE, disposition="false_positive", note="the rule is wrong")
    assert (closed.state, closed.disposition, closed.note) == ("closed", "false_positive", "the rule is wrong")
    assert (desk.alerts(), len(desk.alerts(state="closed"))) == ([], 1)
    assert desk.does(alert.id, "reopen").state == "assigned"
    opened = desk.queue.open(alert.id, "default")
    assert [(one.by, one.act, one.was, one.state) for one in opened.history] == [
        (ANN, "acknowledge", "new", "acknowledged"), (ANN, "assign", "acknowledged", "assigned"),
        (ZOE, "close", "assigned", "closed"), (ANN, "reopen", "closed", "assigned"),
    ]  # fmt: skip
    assert opened.trigger is not None
    assert (opened.trigger["id"], opened.body["title"], opened.alert.disposition) == ("event-0", "A call", "")


@pytest.mark.behaviour("alerts.queue-moves")
def test_what_makes_no_sense_is_refused(desk: Desk) -> None:
    (alert,) = desk.raises([a_call()])
    for wrong in ({"act": "delete"}, {"act": "close"}, {"act": "close", "disposition": "x"},
                  {"act": "assign", "to": "agent:ann"}, {"act": "acknowledge", "note": "x" * 5_000}):  # fmt: skip
        with pytest.raises(Invalid):
            desk.does(alert.id, **wrong)
    with pytest.raises(Denied):
        desk.does(alert.id, "acknowledge", by="agent:ann")
    with pytest.raises(Conflict):
        desk.does(alert.id, "reopen")
    desk.does(alert.id, "close", disposition="duplicate")
    with pytest.raises(Conflict):
        desk.does(alert.id, "close", disposition="duplicate")
    for name in ("", alert.id[:5], "ffffffff"):
        with pytest.raises(NotFound):
            desk.does(name, "reopen")


@pytest.mark.behaviour("alerts.queue-follows")
def test_the_queue_is_filled_again_from_the_journal(desk: Desk) -> None:
    first, *_ = desk.raises([a_call(0, 1), a_call(1, 2), a_call(2, 3, server="mail")])
    desk.does(first.id, "close", disposition="true_positive", note="as it was")
    before = desk.alerts(state="all")
    with desk.database.write() as session:
        for table in ("detect_alerts", "detect_assessments", "detect_queue_cursor"):
            session.execute(text(f"DELETE FROM {table}"))
    desk.follower = QueueFollower(desk.database, desk.reader, desk.clock)
    desk.follow()
    assert desk.alerts(state="all") == before
    desk.follower = QueueFollower(desk.database, desk.reader, desk.clock)
    assert desk.follower.step() == 0


@pytest.mark.behaviour("alerts.queue-follows")
def test_a_reopened_alert_has_no_note_of_before_also_when_the_queue_is_filled_again(desk: Desk) -> None:
    (alert,) = desk.raises([a_call()])
    desk.does(alert.id, "close", disposition="false_positive", note="the rule is wrong")
    desk.does(alert.id, "reopen")
    (before,) = desk.alerts()
    assert before.note == ""
    with desk.database.write() as session:
        for table in ("detect_alerts", "detect_assessments", "detect_queue_cursor"):
            session.execute(text(f"delete from {table}"))
    desk.follower.cursor = None
    desk.follow()
    assert desk.alerts() == [before]


@pytest.mark.behaviour("alerts.queue-follows")
def test_no_record_stops_the_queue_or_hides_in_it(desk: Desk) -> None:
    (alert,) = desk.raises([a_call()])
    plain = msgspec.structs.replace(alert, id=observed_id())
    quoting = {"context": {"event_kind": "gateway.heartbeat.sounded"}}
    strange: dict[str, Any] = {"position": "nowhere", "news": 7, "last": [], "alert": "", "count": "many"}
    for kind, more in (
        (alert.kind, strange), ("detect.alert.repeated", strange), ("detect.alert.throttled", strange),
        ("detect.alert.assessed", strange),
    ):  # fmt: skip
        desk.journal.record(msgspec.structs.replace(plain, id=observed_id(), kind=kind, body=plain.body | more))
    hidden = msgspec.structs.replace(plain, body=plain.body | quoting)
    sound = {"event_kind": "gateway.heartbeat.sounded"}
    heartbeat = msgspec.structs.replace(plain, id=observed_id(), body=plain.body | sound)
    for event in (hidden, heartbeat):
        desk.journal.record(event)
    desk.follow()
    ids = {one.id for one in desk.alerts()}
    assert (hidden.id in ids, heartbeat.id in ids, "" in ids, len(ids)) == (True, False, False, 4)


@pytest.mark.behaviour("alerts.queue-shows-what-is-held")
def test_what_is_held_back_can_be_looked_at_and_is_counted_with_its_exception(desk: Desk) -> None:
    one = desk.exceptions.add(Draft(where={"server": "files"}, reason="known", days=1), ANN)
    desk.raises([a_call(n, n) for n in range(12)] + [a_call(20, 20, actor="agent:bob")])
    assert desk.alerts() == []
    excepted = desk.alerts(kind="excepted", exception=one.id)
    assert sorted(alert.count for alert in excepted) == [1, 13]
    assert desk.exceptions.get(one.id, "default").held == 13
    with pytest.raises(Conflict):
        desk.does(excepted[0].id, "acknowledge")


@pytest.mark.behaviour("alerts.queue-shows-what-is-held")
def test_what_a_throttle_held_back_waits_as_one_entry(desk: Desk) -> None:
    desk.raises([a_call(n * 20, n) for n in range(5)], Limits(window_seconds=10, throttle_alerts=2))
    (held,) = desk.alerts(kind="throttled")
    assert (held.count, held.title, held.state) == (3, "A call", "new")
    assert len(desk.alerts()) == 3
    assert desk.does(held.id, "close", disposition="benign_true_positive").state == "closed"


@pytest.mark.behaviour("alerts.precision")
def test_a_rules_precision_has_an_interval_and_an_n_and_is_not_known_without(desk: Desk) -> None:
    told = desk.raises([a_call(n, n, server=f"s{n}") for n in range(8)])
    (none,) = desk.queue.precision("default")
    assert (none.right.rate, none.right.of, none.open) == (None, 0, 8)
    for event, what in zip(told, ["true_positive"] * 3 + ["benign_true_positive", "false_positive", "duplicate"],
                           strict=False):  # fmt: skip
        desk.does(event.id, "close", disposition=what)
    (one,) = desk.queue.precision("default", "a_call")
    assert (one.right.hits, one.right.of, one.worth.hits, one.duplicate, one.open) == (4, 5, 3, 1, 2)
    assert desk.queue.precision("default", "another") == desk.queue.precision("other") == []


def test_wilsons_interval_is_as_the_literature_has_it() -> None:
    assert rate(0, 0) == Rate(0, 0, None, 0.0, 1.0)
    some = rate(8, 10)
    assert (round(some.low, 4), round(some.high, 4)) == (0.4902, 0.9433)
    none, every = rate(0, 10), rate(10, 10)
    assert (none.low, round(none.high, 4), round(every.low, 4), every.high) == (0.0, 0.2775, 0.7225, 1.0)


@pytest.mark.behaviour("alerts.exception-impact")
@pytest.mark.parametrize(
    "where", [{"actor": "agent:ann"}, {"actor": "agent:ann", "labels": "probe"}], ids=["row", "event"]
)
def test_past_alerts_are_looked_at_by_their_rows_or_by_the_journal(desk: Desk, where: dict[str, Any]) -> None:
    desk.raises([a_call(0, 1, labels=("probe",)), a_call(1, 2, actor="agent:bob", labels=("probe",))])
    one = desk.exceptions.add(Draft(where=where, reason="r", days=1), ANN)

    def read_at(writer: str, index: int) -> Event | None:
        return next((one.event for one in one_log(desk.reader, writer, index, index + 1)), None)

    past = list(past_alerts(desk.database, read_at, one, 0))
    assert {p.event.actor for p in past if p.event is not None} == {"agent:ann", "agent:bob"}
    assert [p.event for p in past_alerts(desk.database, lambda *_: None, one, 0)].count(None) == (
        2 * ("labels" in where)
    )


def test_alerts_of_a_day_are_counted_by_rule(desk: Desk) -> None:
    desk.raises([a_call(n, n, server=f"s{n}") for n in range(3)])
    assert desk.queue.volume("default", 3) == {RULE.id: [0, 0, 3]}
    desk.clock.advance(86_400 * SECOND)
    assert desk.queue.volume("default", 3) == {RULE.id: [0, 3, 0]}


def test_a_principal_is_forgotten(desk: Desk) -> None:
    desk.raises([a_call(0, 1), a_call(1, 2, actor="agent:bob", server="mail")])
    assert (forget(desk.database, "agent:ann"), forget(desk.database, "agent:nobody")) == (1, 0)
    assert sorted((a.principal, a.target) for a in desk.alerts()) == [("(erased)", ""), ("agent:bob", "read")]
