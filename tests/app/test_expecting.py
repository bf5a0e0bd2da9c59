"""A rule that is expected to speak: what was raised, and since when it is expected, outlive watch and switch."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from watchkeeper.app.looking import Looking
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.core.clock import SECOND, SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.ids import derived_id
from watchkeeper.detect.alerts.queue.book import last_raised
from watchkeeper.detect.alerts.queue.follower import QueueFollower
from watchkeeper.events import Event, Journal, JournalReader, Severity
from watchkeeper.events.model import VERSION
from watchkeeper.respond.deadman.outbox import SwitchBox
from watchkeeper.respond.deadman.settings import DeadmanSettings, Expectation
from watchkeeper.respond.deadman.watching import Seen
from watchkeeper.respond.heartbeats import Heartbeats

DAY = 86_400


def looked(data: Path, told: dict[str, object], *, is_behind: bool = False, rule: str = "backup_done") -> Seen:
    """What a switch that was started just now says of the rule."""
    expected = {rule: Expectation(within_seconds=DAY)}
    box = SwitchBox(data / "deadman.db")
    looking = Looking(Loaded(Settings(deadman=DeadmanSettings(canary_seconds=0, expected=expected)), data), box)
    try:
        return looking._rules(data, told, is_behind=is_behind)[f"rule:{rule}"]
    finally:
        looking.close()
        box.close()


@pytest.mark.behaviour("deadman.expected-durable")
def test_a_rule_is_expected_since_it_stood_in_the_settings_and_no_restart_begins_that_anew(tmp_path: Path) -> None:
    now = time.time_ns() // 1000
    told: dict[str, object] = {"rules": {}, "heard": {}, "since": now}
    assert looked(tmp_path, told).is_heard is True  # it is new
    box = SwitchBox(tmp_path / "deadman.db")
    box.forget("expected ", ())
    box.first("expected backup_done", now - 2 * DAY * SECOND)
    box.close()
    assert looked(tmp_path, told).is_heard is False
    assert looked(tmp_path, told, is_behind=True).is_heard is None
    raised = {"rules": {"backup_done": now - 60 * SECOND}, "heard": {}, "since": now}
    assert looked(tmp_path, raised).is_heard is True
    assert looked(tmp_path, told, rule="other").is_heard is True  # and the first is expected no more
    assert looked(tmp_path, told).is_heard is True


@pytest.mark.behaviour("deadman.expected-durable")
def test_what_other_writers_raised_before_the_watch_began_is_known_to_it(tmp_path: Path) -> None:
    clock, now = SystemClock(), time.time_ns() // 1000
    for writer, number in (("detect-1", 1), ("detect-2", 2)):
        journal = Journal.open(tmp_path, writer, clock)
        body = {"rule": "r", "name": "backup_done", "title": "t", "event": derived_id("e", number), "event_time": 1}
        about = {"kind": "detect.alert.raised", "actor": "system:detect", "severity": Severity.LOW, "body": body}
        journal.record(Event(v=VERSION, id=derived_id("a", number), time=now + number, **about))
        journal.close()
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    reader = JournalReader(tmp_path)
    QueueFollower(database, reader, clock).step()
    names = {"backup_done": 1, "never": 1}
    assert last_raised(database, names) == {"backup_done": now + 2}
    assert last_raised(database, ()) == {}
    heartbeats = Heartbeats(clock)
    heartbeats.know(last_raised(database, names))
    assert heartbeats.told()["rules"] == {"backup_done": now + 2}
    reader.close()
    database.close()
