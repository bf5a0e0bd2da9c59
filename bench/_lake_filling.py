"""Filling the lake: rows a second into a durable table, how soon an event is found, bytes it takes, kills survived.

- lake_ingest_rows_per_second: encoded records (about 930 bytes) → Arrow columns → Delta table, data, log and folders
  synced; the next load is prepared while one is written, as the service does. Peers: the engine alone on columns that
  are ready (neither decoded nor synced), and the same records as lines of a file with one fsync per commit.
- lake_ingest_from_journal_rows_per_second: the same, with reading and decrypting the journal.
- event_to_searchable_p99_ms_…: events are appended at a steady rate; the newest is looked for by a text
  search until it is found, 200 times; another process appends, and a third fills the lake, as in a service.
  `cpu_ms_a_search` is what the searching thread took (median): on a busy host it says more than the wait.
- bytes_per_event_lake, bytes_per_event_journal: on disk, after compaction, for the same events.
- compaction_seconds_per_million: merging, checkpoint and clean-up.

`--kills N` instead kills a filler, and then one that compacts all the time, N times each, and counts the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _lake_events import Estate
from deltalake import DeltaTable, QueryBuilder, WriterProperties, write_deltalake

from watchkeeper.core.files import sync_folder
from watchkeeper.events import Journal, JournalReader, encode
from watchkeeper.events.lake import LakeSettings
from watchkeeper.events.lake.columns import Numbered, columns_of
from watchkeeper.events.lake.disk import DiskPlace
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.table import HOOKS, LakeTable, lake_folder, made_new

Result = dict[str, Any]
_COMMIT = 20_000


def ingest(folder: Path, batches: Sequence[list[bytes]]) -> float:
    """Rows a second, durable; columns of the next commit are made in a thread."""
    table = LakeTable(DiskPlace(folder / "lake" / "events"))
    begin = time.perf_counter()
    with ThreadPoolExecutor(1) as thread:
        at, ready = 0, thread.submit(columns_of, [Numbered("bench", 0, batches[0])])
        for number, batch in enumerate(batches):
            columns, start = ready.result(), at
            at += len(batch)
            if number + 1 < len(batches):
                ready = thread.submit(columns_of, [Numbered("bench", at, batches[number + 1])])
            table.append(columns.batch, {"bench": (start, at)})
    return at / (time.perf_counter() - begin)


def engine_alone(folder: Path, batches: Sequence[list[bytes]]) -> float:
    """The engine's own append, on columns that are ready; nothing is synced."""
    own = WriterProperties(compression="ZSTD")
    ready = [columns_of([Numbered("bench", 0, batch)]).batch for batch in batches]
    delta = made_new(DiskPlace(folder / "plain"))
    begin = time.perf_counter()
    for batch in ready:
        write_deltalake(delta, batch, mode="append", post_commithook_properties=HOOKS, writer_properties=own)
    return sum(map(len, batches)) / (time.perf_counter() - begin)


def lines(folder: Path, batches: Sequence[list[bytes]]) -> float:
    """JSON lines of a file, one fsync a commit: searchable by reading it all."""
    begin = time.perf_counter()
    with (folder / "events.jsonl").open("wb", buffering=0) as file:
        for batch in batches:
            file.write(b"\n".join(batch) + b"\n")
            os.fsync(file.fileno())
    sync_folder(folder)
    return sum(map(len, batches)) / (time.perf_counter() - begin)


def measure_ingest(folder: Path, count: int, rounds: int) -> list[Result]:
    records = [encode(event) for event in Estate().events(count)]
    batches = [records[at : at + _COMMIT] for at in range(0, count, _COMMIT)]
    figures: dict[str, list[float]] = {"lake": [], "engine": [], "lines": []}
    for number in range(rounds):
        for name, store in (("lake", ingest), ("engine", engine_alone), ("lines", lines)):
            place = folder / f"{name}-{number}"
            place.mkdir(parents=True)
            figures[name].append(store(place, batches))
    middle = {name: statistics.median(values) for name, values in figures.items()}
    metric = "lake_ingest_rows_per_second"
    return [
        row(metric, middle["lake"], "rows/s", "deltalake alone, not synced", middle["engine"]),
        row(metric, middle["lake"], "rows/s", "JSON lines + fsync", middle["lines"]),
    ]


