"""Appending and waiting, through the public door."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from watchkeeper.core.errors import Conflict, Invalid, Unavailable
from watchkeeper.events import Event, Journal, JournalReader, JournalSettings, Position, encode
from watchkeeper.events.journal import segments, verify

Make = Callable[..., Event]


@pytest.mark.behaviour("journal.recorded-is-readable")
def test_what_is_recorded_is_read_back_byte_for_byte(tmp_path: Path, make_event: Make) -> None:
    event = make_event(1)
    journal = Journal.open(tmp_path, "gateway")
    position = journal.record(event)
    journal.close()
    record = JournalReader(tmp_path).read({"gateway": position.index})[0]
    assert (record.position, record.event, record.record) == (Position("gateway", 1), event, encode(event))


@pytest.mark.behaviour("journal.opening-is-recorded")
def test_each_opening_is_the_first_thing_recorded(tmp_path: Path) -> None:
    for _ in range(2):
        Journal.open(tmp_path, "gateway").close()
    events = [record.event for record in JournalReader(tmp_path).read({})]
    assert [(event.kind, event.body["index"]) for event in events if event] == [
        ("journal.writer.opened", 0),
        ("journal.writer.opened", 1),
    ]


def test_indexes_continue_where_the_log_ended(tmp_path: Path, make_event: Make) -> None:
    with_one = Journal.open(tmp_path, "gateway")
    with_one.record(make_event(1))
    with_one.close()
    journal = Journal.open(tmp_path, "gateway")
    assert journal.durable_index == 3
    assert journal.append(make_event(2)) == 3
    journal.close()


@pytest.mark.behaviour("journal.one-writer-per-log")
def test_a_log_in_use_by_another_process_is_refused(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "gateway")
    code = f"""
from pathlib import Path
from watchkeeper.core.errors import Conflict
from watchkeeper.events import Journal
try:
    Journal.open(Path({str(tmp_path)!r}), "gateway")
except Conflict:
    print("conflict")
Journal.open(Path({str(tmp_path)!r}), "watch").close()
"""
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout == "conflict\n"
    with pytest.raises(Conflict):
        Journal.open(tmp_path, "gateway")
    journal.close()
    Journal.open(tmp_path, "gateway").close()


@pytest.mark.behaviour("journal.group-commit")
def test_threads_share_commits_and_every_event_is_there_once(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    positions: list[list[int]] = [[] for _ in range(8)]

    def work(mine: list[int], thread: int) -> None:
        for number in range(50):
            mine.append(journal.record(make_event(thread * 1000 + number)).index)

    threads = [threading.Thread(target=work, args=(mine, i)) for i, mine in enumerate(positions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert sorted(index for mine in positions for index in mine) == list(range(1, 401))
    assert all(mine == sorted(mine) for mine in positions)
    numbers = [record.event.body["number"] for record in JournalReader(tmp_path).read({"gateway": 1}) if record.event]
    assert sorted(numbers) == sorted(thread * 1000 + number for thread in range(8) for number in range(50))
    report = verify(tmp_path)
    assert report.code == 0
    assert report.logs[0].commits < 401


def test_an_append_becomes_durable_though_nobody_waits(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    index = journal.append(make_event(1))
    stop = threading.Event()
    for records in JournalReader(tmp_path).tail({"gateway": index}, stop, poll=0.005):
        assert [record.position.index for record in records] == [index]
        stop.set()
    journal.close()


@pytest.mark.behaviour("journal.durable-without-polling")
async def test_event_loops_are_resumed_by_the_commit(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    indexes = [journal.append(make_event(number)) for number in range(200)]
    async with asyncio.timeout(10):
        await asyncio.gather(*(journal.durable(index) for index in indexes))
    assert journal.durable_index > indexes[-1]
    await journal.durable(indexes[0])
    journal.close()


@pytest.mark.behaviour("journal.waiters-commit")
async def test_a_thread_commits_what_it_waits_for_and_an_event_loop_does_not(
    tmp_path: Path, make_event: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path, "gateway", settings=JournalSettings(commit_within_ms=1000))
    synced_by: list[int] = []
    sync = segments.sync_file

    def noted(handle: int) -> None:
        synced_by.append(threading.get_ident())
        sync(handle)

    monkeypatch.setattr(segments, "sync_file", noted)
    journal.record(make_event(1))
    assert synced_by == [threading.get_ident()]
    async with asyncio.timeout(10):
        await journal.durable(journal.append(make_event(2)))
    assert len(synced_by) == 2
    assert synced_by[1] != threading.get_ident()
    journal.close()


async def test_a_cancelled_waiter_disturbs_nobody(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    first, second = journal.append(make_event(1)), journal.append(make_event(2))
    gone = asyncio.ensure_future(journal.durable(first))
    stays = asyncio.ensure_future(journal.durable(second))
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(10):
        await stays
    journal.close()


@pytest.mark.behaviour("journal.close-commits")
def test_closing_commits_what_was_appended(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway", settings=JournalSettings(commit_within_ms=1000))
    for number in range(100):
        journal.append(make_event(number))
    journal.close()
    journal.close()
    assert len(JournalReader(tmp_path).read({})) == 101


async def test_a_closed_journal_takes_nothing(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    journal.close()
    with pytest.raises(Unavailable):
        journal.append(make_event(1))
    with pytest.raises(Unavailable):
        journal.wait(1)
    with pytest.raises(Unavailable):
        await journal.durable(1)


async def test_waiting_for_what_was_never_appended_is_an_error(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "gateway")
    with pytest.raises(Invalid):
        journal.wait(99)
    with pytest.raises(Invalid):
        await journal.durable(99)
    journal.close()


def test_an_event_beyond_the_limit_is_refused_and_harms_nothing(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    huge = Event(v=1, id="x", time=1, kind="gateway.request.decided", body={"text": "x" * (17 << 20)})
    with pytest.raises(Invalid):
        journal.append(huge)
    assert journal.record(make_event(1)).index == 1
    journal.close()


@pytest.mark.parametrize("value", ["\ud800", object(), {(1,): 2}], ids=["surrogate", "object", "key"])
def test_an_event_that_is_no_json_is_refused_and_harms_nothing(tmp_path: Path, make_event: Make, value: object) -> None:
    journal = Journal.open(tmp_path, "gateway")
    with pytest.raises(Invalid):
        journal.append(Event(v=1, id="x", time=1, kind="gateway.request.decided", body={"value": value}))
    assert journal.record(make_event(1)).index == 1
    journal.close()


@pytest.mark.parametrize("writer", ["", "../x", "Gateway", "a/b", "a" * 40, "a\x00"])
def test_a_writer_is_named_by_a_plain_word(tmp_path: Path, writer: str) -> None:
    with pytest.raises(Invalid):
        Journal.open(tmp_path, writer)


@pytest.mark.behaviour("journal.files-are-private")
def test_every_file_is_its_owners_alone(data_dir: Path) -> None:
    for path in [*data_dir.rglob("*"), data_dir]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.behaviour("journal.records-are-encrypted")
def test_no_record_lies_in_clear_text_on_disk(data_dir: Path) -> None:
    everything = b"".join(path.read_bytes() for path in (data_dir / "journal").rglob("*") if path.is_file())
    for secret in (b"agent:ada", b"Europe/Paris", b"get_current_time", b"gateway.request.decided"):
        assert secret not in everything
