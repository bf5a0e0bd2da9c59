"""The lake: every record of the journal once, whatever happens; and each trap of the storage engine, closed."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path

import pytest
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Conflict, Unavailable
from watchkeeper.events.journal import Journal, JournalReader
from watchkeeper.events.lake import LakeSettings
from watchkeeper.events.lake import disk as disks
from watchkeeper.events.lake import table as tables
from watchkeeper.events.lake.disk import DiskPlace
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.schema import COLUMNS, SCHEMA, to_batch, to_event, to_row
from watchkeeper.events.lake.table import LakeTable, lake_folder
from watchkeeper.events.model import Event, Severity, new_event

T = 1_790_000_000_000_000
DAY = 86_400_000_000


def record(data: Path, events: list[Event], writer: str = "gateway") -> None:
    journal = Journal.open(data, writer)
    try:
        for event in events:
            last = journal.append(event)
        journal.wait(last)
    finally:
        journal.close()


def calls(count: int, start: int = 0, **fields: object) -> list[Event]:
    return [
        new_event(T + i, "gateway.request.decided", target=f"tool{i}", server="files", **fields)
        for i in range(start, start + count)
    ]


def positions(data: Path) -> Counter[tuple[str, int]]:
    answer = QueryBuilder().register("events", DeltaTable(lake_folder(data))).execute("SELECT writer, idx FROM events")
    rows = answer.read_all()
    return Counter(zip(rows["writer"].to_pylist(), rows["idx"].to_pylist(), strict=True))


def in_journal(data: Path) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    reader, at = JournalReader(data), {}
    while records := reader.read(at):
        for r in records:
            found[(r.position.writer, r.position.index)] += 1
            at[r.position.writer] = r.position.index + 1
    return found


@pytest.mark.behaviour("lake.every-record-once")
def test_every_record_of_every_writer_is_one_row(tmp_path: Path) -> None:
    record(tmp_path, calls(250), "gateway")
    record(tmp_path, calls(70), "watch")
    with LakeReader(tmp_path, LakeSettings(flush_rows=64)) as lake:
        assert lake.fill() == sum(in_journal(tmp_path).values())
        assert lake.fill() == 0
    assert positions(tmp_path) == in_journal(tmp_path)


@pytest.mark.behaviour("lake.resumes-where-it-stopped")
def test_a_second_reader_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    record(tmp_path, calls(10))
    with LakeReader(tmp_path) as lake:
        lake.fill()
    record(tmp_path, calls(5))
    with LakeReader(tmp_path) as lake:
        lake.fill()
    assert positions(tmp_path) == in_journal(tmp_path)


KILLED = textwrap.dedent("""
    import sys
    from pathlib import Path
    from watchkeeper.events.lake import LakeSettings
    from watchkeeper.events.lake.reader import LakeReader
    settings = LakeSettings(flush_seconds=0.01, flush_rows=7, compact_commits=5, grace_hours=0)
    lake = LakeReader(Path(sys.argv[1]), settings)
    lake.open()
    while True:
        if lake.step():
            print("stepped", flush=True)
