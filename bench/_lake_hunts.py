"""How long the starter hunts take over ten million events, beside other engines over the same files.

    python bench/_lake_hunts.py --folder FOLDER [--json] [--quick]

The table is made once in FOLDER (about 3 GB, some minutes) and kept. What is measured, median of several warm rounds:

- hunt_NAME_10m_s: the engine, with the text that the product gives it: tenant and range bound into it, rows read.
- hunt_NAME_10m_door_s: the public door, `Lake.run`: a process is started, the journal asked, the answer brought back.
- hunt_NAME_10m_processor_s: seconds of processor of the first, over the cores; what a quiet machine could come down to.

Hunts: `literal` and `needles_16` look into the arguments of all ten days and find less than their limit, so that
nothing ends early; `group_by_day` is the traffic of one day; `by_id` and `actor_last_100` look into all days.

Peers over the same table: ClickHouse (chdb) by its own reader of Delta, DuckDB over the table's files, where installed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _lake_table import DAYS, NEEDLES, START, build
from deltalake import DeltaTable, QueryBuilder
from sqlglot import exp

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.content import content_folder
from watchkeeper.detect.hunts.loading import load_hunts
from watchkeeper.events.lake.sql import dialects
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.sql.rewriting import Prepared, prepare, rewrite
from watchkeeper.events.lake.sql.running import CONFIG, Lake

ROWS = 10_000_000
_DAY = 86_400_000_000
_Run = Callable[[Prepared], int]


def hunts(table: DeltaTable) -> dict[str, Prepared]:
    """Name of the figure → the hunt, bound."""
    day = (START.toordinal() - 719_163 + DAYS // 2) * _DAY
    some = QueryBuilder().register("t", table).execute("SELECT id FROM t WHERE idx = 4242").read_all()["id"].to_pylist()
    said: dict[str, tuple[str, Range, dict[str, Any]]] = {
        "literal": ("literal_in_arguments", Range(), {"needle": NEEDLES[3]}),
        "needles_16": ("needles_in_arguments", Range(), {"needles": NEEDLES}),
        "group_by_day": ("traffic_by_tool", Range(day, day + _DAY), {}),
        "by_id": ("event_by_id", Range(), {"id": some[0]}),
        "actor_last_100": ("actor_last_100", Range(), {"actor": "agent:team-8-144"}),
    }
    known, now = load_hunts([content_folder("hunts")]), SystemClock().now()
    return {
        name: prepare(known[hunt].sql, tenant="default", now=now, asked=span, parameters=values)
        for name, (hunt, span, values) in said.items()
    }


def ours(table: DeltaTable) -> _Run:
    builder = QueryBuilder(CONFIG).register("lake_0", table)
    return lambda one: builder.execute(dialects.write(rewrite(one, ("lake_0",)), "datafusion")).read_all().num_rows


def clickhouse(folder: Path) -> _Run | None:
    try:
        chdb = importlib.import_module("chdb")
    except ImportError:
        return None
    os.chdir(folder)  # it reads files below its folder only
    call = exp.Anonymous(this="deltaLakeLocal", expressions=[exp.Literal.string(str(folder / "lake" / "events"))])

    def run(one: Prepared) -> int:
        text = dialects.write(rewrite(one, ("lake",), lambda _: exp.Table(this=call.copy())), "clickhouse")
        return len(json.loads(bytes(chdb.query(text, "JSONCompact").bytes()))["data"])

    return run


def duckdb(table: DeltaTable) -> _Run | None:
    try:
        connection = importlib.import_module("duckdb").connect()
    except ImportError:
        return None
    connection.sql("SET TimeZone = 'UTC'")
    connection.read_parquet(table.file_uris(), hive_partitioning=True).create_view("lake")
    return lambda one: len(connection.sql(dialects.write(rewrite(one, ("lake",)), "duckdb")).fetchall())


def measured(run: _Run, one: Prepared, rounds: int) -> tuple[float, float, int]:
    """Seconds, seconds of processor over the cores, rows."""
    run(one)
    times, processor, rows = [], [], 0
    for _ in range(rounds):
        begin, used = time.perf_counter(), time.process_time()
        rows = run(one)
        times.append(time.perf_counter() - begin)
        processor.append((time.process_time() - used) / (os.cpu_count() or 1))
    return statistics.median(times), statistics.median(processor), rows


def measure(folder: Path, rows: int = ROWS, rounds: int = 3) -> dict[str, Any]:
    """The figures, ours first. Every engine must find the same number of rows."""
    folder = folder.resolve()
    table = build(folder, rows)
    mark = f"{rows // 1_000_000}m" if rows >= 1_000_000 else f"{rows // 1000}k"
    lake = Lake(folder)
    engines = {"": ours(table), "clickhouse_": clickhouse(folder), "duckdb_": duckdb(table)}
    figures: dict[str, Any] = {}
    for name, one in hunts(table).items():
        found = {}
        for engine, run in engines.items():
            if run is not None:
                seconds, processor, found[engine] = measured(run, one, rounds)
                figures[f"{engine}hunt_{name}_{mark}_s"] = round(seconds, 4)
                if not engine:
                    figures[f"hunt_{name}_{mark}_processor_s"] = round(processor, 4)
        seconds, _, found["door"] = measured(lambda one: len(lake.run(one).rows), one, rounds)
        figures[f"hunt_{name}_{mark}_door_s"] = round(seconds, 4)
        figures[f"hunt_{name}_rows"] = found[""]
        assert len(set(found.values())) == 1, (name, found)
    files = [Path(uri) for uri in table.file_uris()]
    figures["bytes_per_row"] = round(sum(path.stat().st_size for path in files) / rows, 1)
    return figures


def results(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Our figures, each with ClickHouse's beside it where it has one."""
    rows: list[dict[str, Any]] = []
    for name, value in figures.items():
        if name.startswith(("clickhouse_", "duckdb_")):
            continue
        row: dict[str, Any] = {"metric": name, "value": value, "unit": "s" if name.endswith("_s") else "count"}
        if (peer := figures.get(f"clickhouse_{name}")) is not None:
            row |= {"peer": "embedded ClickHouse", "peer_value": peer, "ratio": round(value / peer, 3)}
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the table is kept; without it, a temporary one that is not")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="two hundred thousand events, two rounds")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as aside:
        folder = asked.folder or Path(aside)
        figures = measure(folder, 200_000, 2) if asked.quick else measure(folder)
    if asked.json:
        print(json.dumps({"name": "hunts", "results": results(figures)}))
        return
    for name, value in figures.items():
        print(f"{name:44} {value:>12}")


if __name__ == "__main__":
    main()
