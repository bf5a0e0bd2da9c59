"""A disk that is full, and one that fails: nothing is half acknowledged, and the log stays whole."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from watchkeeper.core.errors import Unavailable
from watchkeeper.events import Event, Journal, JournalReader, JournalSettings
from watchkeeper.events.journal import segments, verify
from watchkeeper.events.journal.segments import NotWritten, SegmentWriter

CHILD = Path(__file__).with_name("journal_full_disk_child.py")
Make = Callable[..., Event]


def numbers_in(data_dir: Path) -> list[int]:
    reader = JournalReader(data_dir)
    records = reader.read({}, 100_000)
    reader.close()
    return [r.event.body["number"] for r in records if r.event and "number" in r.event.body]


def record_until_refused(journal: Journal, make_event: Make) -> tuple[list[int], str]:
    """The numbers that were acknowledged, and why the next one was not."""
    acknowledged: list[int] = []
    while True:
        try:
            journal.record(make_event(len(acknowledged)))
        except Unavailable as error:
            return acknowledged, error.reason
        acknowledged.append(len(acknowledged))


def wait_until_healthy(journal: Journal) -> None:
    """The journal tries again by itself; the test's timeout bounds this."""
    pause = threading.Event()
    while not journal.healthy:
        pause.wait(0.005)


@pytest.mark.behaviour("journal.full-disk-refuses")
@pytest.mark.parametrize("limit", [20_000, 33_333, 40_123])
def test_a_full_disk_refuses_clearly_and_recovers_when_there_is_room(tmp_path: Path, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, str(CHILD), str(tmp_path), str(limit)], capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    assert seen["refused"] == "the journal cannot be written: file too large"
    assert {seen["append"], seen["wait"], seen["durable"]} == {seen["refused"]}
    assert seen["healthy"] is False
    count = len(seen["acknowledged"])
    assert count > 3
    # the refused one was kept in order and is there; what was refused at the door is not
    assert numbers_in(tmp_path) == [*seen["acknowledged"], count, 30_000]
    assert seen["again"] == count + 2
    assert verify(tmp_path).code == 0


def test_a_process_that_ends_while_the_disk_is_full_leaves_a_whole_log(tmp_path: Path) -> None:
    command = [sys.executable, str(CHILD), str(tmp_path), "20000", "stay full"]
    seen = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert numbers_in(tmp_path) == seen["acknowledged"]
    assert verify(tmp_path).code == 0
    Journal.open(tmp_path, "gateway").close()
    assert verify(tmp_path).code == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KB: a real ENOSPC. Needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a file system: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_really_full_disk_is_survived_where_one_can_be_mounted(tiny_disk: Path, make_event: Make) -> None:
    data_dir, ballast = tiny_disk / "data", tiny_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    journal = Journal.open(data_dir, "gateway", settings=JournalSettings(segment_bytes=16_384, retry_ms=10))
    acknowledged, reason = record_until_refused(journal, make_event)
    assert reason == "the journal cannot be written: no space left on device"
    assert numbers_in(data_dir) == acknowledged
    assert verify(data_dir).code == 0
    ballast.unlink()
    wait_until_healthy(journal)
    journal.record(make_event(20_000))
    journal.close()
    assert numbers_in(data_dir) == [*acknowledged, len(acknowledged), 20_000]
    assert verify(data_dir).code == 0


@pytest.mark.behaviour("journal.failed-sync-is-final")
def test_after_a_failed_sync_nothing_is_taken_until_a_restart(
    tmp_path: Path, make_event: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path, "gateway")
    journal.record(make_event(1))

    def fail(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(segments, "sync_file", fail)
        with pytest.raises(Unavailable) as caught:
            journal.record(make_event(2))
    assert "until the process is restarted" in caught.value.reason
    with pytest.raises(Unavailable):
        journal.record(make_event(3))
    journal.close()
    assert numbers_in(tmp_path) == [1]
    assert verify(tmp_path).code == 0
    again = Journal.open(tmp_path, "gateway")
    again.record(make_event(4))
    again.close()
    assert numbers_in(tmp_path) == [1, 4]


def test_a_device_that_is_always_full_writes_nothing() -> None:
    if not Path("/dev/full").exists():
        return  # a Linux device
    writer = SegmentWriter(Path("/dev"), 1 << 20, Path("/dev/full"), 0)
    with pytest.raises(NotWritten) as caught:
        writer.append(b"x" * 100, 0)
    assert caught.value.reason.startswith("the journal cannot be written: no space left on device")
    writer.close()


def test_a_journal_that_is_too_far_behind_refuses_instead_of_growing(tmp_path: Path, make_event: Make) -> None:
    settings = JournalSettings(pending_bytes=1 << 20, batch_records=65536, commit_within_ms=1000)
    journal = Journal.open(tmp_path, "gateway", settings=settings)
    taken, event = 0, make_event(1)
    with pytest.raises(Unavailable, match="behind"):  # noqa: PT012 — which append is refused is not the point
        while taken < 20_000:
            taken = journal.append(event)
    assert taken > 1000
    journal.close()
    assert verify(tmp_path).code == 0
