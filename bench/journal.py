"""How many events a second the journal makes durable, beside what the same disk does for plainer stores.

    python bench/journal.py [--json] [--quick] [--folder FOLDER]

What is measured, for batches of 1, 10, 100 and 1,000 events of about 500 bytes from four agents:

- durable_events_per_second_batch_N: the public door. N times `Journal.append`, then `Journal.wait` for the last.
  Encoding, salting, hashing, tree, compression, encryption, signed checkpoint, write and fdatasync are all inside.
- durable_events_per_second_streaming: `append` without a pause, one `wait` at the end; batches form by themselves.
- commit_path_events_per_second_batch_100: `Log.commit` of 100 encoded records, without the commit thread.
- verified_events_per_second, read_events_per_second: `verify` and `JournalReader.read` over what was written, decrypted
  and checked against their entries; read_raw_…: without making events of the records, as the lake takes them in.
- bytes_per_event_batch_N, …_sealed_batch_N: on disk, of realistic events of about 930 bytes (bench/_lake_events.py),
  as committed in batches of N and after sealing; sealing_megabytes_per_second: of committed bytes.
- opening_1m_events_…_ms: `Journal.open` on a log of a million events in files of 16 MiB: all but the last sealed, and
  none.

Peers, fed the same encoded records, turn by turn with the journal:

- append+fdatasync: the records joined, one write and one fdatasync a batch; no hash, no signature, no encryption.
- sqlite-wal-full: one transaction a batch, WAL, synchronous=FULL; likewise.

Each figure is the median of several rounds. The folder must lie on the disk in question: a tmpfs has nothing to sync.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _lake_events import Estate

from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Event, Journal, JournalReader, JournalSettings, encode, new_event
from watchkeeper.events.journal import verify
from watchkeeper.events.journal.upkeep import Keeper, RetentionSettings
from watchkeeper.events.journal.writing.log import Log

Result = dict[str, Any]
Store = Callable[[list[Event]], None]


def event_of(number: int) -> Event:
    """One decided tool call, about 500 bytes."""
    return new_event(
        time.time_ns() // 1000,
        "gateway.request.decided",
        actor=f"agent:a{number % 4}",
        server="time",
        target="get_current_time",
        era="modern",
        outcome="allow",
        body={
            "method": "tools/call",
            "id": number,
            "rules": ["allow-reading"],
            "correlation": f"{number * 2654435761 % 2**64:016x}",
            "bytes_in": number * 7 % 900,
            "bytes_out": number * 13 % 4000,
            "duration_us": number * 31 % 9000,
            "arguments": f'{{"timezone":"Europe/Paris","query":"{number * 40503 % 2**32:08x}"}}',
            "result": f'{{"content":[{{"type":"text","text":"2026-11-22T17:{number % 60:02d}:00+01:00"}}]}}',
        },
    )


def rate(store: Store, events: list[Event], batch: int) -> float:
    """Events a second, stored in batches of this size."""
    batches = [events[i : i + batch] for i in range(0, len(events), batch)]
    begin = time.perf_counter()
    for part in batches:
        store(part)
    return len(events) / (time.perf_counter() - begin)


@contextmanager
def journal_store(folder: Path) -> Iterator[Store]:
    journal = Journal.open(folder, "bench")

    def store(events: list[Event]) -> None:
        for event in events:
            last = journal.append(event)
        journal.wait(last)

    try:
        yield store
    finally:
        journal.close()


@contextmanager
def commit_store(folder: Path) -> Iterator[Store]:
    log = Log.open(folder, "bench", SystemClock(), JournalSettings())
    try:
        yield lambda events: log.commit([(event.actor, encode(event)) for event in events])
    finally:
        log.close()


@contextmanager
def file_store(folder: Path) -> Iterator[Store]:
    folder.mkdir()
    sync = getattr(os, "fdatasync", os.fsync)
    with (folder / "plain").open("wb", buffering=0) as file:

        def store(events: list[Event]) -> None:
            file.write(b"\n".join([encode(event) for event in events]))
            sync(file.fileno())

        yield store


@contextmanager
def sqlite_store(folder: Path) -> Iterator[Store]:
    folder.mkdir()
    db = sqlite3.connect(folder / "events.db")
    db.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE events (id INTEGER PRIMARY KEY, record BLOB)"
    )

    def store(events: list[Event]) -> None:
        with db:
            db.executemany("INSERT INTO events (record) VALUES (?)", [(encode(event),) for event in events])

    try:
        yield store
    finally:
        db.close()


def measure_batches(folder: Path, batch: int, count: int, rounds: int) -> list[Result]:
    """The journal and its peers, turn by turn, so that all meet the same disk."""
    events = [event_of(number) for number in range(count)]
    figures: dict[str, list[float]] = {"journal": [], "append+fdatasync": [], "sqlite-wal-full": [], "commit": []}
    stores = {
        "journal": journal_store(folder / f"journal-{batch}"),
        "append+fdatasync": file_store(folder / f"file-{batch}"),
        "sqlite-wal-full": sqlite_store(folder / f"sqlite-{batch}"),
        "commit": commit_store(folder / f"commit-{batch}"),
    }
    opened = {name: manager.__enter__() for name, manager in stores.items()}
    for _ in range(rounds):
        for name, store in opened.items():
            figures[name].append(rate(store, events, batch))
    for manager in stores.values():
        manager.__exit__(None, None, None)
    middle = {name: statistics.median(values) for name, values in figures.items()}
    rows = [
        row(f"durable_events_per_second_batch_{batch}", middle["journal"], peer, middle[peer])
        for peer in ("append+fdatasync", "sqlite-wal-full")
    ]
    if batch == 100:
        peer = "append+fdatasync"
        rows.append(row("commit_path_events_per_second_batch_100", middle["commit"], peer, middle[peer]))
    return rows


def measure_streaming(folder: Path, count: int, rounds: int) -> list[Result]:
    events = [event_of(number) for number in range(count)]
    with journal_store(folder / "streaming") as store:
        written = statistics.median(rate(store, events, count) for _ in range(rounds))
    begin = time.perf_counter()
    report = verify(folder / "streaming")
    verified = report.logs[0].records / (time.perf_counter() - begin)
    if report.code:
        raise SystemExit(f"the journal that was written does not verify: {report.reason}")
    del events
    return [
        row("durable_events_per_second_streaming", written),
        row("verified_events_per_second", verified),
        row("read_events_per_second", max(reading(folder / "streaming", decode=True) for _ in range(3))),
        row("read_raw_events_per_second", max(reading(folder / "streaming", decode=False) for _ in range(3))),
    ]


def reading(folder: Path, *, decode: bool) -> float:
    """Events a second, from the first to the last."""
    reader, cursor, number = JournalReader(folder), {"bench": 0}, 0
    begin = time.perf_counter()
    while records := reader.read(cursor, 10_000, decode=decode):
        number += len(records)
        cursor = {"bench": records[-1].position.index + 1}
    took = time.perf_counter() - begin
    reader.close()
    return number / took


def measure_sizes(folder: Path, batch: int, count: int) -> list[Result]:
    """Bytes on disk of realistic events, before and after sealing."""
    data_dir = folder / f"sizes-{batch}"
    journal = Journal.open(data_dir, "bench", settings=JournalSettings(segment_bytes=2 * 1024 * 1024))
    waiting = list(Estate().events(count))
    for part in (waiting[i : i + batch] for i in range(0, count, batch)):
        for event in part:
            last = journal.append(event)
        journal.wait(last)
    begin = time.perf_counter()
    sealed, _ = Keeper(journal, RetentionSettings(), SystemClock()).turn()
    took = time.perf_counter() - begin
    journal.close()
    records, before, after = (sum(getattr(done, name) for done in sealed) for name in ("records", "before", "after"))
    rows = [
        row(f"bytes_per_event_batch_{batch}", before / records, unit="bytes"),
        row(f"bytes_per_event_sealed_batch_{batch}", after / records, unit="bytes"),
    ]
    if batch == 100:
        rows.append(row("sealing_megabytes_per_second", before / 1e6 / took, unit="MB/s"))
    return rows


def measure_opening(folder: Path, count: int) -> list[Result]:
    """How long it takes to open a log of so many events."""
    data_dir, name = folder / "opening", "1m" if count == 1_000_000 else f"{count // 1000}k"
    settings = JournalSettings(segment_bytes=16 * 1024 * 1024)
    journal = Journal.open(data_dir, "bench", settings=settings)
    for begin in range(0, count, 50_000):
        for number in range(begin, min(count, begin + 50_000)):
            last = journal.append(event_of(number))
        journal.wait(last, timeout=60)
    journal.close()
    plain = opening(data_dir)
    journal = Journal.open(data_dir, "bench", settings=settings)
    Keeper(journal, RetentionSettings(), SystemClock()).turn()
    journal.close()
    return [
        row(f"opening_{name}_events_unsealed_ms", plain, unit="ms"),
        row(f"opening_{name}_events_sealed_ms", opening(data_dir), unit="ms"),
    ]


def opening(data_dir: Path) -> float:
    begin = time.perf_counter()
    journal = Journal.open(data_dir, "bench")
    took = time.perf_counter() - begin
    journal.close()
    return took * 1000


def row(metric: str, value: float, peer: str = "", peer_value: float = 0.0, unit: str = "events/s") -> Result:
    result: Result = {"metric": metric, "value": round(value), "unit": unit}
    if peer:
        result |= {"peer": peer, "peer_value": round(peer_value), "ratio": round(value / peer_value, 3)}
    return result


def run(folder: Path, *, quick: bool) -> dict[str, Any]:
    rounds = 3 if quick else 7
    results: list[Result] = []
    for batch, count in ((1, 200), (10, 2_000), (100, 10_000), (1_000, 20_000)):
        results += measure_batches(folder, batch, count // 2 if quick else count, rounds)
    results += measure_streaming(folder, 10_000 if quick else 50_000, rounds)
    for batch, count in ((1, 6_000), (10, 10_000), (100, 20_000)):
        results += measure_sizes(folder, batch, count)
    results += measure_opening(folder, 100_000 if quick else 1_000_000)
    size = statistics.mean(len(encode(event_of(number))) for number in range(1_000))
    return {"name": "journal", "bytes_per_event": round(size), "rounds": rounds, "results": results}


def main() -> None:
    parser = argparse.ArgumentParser(description="Durable events a second, beside plainer stores.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--folder", type=Path, default=Path(), help="where to write; on the disk in question")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=".bench-journal-", dir=options.folder) as folder:
        outcome = run(Path(folder), quick=options.quick)
    if options.json:
        print(json.dumps(outcome))
        return
    print(f"events of {outcome['bytes_per_event']} bytes, median of {outcome['rounds']} rounds")
    for result in outcome["results"]:
        line = f"{result['metric']:<44}{result['value']:>10,} {result['unit']}"
        print(line + (f"   {result['ratio']:.2f}x {result['peer']}" if "peer" in result else ""))


if __name__ == "__main__":
    main()