def size_of(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern))


def measure_journal(folder: Path, count: int) -> list[Result]:
    """The whole way from the journal, what it takes on disk, and compaction."""
    record(folder, "bench", count)
    settings = LakeSettings(compact_commits=300, flush_rows=10_000, grace_hours=0)
    with LakeReader(folder, settings) as lake:
        begin = time.perf_counter()
        moved = lake.fill()
        rate = moved / (time.perf_counter() - begin)
        begin = time.perf_counter()
        lake.tidy()
        tidied = time.perf_counter() - begin
    files = [Path(uri.removeprefix("file://")) for uri in DeltaTable(lake_folder(folder)).file_uris()]
    return [
        row("lake_ingest_from_journal_rows_per_second", rate, "rows/s"),
        row("bytes_per_event_lake", sum(path.stat().st_size for path in files) / moved, "bytes"),
        row("bytes_per_event_journal", size_of(folder / "journal", "*.seg") / moved, "bytes"),
        row("compaction_seconds_per_million", tidied / moved * 1_000_000, "s"),
    ]


def record(folder: Path, writer: str, count: int) -> None:
    journal = Journal.open(folder, writer)
    try:
        for number, event in enumerate(Estate().events(count)):
            last = journal.append(event)
            if number % 10_000 == 9_999:
                journal.wait(last)
        journal.wait(last)
    finally:
        journal.close()


_FEEDER = """
import sys, time
from itertools import cycle
from pathlib import Path
from _lake_events import Estate
from msgspec.structs import replace
from watchkeeper.core.ids import observed_id
from watchkeeper.events import Journal
journal, rate = Journal.open(Path(sys.argv[1]), "bench"), int(sys.argv[2])
events = list(Estate(seed=2).events(rate))
begin = time.perf_counter()
for number, model in enumerate(cycle(events)):
    due = begin + number / rate
    if (left := due - time.perf_counter()) > 0.001:
        time.sleep(left)
    event = replace(model, id=observed_id(), time=time.time_ns() // 1000)
    journal.append(event)
    if number % 97 == 0:
        now = time.perf_counter()
        print(event.id, now, now - due, flush=True)
"""
_WATCH = """
import sys, threading
from pathlib import Path
from watchkeeper.events.lake.reader import LakeReader
LakeReader(Path(sys.argv[1])).run(threading.Event())
"""


def measure_freshness(folder: Path, rate: int, searches: int, at_most: float) -> list[Result]:
    """From `append` to being found by id, while one process appends at a steady rate and another fills the lake.

    Until there are so many `searches`, and not longer than `at_most` seconds.
    """
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    feeder = subprocess.Popen(
        [sys.executable, "-c", _FEEDER, str(folder), str(rate)], stdout=subprocess.PIPE, text=True, env=here
    )
    watch = subprocess.Popen([sys.executable, "-c", _WATCH, str(folder)])
    search, waits, used = Search(folder), [], []
    newest: list[tuple[str, float, float]] = []
    late = 0.0

    def listen() -> None:
        assert feeder.stdout is not None
        for line in feeder.stdout:
            name, at, behind = line.split()
            newest.append((name, float(at), float(behind)))

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        seen, end = 0, time.perf_counter() + at_most
        while len(waits) < searches and time.perf_counter() < end:
            if len(newest) <= seen:
                time.sleep(0.001)
                continue
            seen = len(newest)  # always the newest: what came meanwhile waits as long as one search takes
            event_id, at, behind = newest[-1]
            late, begin = max(late, behind), time.thread_time()
            while not _is_found(search, event_id):
                pass
            waits.append((time.perf_counter() - at) * 1000)
            used.append((time.thread_time() - begin) * 1000)
    finally:
        for process in (feeder, watch):
            process.kill()
            process.wait()
        listening.join()
    waits.sort()
    name = f"event_to_searchable_p99_ms_{rate}_per_second"
    result = row(name, waits[min(len(waits) - 1, int(len(waits) * 0.99))], "ms")
    more = {"median": round(statistics.median(waits)), "searches": len(waits), "late_ms": round(late * 1000)}
    return [result | more | {"cpu_ms_a_search": round(statistics.median(used))}]


