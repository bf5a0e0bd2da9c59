"""Whatever is handed to the journal or lies on its disk: refused or bounded, said, and nothing else is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.events import Event, Journal, JournalReader, Position, Record, Severity
from watchkeeper.events.catalogue import misfit
from watchkeeper.events.journal import verify
from watchkeeper.events.journal.forms.frame import MAGIC
from watchkeeper.events.journal.model import Corrupt
from watchkeeper.events.journal.reading.telling import Teller, is_there, told
from watchkeeper.events.journal.reading.unreadable import Unreadable

Make = Callable[..., Event]


def nested(depth: int) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for _ in range(depth):
        body = {"a": body}
    return body


@pytest.mark.behaviour("journal.bad-input-harms-nothing")
@pytest.mark.parametrize(
    "changed",
    [
        {"actor": None},
        {"actor": ["agent:ada"]},
        {"actor": 7},
        {"body": nested(100_000)},
        {"body": {"set": {1j}}},
        {"actor": "agent:\ud800"},
    ],
    ids=["no actor", "list", "number", "depth", "complex", "surrogate"],
)
def test_what_cannot_be_recorded_is_refused_and_the_next_is_taken(
    tmp_path: Path, make_event: Make, changed: dict[str, Any]
) -> None:
    journal = Journal.open(tmp_path, "gateway")
    with pytest.raises(Invalid):
        journal.append(msgspec.structs.replace(make_event(1), **changed))
    assert journal.record(make_event(2)).index == 1
    journal.close()
    assert verify(tmp_path).code == 0


@pytest.mark.behaviour("journal.bad-input-harms-nothing")
def test_what_is_no_event_to_a_reader_is_kept_as_bytes_and_hides_nothing(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    odd = [
        msgspec.structs.replace(make_event(1), time="yesterday"),
        msgspec.structs.replace(make_event(2), id=7),
        msgspec.structs.replace(make_event(3), body=[1]),
    ]
    for event in (make_event(0), *odd, make_event(4)):
        last = journal.append(event)
    journal.wait(last)
    journal.close()
    records = JournalReader(tmp_path).read({"gateway": 1})
    assert [record.event is not None for record in records] == [True, False, False, False, True]
    assert [record.absent for record in records] == [""] * 5
    assert all(record.record for record in records)


@pytest.mark.behaviour("journal.bad-input-harms-nothing")
def test_nearly_the_largest_event_is_recorded_and_read(tmp_path: Path, make_event: Make) -> None:
    event = msgspec.structs.replace(make_event(1), body={"text": "x" * (15 << 20)})
    journal = Journal.open(tmp_path, "gateway")
    position = journal.record(event)
    journal.record(make_event(2))
    journal.close()
    assert JournalReader(tmp_path).read({"gateway": position.index})[0].event == event


@pytest.mark.behaviour("journal.bad-input-harms-nothing")
def test_clocks_that_jump_and_ids_that_repeat_change_no_order(tmp_path: Path, make_event: Make) -> None:
    clock = ManualClock()
    journal = Journal.open(tmp_path, "gateway", clock)
    times = [0, 4_000_000_000_000_000, -5, 2**62]
    for step, time in zip((1, 10**15, -(10**15), 3), times, strict=True):
        clock.advance(step)
        journal.record(msgspec.structs.replace(make_event(1), id="the same", time=time))
    journal.close()
    reader = JournalReader(tmp_path)
    assert [record.event.time for record in reader.read({"gateway": 1}) if record.event] == times
    found = reader.find("the same")
    assert found is not None
    assert found.index == 1
    assert verify(tmp_path).code == 0


@pytest.mark.behaviour("journal.corrupt-range-is-named")
@pytest.mark.parametrize("place", [30, 60, 900, 2000], ids=["first index", "count", "block", "later"])
def test_a_corrupt_part_is_named_and_passed_over_only_if_told_to(
    data_dir: Path, segments: Callable[[Path], list[Path]], place: int
) -> None:
    before = JournalReader(data_dir).read({})
    files = segments(data_dir)
    start, end = int(files[1].stem), int(files[2].stem)
    content = bytearray(files[1].read_bytes())
    content[place] ^= 1
    files[1].write_bytes(bytes(content))
    strict = JournalReader(data_dir)
    seen, cursor = [], {"gateway": 0}
    with pytest.raises(Unreadable) as caught:  # noqa: PT012 — which portion meets it is not the point
        while records := strict.read(cursor, 4):
            seen += records
            cursor = {"gateway": records[-1].position.index + 1}
    assert seen == before[: len(seen)]
    assert start <= caught.value.first == len(seen)
    assert caught.value.end is not None
    assert caught.value.end <= end
    told = JournalReader(data_dir, pass_over_corrupt=True)
    everything, cursor = [], {"gateway": 0}
    while records := told.read(cursor, 4):
        everything += records
        cursor = {"gateway": records[-1].position.index + 1}
    assert [record.position for record in everything] == [record.position for record in before]
    lost = [record.position.index for record in everything if record.absent == "corrupt"]
    assert lost == list(range(caught.value.first, caught.value.end))
    assert told.passed_over == len(lost)
    assert [record for record in everything if not record.absent] == [
        record for record in before if record.position.index not in lost
    ]


@pytest.mark.behaviour("journal.corrupt-range-is-named")
def test_a_corrupt_end_is_never_taken_for_the_end(
    data_dir: Path, segments: Callable[[Path], list[Path]], make_event: Make
) -> None:
    last = segments(data_dir)[-1]
    content = bytearray(last.read_bytes())
    content[content.rindex(MAGIC)] ^= 1
    last.write_bytes(bytes(content))
    strict, cursor = JournalReader(data_dir), {"gateway": int(last.stem)}
    with pytest.raises(Unreadable) as caught:  # noqa: PT012 — which portion meets it is not the point
        while records := strict.read(cursor):
            cursor = {"gateway": records[-1].position.index + 1}
    assert (caught.value.first, caught.value.end) == (cursor["gateway"], None)
    other = Journal.open(data_dir, "watch")
    index = other.record(make_event(1))
    met: list[Corrupt] = []
    passing = JournalReader(data_dir, on_corrupt=met.append)
    seen = passing.read(cursor | {"watch": index.index})
    assert [record.position for record in seen] == [Position("watch", index.index)]  # one log hides no other
    other.close()
    assert [(one.writer, one.first, one.end) for one in met] == [("gateway", cursor["gateway"], None)]
    assert passing.corrupt == tuple(met)
    assert passing.passed_over == 0


@pytest.mark.behaviour("journal.corrupt-range-blinds-nobody")
@pytest.mark.parametrize("has_mark", [True, False])
def test_what_follows_a_damaged_head_in_the_same_file_is_read(one_file: Path, *, has_mark: bool) -> None:
    """A log that is being written: no later file begins anew behind the damage."""
    before = JournalReader(one_file).read({})
    (path,) = (one_file / "journal" / "gateway").glob("*.seg")
    content = bytearray(path.read_bytes())
    second = content.index(MAGIC, content.index(MAGIC) + 1)
    content[second] ^= 1
    path.write_bytes(bytes(content))
    if not has_mark:
        (one_file / "run" / "journal-gateway.durable").unlink()
    met: list[Corrupt] = []
    passing = JournalReader(one_file, on_corrupt=met.append)
    after: list[Record] = []
    while records := passing.read({"gateway": len(after)}, 4):
        after += records
    lost = [record.position.index for record in after if record.absent]
    assert {record.absent for record in after} == {"", "corrupt"}
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert [one for one in after if not one.absent] == [one for one in before if one.position.index not in lost]
    assert [(one.first, one.end) for one in met] == [(lost[0], lost[-1] + 1)]
    there = before[-1]
    assert there.event is not None
    assert JournalReader(one_file, pass_over_corrupt=True).read({"gateway": there.position.index}) == [there]
    assert passing.find(there.event.id) == there.position


@pytest.mark.behaviour("journal.corrupt-range-blinds-nobody")
def test_a_file_that_is_missing_in_the_middle_is_a_range_too(
    data_dir: Path, segments: Callable[[Path], list[Path]]
) -> None:
    files = segments(data_dir)
    files[1].unlink()
    met: list[Corrupt] = []
    reader, cursor, absent = JournalReader(data_dir, on_corrupt=met.append), {"gateway": 0}, 0
    while records := reader.read(cursor):
        cursor = {"gateway": records[-1].position.index + 1}
        absent += sum(record.absent == "corrupt" for record in records)
    assert [(one.first, one.end) for one in met] == [(int(files[1].stem), int(files[2].stem))]
    assert absent == int(files[2].stem) - int(files[1].stem)
    assert cursor == {"gateway": 31}


@pytest.mark.behaviour("journal.corrupt-range-is-told-once")
def test_nothing_is_passed_over_before_it_is_told_and_it_is_told_once(
    data_dir: Path, segments: Callable[[Path], list[Path]]
) -> None:
    whole = segments(data_dir)[1].read_bytes()
    content = bytearray(whole)
    content[60] ^= 1
    segments(data_dir)[1].write_bytes(bytes(content))
    start, room, heard = int(segments(data_dir)[1].stem), [False], list[Event]()

    def record(event: Event) -> None:
        if not room[0]:
            raise Unavailable("the disk is full", hint="make room")
        heard.append(event)

    def reader() -> JournalReader:
        return JournalReader(data_dir, on_corrupt=Teller(data_dir, "detect", record, ManualClock(5)))

    first = reader()
    assert first.read({"gateway": start}) == []
    room[0] = True
    passed = first.read({"gateway": start})
    assert {one.absent for one in passed} == {"corrupt", ""}
    assert reader().read({"gateway": start}) == passed  # a new life
    (event,) = heard
    assert misfit(event) == ""
    assert (event.severity, event.body["reader"], event.body["first"]) == (Severity.HIGH, "detect", start)
    other = JournalReader(data_dir, on_corrupt=Teller(data_dir, "lake", record, ManualClock(6)))
    assert other.read({"gateway": start}) == passed
    assert [one.body["reader"] for one in heard] == ["detect", "lake"]
    assert [one.reader for one in told(data_dir) if is_there(data_dir, one)] == ["detect", "lake"]
    segments(data_dir)[1].write_bytes(whole)  # put back
    assert [one for one in told(data_dir) if is_there(data_dir, one)] == []


@pytest.mark.behaviour("journal.corrupt-range-blinds-nobody")
def test_erased_removed_and_not_yet_durable_records_are_not_taken_for_damage(
    data_dir: Path, segments: Callable[[Path], list[Path]]
) -> None:
    met: list[Corrupt] = []
    journal = Journal.open(data_dir, "gateway")
    journal.erase("agent:ada", by="operator:olga")
    journal.close()
    mark = data_dir / "run" / "journal-gateway.durable"
    mark.write_bytes((20).to_bytes(8, "big"))
    records = JournalReader(data_dir, on_corrupt=met.append).read({})
    assert len(records) == 20
    assert {record.absent for record in records} == {"", "erased"}
    mark.unlink()
    whole = len(JournalReader(data_dir, on_corrupt=met.append).read({}))
    path = segments(data_dir)[-1]
    path.write_bytes(path.read_bytes()[:-9])  # a commit of which only a part is there yet
    assert len(JournalReader(data_dir, on_corrupt=met.append).read({})) < whole
    assert met == []


def test_a_log_that_is_shorter_than_its_mark_is_read_to_its_end(
    data_dir: Path, segments: Callable[[Path], list[Path]]
) -> None:
    """An older copy was put back, without the hints of what is durable; `verify` compares, a reader does not."""
    files = segments(data_dir)
    files[-1].unlink()
    reader, cursor = JournalReader(data_dir), {"gateway": 0}
    while records := reader.read(cursor):
        cursor = {"gateway": records[-1].position.index + 1}
    assert cursor == {"gateway": int(files[-1].stem)}
