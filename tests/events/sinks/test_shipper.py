"""What waits, what is let go, where a sink goes on, and what it says of itself: with a receiver in memory."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.events.sinks.conftest import FAST, START, numbered, write
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Invalid
from watchkeeper.events import Event, Journal, JournalReader, JournalSettings, Record, Severity
from watchkeeper.events.journal.upkeep import Guards, Keeper, RetentionSettings
from watchkeeper.events.journal.upkeep.retention import DAY
from watchkeeper.events.sinks import Ground, Ledger, Shipper, SinkSettings
from watchkeeper.events.sinks.model import BatchRefused, Entry, NotTaken, Receipt


@dataclass
class Memory:
    """Takes everything, or nothing."""

    got: list[tuple[str, int]] = field(default_factory=list)
    is_down: bool = False
    unfit: set[int] = field(default_factory=set)
    refuses: bool = False

    def render(self, record: Record) -> bytes:
        assert record.event is not None
        if record.event.body.get("number") in self.unfit:
            raise Invalid("it cannot be said")
        return record.record

    def send(self, entries: Sequence[Entry]) -> Receipt:
        if self.is_down:
            raise NotTaken("it is down")
        if self.refuses:
            raise BatchRefused("not this")
        self.got += [(one.record.position.writer, one.record.position.index) for one in entries]
        return Receipt()

    def settled(self, ticket: Hashable) -> bool:
        return True

    def close(self) -> None:
        pass


@dataclass
class Desk:
    """A shipper that is turned by hand."""

    data_dir: Path
    settings: SinkSettings
    sink: Memory = field(default_factory=Memory)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START + 100 * SECOND))
    told: list[Event] = field(default_factory=list)

    def open(self) -> Shipper:
        on = Ground(
            JournalReader(self.data_dir), Ledger(self.data_dir, "it"), self.clock, self.told.append, lambda: 0.0
        )
        self.shipper = Shipper("it", self.settings, self.sink, on)
        return self.shipper

    def turn(self, times: int = 20) -> None:
        for _ in range(times):
            self.clock.advance(2 * SECOND)
            self.shipper.turn()

    def close(self) -> None:
        """As the process's end does."""
        stop = threading.Event()
        stop.set()
        self.shipper.run(stop)

    def dropped(self) -> dict[str, int]:
        return dict(self.shipper.standing().tally.dropped)


def desk(data_dir: Path, **more: Any) -> Desk:
    made = Desk(data_dir, SinkSettings(type="file", path="/nowhere", **{**FAST, **more}))
    made.open()
    return made


def places(first: int, last: int, writer: str = "gateway") -> list[tuple[str, int]]:
    return [(writer, index) for index in range(first, last + 1)]


@pytest.mark.behaviour("sinks.resumes")
def test_a_new_sink_begins_now_and_goes_on_where_it_was(data_dir: Path) -> None:
    on = desk(data_dir, start="now")
    on.turn()
    assert on.sink.got == []
    write(data_dir, "gateway", [numbered(41)])
    on.turn()
    on.close()
    write(data_dir, "gateway", [numbered(42)])
    on.open()
    on.turn()
    assert on.sink.got == [("gateway", 42), ("gateway", 44)], "each opening of the log is a record, too"
    assert on.shipper.standing().tally.total == 4


@pytest.mark.behaviour("sinks.resumes")
def test_a_log_that_is_another_one_is_sent_from_its_beginning(data_dir: Path) -> None:
    on = desk(data_dir)
    on.turn()
    on.close()
    for folder in ("journal", "run", "keys"):
        shutil.rmtree(data_dir / folder, ignore_errors=True)
    write(data_dir, "gateway", [numbered(number) for number in range(1, 46)])
    on.sink.got.clear()
    on.open()
    on.turn()
    assert on.sink.got == places(1, 45)


def test_only_one_process_sends(data_dir: Path) -> None:
    on = desk(data_dir)
    on.turn(1)
    other = Desk(data_dir, on.settings)
    with pytest.raises(Exception, match="in use by another process"):
        other.open().turn()


@pytest.mark.behaviour("sinks.bounded")
def test_beyond_so_many_records_the_oldest_are_dropped_and_counted(data_dir: Path) -> None:
    on = desk(data_dir, queue_events=10)
    on.sink.is_down = True
    on.turn()
    assert on.dropped() == {"queue_events": 30}
    on.sink.is_down = False
    on.turn()
    assert on.sink.got == places(31, 40)
    tally = on.shipper.standing().tally
    assert (tally.sent, tally.filtered, tally.total) == (10, 1, 41)
    (told,) = [event for event in on.told if event.kind == "events.sink.dropped"]
    assert told.body["reasons"] == {"queue_events": 30}
    assert told.severity is Severity.MEDIUM


@pytest.mark.behaviour("sinks.bounded")
def test_beyond_so_many_bytes_of_the_journal_the_oldest_are_dropped(data_dir: Path) -> None:
    write(data_dir, "gateway", [numbered(41)])  # a commit of its own
    on = desk(data_dir, queue_bytes=2000)
    on.sink.is_down = True
    on.turn()
    assert (on.shipper.standing().waiting_bytes or 0) <= 2000
    dropped = on.dropped()["queue_bytes"]
    on.sink.is_down = False
    on.turn()
    tally = on.shipper.standing().tally
    assert (tally.sent + dropped, tally.total) == (41, 43)
    assert on.sink.got[-1] == ("gateway", 42)