def _is_found(search: Search, event_id: str) -> bool:
    """By the search that people use: a text, over the last day."""
    return len(search.events(text=event_id, limit=1)) > 0


_FILLER = """
import sys
from pathlib import Path
from watchkeeper.events.lake import LakeSettings
from watchkeeper.events.lake.reader import LakeReader
settings = LakeSettings(flush_rows=50, compact_commits=2 if sys.argv[2] == "compactor" else 20, grace_hours=0)
lake = LakeReader(Path(sys.argv[1]), settings).open()
while True:
    if lake.step():
        print("stepped", flush=True)
    if sys.argv[2] == "compactor":
        lake.tidy()
        print("tidied", flush=True)
"""


def kill_again_and_again(folder: Path, role: str, times: int) -> Result:
    """Kill the process at random moments, count after each, and fill to the end."""
    dice, at, lost, doubled, middle = random.Random(11), 0, 0, 0, 0
    data = folder / role
    for _ in range(times):
        record(data, "bench", 500)  # more than it fills before it is killed, so that it never waits
        command = [sys.executable, "-c", _FILLER, str(data), role]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(dice.randint(0, 4)):
            process.stdout.readline()
        time.sleep(dice.uniform(0.0, 0.08))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if not (lake_folder(data) / "_delta_log").exists():
            continue
        held = rows_of(data)
        doubled += sum(count - 1 for count in held.values())
        lost += max(0, at - len(held))
        at, middle = len(held), middle + (len(held) > 0)
    with LakeReader(data) as lake:
        lake.fill()
        aside = len(list(lake_folder(data).parent.glob("events.damaged*")))
    held, wanted = rows_of(data), in_journal(data)
    return row(f"kills_of_{role}", times, "kills") | {
        "rows": len(wanted),
        "lost": lost + len(wanted - held),
        "doubled": doubled + len(held - wanted),
        "killed_with_rows": middle,
        "set_aside": aside,
    }


def rows_of(data: Path) -> Counter[tuple[str, int]]:
    ask = QueryBuilder().register("events", DeltaTable(lake_folder(data))).execute
    table = ask("SELECT writer, idx FROM events").read_all()
    return (
        Counter(zip(table["writer"].to_pylist(), table["idx"].to_pylist(), strict=True))
        if table.num_rows
        else Counter[tuple[str, int]]()
    )


def in_journal(data: Path) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    reader, at = JournalReader(data), {}
    while records := reader.read(at, 10_000):
        for one in records:
            found[(one.position.writer, one.position.index)] += 1
            at[one.position.writer] = one.position.index + 1
    return found


def row(metric: str, value: float, unit: str, peer: str = "", peer_value: float = 0.0) -> Result:
    result: Result = {"metric": metric, "value": round(value, 1) if value < 1000 else round(value), "unit": unit}
    if peer:
        result |= {"peer": peer, "peer_value": round(peer_value), "ratio": round(value / peer_value, 3)}
    return result


def run(folder: Path, *, quick: bool) -> list[Result]:
    count, rounds = (100_000, 3) if quick else (400_000, 5)
    results = measure_ingest(folder, count, rounds)
    results += measure_journal(folder / "journal", count // 2)
    results += measure_freshness(folder / "fresh", 5_000, 80 if quick else 200, 30 if quick else 180)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="The event lake: ingest, freshness, size, kills.")
    parser.add_argument("--filling", action="store_true", help="these figures; without it: the hunts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--kills", type=int, default=0, help="kill the filler and the compactor so often instead")
    parser.add_argument("--folder", type=Path, default=Path(), help="where to write; on the disk in question")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=".bench-lake-", dir=options.folder) as name:
        folder = Path(name)
        if options.kills:
            results = [kill_again_and_again(folder, role, options.kills) for role in ("reader", "compactor")]
        else:
            results = run(folder, quick=options.quick)
    if options.json:
        print(json.dumps({"name": "lake", "results": results}))
    else:
        for result in results:
            more = {k: v for k, v in result.items() if k not in ("metric", "value", "unit")}
            print(f"{result['metric']:<48}{result['value']:>12,} {result['unit']}  {more or ''}")
    if any(result.get("lost") or result.get("doubled") for result in results):
        raise SystemExit(1)
