"""The detector on a real journal: each match is one alert, whatever happens to the process."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from watchkeeper.core.clock import Clock, ManualClock, SystemClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable
from watchkeeper.detect import Rule
from watchkeeper.detect.alerts import alert_for
from watchkeeper.detect.detector import Detector, Place
from watchkeeper.detect.sigma.rules import load_rules, parse_rule
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.events import Event, Journal, JournalReader, Position, Severity, new_event

T = 1_790_000_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
RULE = """
title: A denied call
id: 0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c01
name: denied_call
tags: [attack.execution]
logsource: {product: mcp, service: watchkeeper}
level: high
detection:
  s: {kind: gateway.request.decided, outcome: deny}
  condition: s
watchkeeper: {playbook: rug_pull, group: [server, target]}
"""


def rules() -> tuple[Rule, ...]:
    return (parse_rule(RULE, "denied.yml"),)


def call(at: int, outcome: str = "deny", **fields: object) -> Event:
    return new_event(T + at, "gateway.request.decided", outcome=outcome, server="files", target="read", **fields)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    state = Database.at(tmp_path / "state.db")
    state.create_missing_tables()
    yield state
    state.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path, "gateway")
    yield journal
    journal.close()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path, "watch")
    yield journal
    journal.close()


def everything(data: Path) -> list[Event]:
    reader, at, found = JournalReader(data), {}, []
    while records := reader.read(at):
        for record in records:
            at[record.position.writer] = record.position.index + 1
            assert record.event is not None
            found.append(record.event)
    return found


def alerts(data: Path) -> list[Event]:
    return [event for event in everything(data) if event.kind == "detect.alert.raised"]


def detector_on(
    data: Path,
    journal: Journal,
    database: Database,
    these: tuple[Rule, ...] | None = None,
    *,
    clock: Clock | None = None,
) -> Detector:
    court = Court(Loop(rules() if these is None else these))
    return Detector(court, Place(journal, JournalReader(data), database), clock=clock or SystemClock())


def drain(detector: Detector) -> None:
    while detector.step():
        pass


@pytest.mark.behaviour("detect.alert-says-what")
def test_a_match_becomes_an_alert_that_says_what_where_and_who(
    tmp_path: Path, gateway: Journal, watch: Journal, database: Database
) -> None:
    clock = ManualClock(T + 99)
    event = call(1, actor="agent:laptop", labels=("exercise", "probe"), trace=TRACE, claimed="client")
    position = gateway.record(event)
    gateway.record(call(2, outcome="allow"))
    drain(detector_on(tmp_path, watch, database, clock=clock))
    (alert,) = alerts(tmp_path)
    (rule,) = rules()
    assert alert == Event(
        v=1,
        id=alert.id,
        time=T + 99,
        kind="detect.alert.raised",
        actor="system:detect",
        claimed="client",
        server="files",
        target="read",
        trace=TRACE,
        outcome="deny",
        severity=Severity.HIGH,
        labels=("exercise",),
        body={
            "rule": rule.id,
            "name": "denied_call",
            "version": rule.version,
            "title": "A denied call",
            "level": "high",
            "tags": ["attack.execution"],
            "event": event.id,
            "event_kind": event.kind,
            "event_time": event.time,
            "position": {"writer": "gateway", "index": position.index},
            "group": "files/read",
            "principal": "agent:laptop",
            "playbook": "rug_pull",
            "summary": "A denied call: read on files, by agent:laptop",
        },
    )


@pytest.mark.parametrize(
    ("outcome", "labels", "answer", "said"),
    [("deny", (), "", "deny"), ("allow", (), "deny", "deny"), ("deny", ("shadow",), "", "allow"),
     ("allow", ("shadow",), "deny", "allow"), ("allow", (), "allow", "allow")],
)  # fmt: skip
def test_an_alert_says_whether_it_was_stopped(outcome: str, labels: tuple[str, ...], answer: str, said: str) -> None:
    event = call(0, outcome=outcome, labels=labels, body={"answer": {"outcome": answer}} if answer else {})
    assert alert_for(rules()[0], event, Position("gateway", 1), 0).outcome == said


@pytest.mark.behaviour("detect.derived-ids")
def test_a_replay_makes_the_same_alert_again() -> None:
    event, (rule,) = call(0), rules()
    one = alert_for(rule, event, Position("gateway", 1), 5)
    assert one.id == alert_for(rule, event, Position("gateway", 1), 9).id
    assert one.id != alert_for(rule, event, Position("gateway", 2), 5).id
    assert one.id != alert_for(replace(rule, version="other"), event, Position("gateway", 1), 5).id


@pytest.mark.behaviour("detect.resumes")
def test_a_restart_raises_nothing_twice_and_misses_nothing(
    tmp_path: Path, gateway: Journal, watch: Journal, database: Database
) -> None:
    for i in range(5):
        gateway.record(call(i))
    first = detector_on(tmp_path, watch, database)
    drain(first)  # the cursor was not saved: the process died here
    gateway.record(call(5))
    drain(detector_on(tmp_path, watch, database))
    found = Counter(alert.body["event"] for alert in alerts(tmp_path))
    assert len(found) == 6
    assert set(found.values()) == {1}


def test_a_saved_cursor_is_where_the_next_one_begins(
    tmp_path: Path, gateway: Journal, watch: Journal, database: Database
) -> None:
    gateway.record(call(0))
    first = detector_on(tmp_path, watch, database)
    drain(first)
    first.save()
    second = detector_on(tmp_path, watch, database)
    assert second.step() == 0


@pytest.mark.behaviour("detect.restored-journal")
def test_events_of_a_restored_shorter_journal_are_looked_at(tmp_path: Path, watch: Journal, database: Database) -> None:
    for _ in range(2):
        shutil.rmtree(tmp_path / "journal" / "gateway", ignore_errors=True)
        (tmp_path / "run" / "journal-gateway.durable").unlink(missing_ok=True)
        gateway = Journal.open(tmp_path, "gateway")
        for i in range(3 if not alerts(tmp_path) else 1):
            gateway.record(call(i))
        gateway.close()
        detector = detector_on(tmp_path, watch, database)
        drain(detector)
        detector.save()
    assert len({alert.id for alert in alerts(tmp_path)}) == len(alerts(tmp_path)) == 4


class FailingJournal:
    """A journal whose disk fills up between appending and syncing, `failures` times."""

    def __init__(self, journal: Journal, failures: int) -> None:
        self.writer = journal.writer
        self._journal = journal
        self._failures = failures

    @property
    def durable_index(self) -> int:
        return self._journal.durable_index

    def append(self, event: Event) -> int:
        return self._journal.append(event)

    def wait(self, index: int, timeout: float = 10) -> None:
        if self._failures:
            self._failures -= 1
            raise Unavailable("no space left")
        self._journal.wait(index, timeout)


@pytest.mark.behaviour("detect.full-disk")
def test_a_full_disk_holds_the_cursor_and_doubles_no_alert(
    tmp_path: Path, gateway: Journal, watch: Journal, database: Database
) -> None:
    for i in range(3):
        gateway.record(call(i))
    detector = detector_on(tmp_path, FailingJournal(watch, 2), database)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(Unavailable):
            detector.step()
    assert detector.progress().alerts == 0
    drain(detector)
    assert len({alert.body["event"] for alert in alerts(tmp_path)}) == len(alerts(tmp_path)) == 3


@pytest.mark.behaviour("detect.no-loops")
def test_alerts_and_responses_raise_no_alerts(
    tmp_path: Path, gateway: Journal, watch: Journal, database: Database
) -> None:
    everything_rule = parse_rule(RULE.replace("{kind: gateway.request.decided, outcome: deny}", "{id: '*'}"), "all.yml")
    gateway.record(call(0))
    gateway.record(new_event(T, "respond.incident.opened", server="files"))
    drain(detector_on(tmp_path, watch, database, (everything_rule,)))
    matched = {alert.body["event_kind"] for alert in alerts(tmp_path)}
    assert matched == {"gateway.request.decided", "journal.writer.opened"}


@pytest.mark.behaviour("detect.failing-rule")
def test_a_rule_that_fails_is_recorded_once_a_minute_and_stops_no_other(
    tmp_path: Path, gateway: Journal, watch: Journal, database: Database
) -> None:
    def broken(_: object) -> bool:
        raise ZeroDivisionError

    (good,) = rules()
    bad = replace(good, id="bad", title="Broken", holds=broken)
    clock = ManualClock()
    detector = detector_on(tmp_path, watch, database, (bad, good), clock=clock)
    for i in range(4):
        gateway.record(call(i))
    drain(detector)
    clock.advance(61_000_000)
    gateway.record(call(4))
    drain(detector)
    failures = [event for event in everything(tmp_path) if event.kind == "detect.rule.failed"]
    assert [(f.body["rule"], f.body["why"], f.body["silent"]) for f in failures] == [
        ("bad", "ZeroDivisionError", 0),
        ("bad", "ZeroDivisionError", 3),
    ]
    assert len(alerts(tmp_path)) == 5
    assert detector.progress().failures == 5


@pytest.mark.behaviour("detect.follows")
def test_a_running_detector_raises_the_alert_while_the_event_is_fresh(
    tmp_path: Path, gateway: Journal, watch: Journal, database: Database
) -> None:
    stop, raised = threading.Event(), threading.Event()
    seen: list[Event] = []

    def listen() -> None:
        for records in JournalReader(tmp_path).tail({}, stop, poll=0.01):
            seen.extend(r.event for r in records if r.event and r.event.kind == "detect.alert.raised")
            if seen:
                raised.set()

    detector = detector_on(tmp_path, watch, database)
    threads = [threading.Thread(target=detector.run, args=(stop,)), threading.Thread(target=listen)]
    for thread in threads:
        thread.start()
    gateway.record(call(0))
    assert raised.wait(20)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert len(seen) == 1
    assert detector_on(tmp_path, watch, database).step() <= 1  # it saved where it stopped


def test_the_products_rules_load_and_route_by_kind(
    tmp_path: Path, gateway: Journal, watch: Journal, database: Database
) -> None:
    loaded = load_rules([content_folder("detections")])
    detector = detector_on(tmp_path, watch, database, loaded)
    gateway.record(new_event(T, "registry.pin.changed", actor="system:registry", server="files", target="read"))
    drain(detector)
    (alert,) = alerts(tmp_path)
    assert (alert.body["name"], alert.body["playbook"], alert.body["group"]) == (
        "tool_changed",
        "rug_pull",
        "files/read",
    )