@pytest.mark.behaviour("sinks.bounded")
def test_events_of_a_certain_age_are_dropped(tmp_path: Path) -> None:
    on = desk(tmp_path, queue_hours=1.0)
    for writer, hours in (("old", 0), ("fresh", 1)):
        on.clock.advance(hours * 3600 * SECOND)
        journal = Journal.open(tmp_path, writer, clock=on.clock)
        journal.wait(journal.append(msgspec.structs.replace(numbered(1), time=on.clock.now())))
        journal.close()
    on.turn()
    assert on.dropped() == {"queue_hours": 1}
    assert on.sink.got == [("fresh", 1)]
    assert on.shipper.standing().tally.filtered == 2


@pytest.mark.behaviour("sinks.bounded")
def test_what_retention_cut_off_before_it_was_sent_is_counted(tmp_path: Path) -> None:
    small = JournalSettings(segment_bytes=4096)
    journal = Journal.open(tmp_path, "gateway", settings=small)
    for number in range(1, 81):
        journal.wait(journal.append(numbered(number)))
    journal.close()
    on = desk(tmp_path)
    on.sink.is_down = True
    on.turn(1)
    files = sorted((tmp_path / "journal" / "gateway").glob("*.seg"))
    first = int(files[2].stem)
    for file in files[:2]:
        file.unlink()
    on.turn()
    assert on.dropped() == {"retention": first}
    on.sink.is_down = False
    on.turn(40)
    assert on.sink.got == places(first, 80)
    assert on.shipper.standing().tally.total == 81


@pytest.mark.behaviour("sinks.bounded")
def test_what_retention_removed_under_way_is_counted_too(tmp_path: Path) -> None:
    clock = ManualClock(START)
    journal = Journal.open(tmp_path, "gateway", clock, JournalSettings(segment_bytes=4096))
    for number in range(1, 81):
        journal.wait(journal.append(numbered(number)))
    on = desk(tmp_path)
    on.sink.is_down = True
    on.turn(1)
    clock.advance(31 * DAY)
    journal.wait(journal.append(numbered(81)))
    keeper = Keeper(journal, RetentionSettings(days=30), clock, Guards())
    _, pruned = keeper.turn()
    gone = sum(done.records for done in pruned)
    assert gone > 10
    journal.close()
    on.sink.is_down = False
    on.turn(60)
    tally = on.shipper.standing().tally
    assert tally.dropped == {"retention": gone}
    assert tally.total == sum(log.end for log in JournalReader(tmp_path).waiting({}).values())
    assert on.sink.got[0] == ("gateway", gone)
    assert on.sink.got[-1][1] > 80


@pytest.mark.behaviour("sinks.filtered")
def test_only_what_the_filter_lets_through_is_sent(tmp_path: Path) -> None:
    write(
        tmp_path,
        "gateway",
        [
            numbered(1),
            numbered(2, severity=Severity.HIGH),
            numbered(3, severity=Severity.HIGH, tenant="other"),
            numbered(4, severity=Severity.HIGH, labels=("exercise",)),
            msgspec.structs.replace(numbered(5, severity=Severity.CRITICAL), kind="detect.alert.raised"),
        ],
    )
    only: dict[str, Any] = {
        "kinds": ("gateway.request.decided", "detect.*"),
        "exclude_labels": ("exercise",),
        "severity": "medium",
        "tenants": ("default",),
    }
    on = desk(tmp_path, **only)
    on.turn()
    assert on.sink.got == [("gateway", 2), ("gateway", 5)]
    assert on.shipper.standing().tally.filtered == 4


def test_an_event_that_cannot_be_said_is_put_aside_and_not_sent(data_dir: Path) -> None:
    on = desk(data_dir)
    on.sink.unfit = {7}
    on.turn()
    assert on.sink.got == places(1, 6) + places(8, 40)
    tally = on.shipper.standing().tally
    assert (tally.sent, tally.dead) == (39, 1)


def test_of_dead_letters_there_are_no_more_than_the_settings_say(data_dir: Path) -> None:
    on = desk(data_dir, dead_letters=2)
    on.sink.unfit = {3, 5, 7, 9}
    on.turn()
    tally = on.shipper.standing().tally
    assert (tally.sent, tally.dead, tally.dropped) == (36, 2, {"dead_letters": 2})
    assert on.shipper.standing().put_aside == 2


def test_a_receiver_that_refuses_everything_is_asked_less_and_less(data_dir: Path) -> None:
    """A wrong format is no poison: somebody must be able to mend it before everything lies aside."""
    on = desk(data_dir)
    on.sink.refuses = True
    for _ in range(200):
        on.shipper.turn()
        if on.shipper.standing().attempts:
            break
    standing = on.shipper.standing()
    assert standing.put_aside == 21
    assert "refuses one event after the other" in standing.error
    assert standing.again_in > 0
    on.sink.refuses = False
    on.turn()
    assert on.shipper.standing().tally.sent == 19
    assert on.shipper.standing().error == ""


def test_it_waits_longer_each_time_and_says_once_that_it_fails(data_dir: Path) -> None:
    on = desk(data_dir, retry_seconds=8.0)
    on.sink.is_down = True
    waits = []
    for _ in range(7):
        on.shipper.turn()
        waits.append(on.shipper.standing().again_in)
        on.clock.advance(int(waits[-1] * SECOND))
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0], "half of each, by the least jitter"
    assert [event.kind for event in on.told] == ["events.sink.failed"]
    on.sink.is_down = False
    on.turn()
    assert [event.kind for event in on.told] == ["events.sink.failed", "events.sink.recovered"]
    assert on.told[-1].body["attempts"] == 7


def test_a_damaged_state_is_said_and_nothing_is_sent(data_dir: Path) -> None:
    folder = data_dir / "sinks" / "it"
    folder.mkdir(parents=True)
    (folder / "state.json").write_bytes(b'{"v": 1, "cursor": 7')
    on = desk(data_dir)
    with pytest.raises(Invalid, match="damaged"):
        on.turn()
    assert on.sink.got == []