""")


@pytest.mark.slow
@pytest.mark.behaviour("lake.survives-kill")
def test_a_reader_killed_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    dice, held = random.Random(7), []
    record(tmp_path, calls(600))
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(dice.randint(0, 9)):
            assert process.stdout.readline() == b"stepped\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0.0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if lake_folder(tmp_path).exists():
            assert max(positions(tmp_path).values(), default=1) == 1
            held.append(len(positions(tmp_path)))
    with LakeReader(tmp_path) as lake:
        lake.fill()
    assert any(0 < rows < 600 for rows in held), "no kill came in the middle"
    assert positions(tmp_path) == in_journal(tmp_path)
    assert not lake_folder(tmp_path).with_name("events.damaged").exists()


@pytest.mark.behaviour("lake.replay-refused")
def test_rows_told_twice_are_refused_by_a_fresh_handle_too(tmp_path: Path) -> None:
    rows = [to_row(event, "gateway", i) for i, event in enumerate(calls(3))]
    LakeTable(DiskPlace(lake_folder(tmp_path))).append(to_batch(rows), {"gateway": (0, 3)})
    again = LakeTable(DiskPlace(lake_folder(tmp_path)))
    with pytest.raises(Conflict):
        again.append(to_batch(rows), {"gateway": (0, 3)})
    # what the engine itself would have done: it takes the same transaction again
    write_deltalake(
        DeltaTable(lake_folder(tmp_path)),
        to_batch(rows),
        mode="append",
        commit_properties=CommitProperties(app_transactions=[Transaction("journal/gateway", 2)]),
    )
    assert max(positions(tmp_path).values()) == 2


@pytest.mark.behaviour("lake.stale-handle-rereads")
def test_a_handle_that_was_overtaken_reads_the_cursor_again(tmp_path: Path) -> None:
    first, second = LakeTable(DiskPlace(lake_folder(tmp_path))), LakeTable(DiskPlace(lake_folder(tmp_path)))
    rows = [to_row(event, "gateway", i) for i, event in enumerate(calls(3))]
    first.append(to_batch(rows), {"gateway": (0, 3)})
    with pytest.raises(Conflict):
        second.append(to_batch(rows), {"gateway": (0, 3)})
    assert second.cursor(["gateway"]) == {"gateway": 3}
    assert max(positions(tmp_path).values()) == 1


@pytest.mark.behaviour("lake.one-filler")
def test_only_one_process_fills_a_lake(tmp_path: Path) -> None:
    with LakeReader(tmp_path), pytest.raises(Conflict):
        LakeReader(tmp_path).open()


@pytest.mark.behaviour("lake.fsync-before-cursor")
def test_data_log_entry_and_folders_are_synced_before_the_cursor_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = LakeTable(DiskPlace(lake_folder(tmp_path)))
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to see which file is synced")
    monkeypatch.setattr(os, "fsync", fsync)
    table.append(to_batch([to_row(e, "gateway", i) for i, e in enumerate(calls(2))]), {"gateway": (0, 2)})
    folder = lake_folder(tmp_path)
    (data,) = folder.rglob("*.parquet")
    entry = folder / "_delta_log" / f"{table.version:020d}.json"
    wanted = [data, data.parent, data.parent.parent, folder, entry, entry.parent]
    places = [synced.index(str(path)) for path in wanted]
    mark = next(i for i, path in enumerate(synced) if ".durable.json" in path)
    assert max(places) < mark


@pytest.mark.behaviour("lake.torn-commit-rebuilt")
@pytest.mark.parametrize(
    "flaw", ["data file emptied", "data file zeroed inside", "log entry emptied", "data file gone"]
)
def test_a_commit_torn_by_a_power_cut_is_found_and_the_lake_filled_again(tmp_path: Path, flaw: str) -> None:
    record(tmp_path, calls(40))
    with LakeReader(tmp_path) as lake:
        lake.fill()
    folder = lake_folder(tmp_path)
    mark = folder.parent / "durable.json"
    mark.write_bytes(b'{"version":0}')  # the power went before the last commit was durable
    data = max(folder.rglob("*.parquet"), key=lambda path: path.stat().st_size)
    if flaw == "data file emptied":
        data.write_bytes(b"")
    elif flaw == "data file zeroed inside":
        content = data.read_bytes()
        data.write_bytes(content[:4] + bytes(len(content) // 2) + content[4 + len(content) // 2 :])
    elif flaw == "data file gone":
        data.unlink()
    else:
        max((folder / "_delta_log").glob("*.json")).write_bytes(b"")
    with LakeReader(tmp_path) as lake:
        lake.fill()
    assert positions(tmp_path) == in_journal(tmp_path)
    assert folder.with_name("events.damaged").exists()


@pytest.mark.behaviour("lake.whole-commit-believed")
def test_a_whole_commit_that_was_not_marked_is_believed(tmp_path: Path) -> None:
    record(tmp_path, calls(40))
    with LakeReader(tmp_path) as lake:
        lake.fill()
    (lake_folder(tmp_path).parent / "durable.json").unlink()
    with LakeReader(tmp_path) as lake:
        assert lake.fill() == 0
    assert positions(tmp_path) == in_journal(tmp_path)
    assert not lake_folder(tmp_path).with_name("events.damaged").exists()


@pytest.mark.behaviour("lake.compacts")
def test_commits_are_compacted_into_few_files_with_a_checkpoint(tmp_path: Path) -> None:
    record(tmp_path, calls(60))
    with LakeReader(tmp_path, LakeSettings(flush_rows=5, compact_commits=6, grace_hours=0)) as lake:
        lake.fill()
        lake.tidy()
    folder = lake_folder(tmp_path)
    assert (folder / "_delta_log" / "_last_checkpoint").exists()
    assert len(DeltaTable(folder).file_uris()) <= 2
    assert len(list(folder.rglob("part-*.parquet"))) <= 2
    assert positions(tmp_path) == in_journal(tmp_path)


@pytest.mark.behaviour("lake.cursor-survives-checkpoint")
def test_the_cursor_outlives_compaction_checkpoint_and_clean_up(tmp_path: Path) -> None:
    record(tmp_path, calls(20))
    with LakeReader(tmp_path, LakeSettings(grace_hours=0)) as lake:
        lake.fill()
        lake.tidy()
    with LakeReader(tmp_path) as lake:
        assert lake.fill() == 0


@pytest.mark.behaviour("lake.readers-grace")
def test_a_query_that_began_before_compaction_still_finds_its_files(tmp_path: Path) -> None:
    record(tmp_path, calls(30))
    with LakeReader(tmp_path, LakeSettings(flush_rows=5)) as lake:
        lake.fill()
        before = DeltaTable(lake_folder(tmp_path))
        lake.tidy()
    rows = QueryBuilder().register("events", before).execute("SELECT idx FROM events").read_all()
    assert len(rows["idx"].to_pylist()) == sum(in_journal(tmp_path).values())


@pytest.mark.behaviour("lake.plain-protocol")
def test_the_table_asks_no_newer_feature_of_its_readers(tmp_path: Path) -> None:
    LakeTable(DiskPlace(lake_folder(tmp_path)))
    delta = DeltaTable(lake_folder(tmp_path))
    assert (delta.protocol().min_reader_version, delta.protocol().min_writer_version) == (1, 2)
    assert delta.metadata().configuration["delta.enableDeletionVectors"] == "false"
    assert delta.metadata().partition_columns == ["tenant", "day", "retention"]


@pytest.mark.behaviour("lake.schema-grows")
def test_a_lake_of_an_older_version_gets_the_new_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path, calls(3))
    folder = lake_folder(tmp_path)
    fewer = [field for field in SCHEMA if field.name != "reason"]
    monkeypatch.setattr(tables, "SCHEMA", type(SCHEMA)(fewer))
    LakeTable(DiskPlace(folder))
    monkeypatch.undo()
    with LakeReader(tmp_path) as lake:
        lake.fill()
    assert "reason" in {field.name for field in DeltaTable(folder).schema().fields}
    assert positions(tmp_path) == in_journal(tmp_path)


@pytest.mark.behaviour("lake.hostile-event-does-not-stop-it")
def test_an_event_with_an_impossible_tenant_time_or_number_does_not_stop_the_lake(tmp_path: Path) -> None:
    body = {"status": 2**70, "duration_us": True, "rules": [1, "a"], "arguments": {"not": "text"}, "reason": None}
    odd = [
        new_event(T, "gateway.request.decided", tenant="", body=body),
        new_event(T, "gateway.request.decided", tenant="a/b=c ü ../..", body=body),
        new_event(-5, "gateway.request.decided", body=body),
        new_event(2**62, "gateway.request.decided", body=body),
        new_event(0, "gateway.request.decided", trace="not a trace-", target="\0\ud7ff\U0001f600'\"\\"),
    ]
    record(tmp_path, odd)
    with LakeReader(tmp_path) as lake:
        lake.fill()
    assert positions(tmp_path) == in_journal(tmp_path)


@pytest.mark.behaviour("lake.journal-is-the-truth")
@pytest.mark.parametrize("events", [3, 20])
def test_a_lake_of_another_journal_is_set_aside_and_filled_again(tmp_path: Path, events: int) -> None:
    record(tmp_path, calls(10))
    with LakeReader(tmp_path) as lake:
        lake.fill()
    for folder in ("journal", "run", "keys"):  # restored from nothing: shorter, or grown past the lake's cursor
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
    record(tmp_path, calls(events))
    with LakeReader(tmp_path) as lake:
        lake.fill()
    assert positions(tmp_path) == in_journal(tmp_path)


def test_an_event_becomes_a_row_and_the_same_event_again() -> None:
    event = new_event(
        T,
        "gateway.request.decided",
        actor="agent:laptop",
        claimed="client",
        server="files",
        target="read_file",
        era="modern",
        trace=f"{'a' * 32}-{'b' * 16}",
        outcome="deny",
        severity=Severity.HIGH,
        labels=("exercise", "shadow"),
        body={
            "method": "tools/call",
            "rules": ["r1"],
            "reason": "no",
            "status": 200,
            "arguments": "{}",
            "x": {"y": [1]},
        },
    )
    assert to_event(to_row(event, "gateway", 7)) == event


@pytest.mark.behaviour("lake.says-how-far-behind")
def test_the_lake_says_how_far_it_is_behind(tmp_path: Path) -> None:
    clock = ManualClock()
    record(tmp_path, calls(4))
    waiting = sum(in_journal(tmp_path).values())
    with LakeReader(tmp_path, clock=clock) as lake:
        clock.advance(3_000_000)
        assert (lake.lag().rows, lake.lag().seconds) == (waiting, 3.0)
        lake.fill()
        assert (lake.lag().rows, lake.lag().seconds, lake.lag().failure) == (0, 0.0, "")
    assert (lake.lag().is_more, lake.lag().failure) == (True, "nobody fills it")


def test_running_fills_until_stopped_and_once_more(tmp_path: Path) -> None:
    record(tmp_path, calls(4))
    stop = threading.Event()
    stop.set()
    LakeReader(tmp_path).run(stop)
    assert positions(tmp_path) == in_journal(tmp_path)


@pytest.mark.behaviour("lake.full-disk")
def test_a_full_disk_while_tidying_is_said_and_afterwards_nothing_is_missing_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    record(tmp_path, calls(20))
    with LakeReader(tmp_path, LakeSettings(flush_rows=5)) as lake:
        lake.fill()
        with monkeypatch.context() as disk:
            disk.setattr(disks, "_sync_file", full)
            with pytest.raises(Unavailable):
                lake.tidy()
        assert positions(tmp_path) == in_journal(tmp_path)
        lake.tidy()
    with LakeReader(tmp_path) as lake:
        assert lake.fill() == 0
    assert positions(tmp_path) == in_journal(tmp_path)
    assert not lake_folder(tmp_path).with_name("events.damaged").exists()


@pytest.mark.behaviour("lake.full-disk")
@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_a_full_disk_is_said_and_afterwards_nothing_is_missing_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    record(tmp_path, calls(10))
    with LakeReader(tmp_path) as lake:
        with monkeypatch.context() as disk:
            if moment == "before the commit":
                disk.setattr(tables, "write", full)
            else:
                disk.setattr(disks, "_sync_file", full)
            with pytest.raises(Unavailable):
                lake.step()
        lake.fill()
    assert positions(tmp_path) == in_journal(tmp_path)


def test_a_fault_of_the_engine_is_said_and_does_not_end_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path, calls(3))
    stop = threading.Event()
    lake = LakeReader(tmp_path, LakeSettings(flush_seconds=0.01))
    said: list[str] = []

    def broken(*_: object, **__: object) -> None:
        said.append(lake.lag().failure)
        if len(said) > 1:
            stop.set()
        raise RuntimeError("a fault")

    monkeypatch.setattr(tables, "write", broken)
    lake.run(stop)
    assert "RuntimeError: a fault" in said


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "lake.md"


@pytest.mark.behaviour("lake.schema-is-documented")
def test_the_documented_columns_are_the_columns() -> None:
    names = {"Utf8": "text", "Int32": "int32", "Int64": "int64", "Date32": "date"}

    def named(kind: object) -> str:
        text = str(kind).removeprefix("arro3.core.DataType<").strip().removesuffix(">")
        return (
            "list of text" if text.startswith("List") else "timestamp (µs, UTC)" if "Timestamp" in text else names[text]
        )

    rows = [
        f"| `{name}` | {named(kind)} | {'yes' if may_be_null else ''} | {meaning} |"
        for name, (kind, may_be_null, meaning) in COLUMNS.items()
    ]
    table = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert table == rows


def test_the_documented_query_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path, calls(2, outcome="deny"))
    with LakeReader(tmp_path) as lake:
        lake.fill()
    example = DOCUMENT.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(example.replace("watchkeeper-data", str(tmp_path)))
    assert "files" in capsys.readouterr().out


@pytest.mark.behaviour("search.erased-are-counted")
def test_the_lake_goes_on_after_an_erasure_of_an_actor_who_came_often(tmp_path: Path) -> None:
    """The table's log is cut then, and the handle that stays open must not look for what it began with."""
    with LakeReader(tmp_path) as lake:
        for number in range(6):
            record(tmp_path, calls(2, 10 * number, actor=f"agent:{'ab'[number % 2]}"), "watch")
            record(tmp_path, calls(2, 10 * number), "gateway")
            lake.fill()
        assert lake.erase("agent:a").rows == 6
        record(tmp_path, calls(3, 100))
        assert lake.fill() == 4  # and that the log was opened
        record(tmp_path, calls(2, 200), "import")
        assert lake.fill() == 3
