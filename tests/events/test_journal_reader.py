"""Reading while writers run, across files, in portions, by id."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.events.test_journal_verification import frames_of
from watchkeeper.core.errors import Untrusted
from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, Journal, JournalReader, JournalSettings, Position, Severity
from watchkeeper.events.journal.segments import segments_in

Make = Callable[..., Event]


@pytest.mark.parametrize("limit", [1, 2, 5, 7, 1000])
def test_any_portion_size_reads_everything_in_order_once(data_dir: Path, limit: int) -> None:
    reader, cursor, numbers = JournalReader(data_dir), {"gateway": 1}, []
    while records := reader.read(cursor, limit):
        assert len(records) <= limit
        numbers += [record.event.body["number"] for record in records if record.event]
        cursor = {"gateway": records[-1].position.index + 1}
    assert numbers == list(range(30))


@pytest.mark.parametrize("start", range(32))
def test_reading_may_begin_anywhere(data_dir: Path, start: int) -> None:
    records = JournalReader(data_dir).read({"gateway": start})
    assert [record.position.index for record in records] == list(range(start, 31))


def test_no_writer_is_starved_by_a_busy_one(tmp_path: Path, make_event: Make) -> None:
    for writer, count in (("console", 500), ("gateway", 500), ("watch", 2)):
        journal = Journal.open(tmp_path, writer)
        for number in range(count - 1):
            journal.append(make_event(number))
        journal.close()
    records = JournalReader(tmp_path).read({}, limit=300)
    counts = {writer: sum(r.position.writer == writer for r in records) for writer in ("console", "gateway", "watch")}
    assert counts == {"console": 198, "gateway": 100, "watch": 2}
    assert JournalReader(tmp_path).writers() == ["console", "gateway", "watch"]


@pytest.mark.behaviour("journal.readers-follow-rotation")
def test_a_reader_follows_a_live_writer_from_file_to_file(
    tmp_path: Path, make_event: Make, small_settings: JournalSettings
) -> None:
    journal = Journal.open(tmp_path, "gateway", settings=small_settings)
    stop, seen = threading.Event(), []

    def follow() -> None:
        for records in JournalReader(tmp_path).tail({"gateway": 1}, stop, poll=0.002):
            seen.extend(record.event.body["number"] for record in records if record.event)
            if len(seen) >= 300:
                stop.set()

    thread = threading.Thread(target=follow)
    thread.start()
    for number in range(300):
        index = journal.append(make_event(number))
        if number % 7 == 0:
            journal.wait(index)
    thread.join(30)
    journal.close()
    assert seen == list(range(300))
    assert len(segments_in(tmp_path / "journal" / "gateway")) > 5


def test_nothing_beyond_the_durable_mark_is_read(data_dir: Path) -> None:
    (data_dir / "run" / "journal-gateway.durable").write_bytes((9).to_bytes(8, "big"))
    assert [r.position.index for r in JournalReader(data_dir).read({})] == list(range(9))


def test_without_a_durable_mark_every_whole_frame_is_read(
    data_dir: Path, segments: Callable[[Path], list[Path]]
) -> None:
    (data_dir / "run" / "journal-gateway.durable").unlink()
    last = segments(data_dir)[-1]
    last.write_bytes(last.read_bytes() + b"WKJRNL\x01\n half a frame")
    assert len(JournalReader(data_dir).read({})) == 31


def test_a_reader_may_come_before_the_writer(tmp_path: Path, make_event: Make) -> None:
    reader = JournalReader(tmp_path)
    assert (reader.read({}), reader.writers(), reader.find("x")) == ([], [], None)
    journal = Journal.open(tmp_path, "gateway")
    journal.record(make_event(1))
    assert len(reader.read({})) == 2
    journal.close()


@pytest.mark.behaviour("journal.find-by-id")
def test_an_event_is_found_by_its_id_whatever_its_clock_says(tmp_path: Path, make_event: Make) -> None:
    derived = Event(v=1, id=derived_id("rule", 1), time=5, kind="detect.alert.raised", severity=Severity.HIGH)
    observed = [make_event(number) for number in range(50)]
    journal = Journal.open(tmp_path, "gateway")
    other = Journal.open(tmp_path, "watch")
    for event in observed:
        journal.append(event)
    other.record(derived)
    journal.close()
    other.close()
    reader = JournalReader(tmp_path)
    assert reader.find(observed[31].id) == Position("gateway", 32)
    assert reader.find(derived.id) == Position("watch", 1)
    assert reader.find(derived_id("rule", 2)) is None
    assert reader.find("get_current_time") is None


def test_a_changed_byte_is_not_read_as_if_nothing_were(data_dir: Path, segments: Callable[[Path], list[Path]]) -> None:
    path = segments(data_dir)[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    reader, cursor = JournalReader(data_dir), {"gateway": 0}
    with pytest.raises(Untrusted):  # noqa: PT012 — what is before it is read first
        while records := reader.read(cursor):
            cursor = {"gateway": records[-1].position.index + 1}
    assert cursor["gateway"] < 8


def test_a_reader_goes_on_after_the_log_it_followed_was_cut_and_grew_again(
    one_file: Path, segments: Callable[[Path], list[Path]], make_event: Make
) -> None:
    reader = JournalReader(one_file)
    assert len(reader.read({})) == 31
    (path,) = segments(one_file)
    path.write_bytes(path.read_bytes()[:-100])
    journal = Journal.open(one_file, "gateway")
    for number in range(20):
        journal.record(make_event(number))
    journal.close()
    assert [record.position.index for record in reader.read({"gateway": 31})] == list(range(31, 47))


def test_what_waits_is_told_without_reading_it(data_dir: Path) -> None:
    reader = JournalReader(data_dir)
    records = [record for record in reader.read({}) if record.position.writer == "gateway"]
    whole = reader.waiting({})["gateway"]
    assert (whole.first, whole.end, whole.records) == (0, len(records), len(records))
    sizes = sum(path.stat().st_size for path in (data_dir / "journal" / "gateway").glob("*.seg"))
    assert whole.bytes == sizes
    for at in range(len(records) + 1):
        waiting = reader.waiting({"gateway": at})["gateway"]
        assert waiting.records == len(records) - at
        assert (waiting.bytes > 0) is (waiting.since > 0) is (at < len(records))
        assert waiting.bytes <= whole.bytes
    assert (
        reader.waiting({"gateway": 3})["gateway"].bytes > reader.waiting({"gateway": len(records) - 1})["gateway"].bytes
    )


@pytest.mark.behaviour("journal.cut-is-told-to-followers")
@pytest.mark.parametrize("grown", [0, 1, 5, 6, 20])
def test_a_follower_of_a_log_that_was_cut_is_told_by_its_next_record(
    data_dir: Path, segments: Callable[[Path], list[Path]], make_event: Make, grown: int
) -> None:
    reader, cuts = JournalReader(data_dir), dict[str, int]()
    cursor = {record.position.writer: record.position.index + 1 for record in reader.read({}, limit=10_000)}
    last = segments(data_dir)[-1]
    start, _, _ = frames_of(last)[-1]
    with last.open("r+b") as file:
        file.truncate(start)
    assert reader.resumed(cursor, cuts) == cursor  # nobody has opened it since
    journal = Journal.open(data_dir, "gateway")
    for number in range(grown):
        journal.record(make_event(number))
    back = reader.resumed(cursor, cuts)
    told, *rest = reader.read(back)
    assert told.event is not None
    assert (told.event.kind, told.event.body["index"]) == ("journal.writer.opened", told.position.index)
    assert told.event.body["missing"] == cursor["gateway"] - told.position.index
    assert len(rest) == grown
    after = {"gateway": told.position.index + 1 + grown}
    assert reader.resumed(after, cuts) == after
    assert reader.resumed(cursor, {}) == cursor  # whoever begins now has read on behind it
    journal.close()
