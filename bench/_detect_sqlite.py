"""A peer: pySigma's backend for SQLite, the same rules and events, routed in the same way, one core.

Each source's events are put into a table of that source in memory (a column for each field), and each of its rules is
asked once by its own query, over all events together: the larger the batch, the better for this way. Decoding is
included, the making of queries is not.
"""

from __future__ import annotations

import gzip
import sqlite3
import tarfile
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
from sigma.backends.sqlite import sqliteBackend  # type: ignore[import-not-found,unused-ignore]
from sigma.collection import SigmaCollection

from watchkeeper.detect.sigma.foreign.origins import KNOWN, origin_of
from watchkeeper.detect.sigma.foreign.shapes import normal
from watchkeeper.detect.sigma.loading import load

_COLUMNS = 1_900
_TABLE = " FROM logs "


def rows(sigma: Path, *, quick: bool) -> list[dict[str, Any]]:
    """One row."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sigma / "sigmahq-rules.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        rules = load([Path(folder) / "rules"]).rules
        queries, refused = _queries(Path(folder) / "rules")
    with gzip.open(sigma / "otrf-windows-events.jsonl.gz") as file:
        lines = file.read().splitlines()
    lines = lines[len(lines) // 2 :][: 2_000 if quick else None]
    began = time.process_time()
    by_origin: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        record = normal(msgspec.json.decode(line))
        by_origin[origin_of(record)].append(record)
    asked = failed = 0
    for origin, records in by_origin.items():
        database, columns = _table(records)
        for rule in rules:
            if not origin.admits(rule.logsource, KNOWN):
                continue
            for query in queries.get(rule.heading.id, ()):
                asked += 1
                failed += not _ask(database, query, columns)
        database.close()
    rate = len(lines) / (time.process_time() - began)
    return [
        {"metric": "sqlite_events_per_second_windows", "value": round(rate), "unit": "events/s", "events": len(lines),
         "rules_without_query": refused, "queries": asked, "failed": failed}
    ]  # fmt: skip


def _queries(folder: Path) -> tuple[dict[str, list[str]], int]:
    found: dict[str, list[str]] = {}
    refused = 0
    for path in folder.rglob("*.yml"):
        try:
            rules = SigmaCollection.from_yaml(path.read_text())
            found[str(rules.rules[0].id)] = sqliteBackend().convert(rules)
        except Exception:
            refused += 1
    return found, refused


def _table(records: list[dict[str, Any]]) -> tuple[sqlite3.Connection, set[str]]:
    columns = list(dict.fromkeys(name for record in records for name in record))[:_COLUMNS]
    database = sqlite3.connect(":memory:")
    database.create_function("regexp", 2, lambda pattern, text: False)
    names = ", ".join(f'"{name}" TEXT COLLATE NOCASE' for name in {name.casefold(): name for name in columns}.values())
    database.execute(f"CREATE TABLE events ({names})")
    kept = list({name.casefold(): name for name in columns}.values())
    marks = ", ".join("?" * len(kept))
    database.executemany(
        f"INSERT INTO events VALUES ({marks})",
        ([value if isinstance(value := record.get(name), str | int | float | None) else str(value) for name in kept]
         for record in records),
    )  # fmt: skip
    return database, {name.casefold() for name in kept}


def _ask(database: sqlite3.Connection, query: str, columns: set[str]) -> bool:
    """A query that asks for a column which no event has finds nothing, or is asked again with the column added."""
    for _ in range(60):
        try:
            database.execute(query.replace(_TABLE, " FROM events ")).fetchall()
            return True
        except sqlite3.OperationalError as error:
            missing = str(error).removeprefix("no such column: ").strip('"')
            if not str(error).startswith("no such column") or missing.casefold() in columns:
                return False
            columns.add(missing.casefold())
            database.execute(f'ALTER TABLE events ADD COLUMN "{missing}" TEXT')
    return False
