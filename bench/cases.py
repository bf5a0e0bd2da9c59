"""Incidents in numbers: `python bench/cases.py [--json] [--quick] [--incidents N] [--store sqlite|postgresql]`.

N incidents (10,000; 1,000 with `--quick`) are imported, read and joined, each with one baseline beside it: the same
rows by plain statements through the same driver, without any of our layer.

- `import_ms`, `import_rows_ms`: an incident taken over, journalled and with its note, task and traits; the bare rows
- `export_ms`, `export_rows_ms`: an incident with everything about it as a line; its tables' rows read
- `list_ms`, `list_rows_ms`: the first page of a hundred with the number of all; the same two statements
- `similar_ms`, `similar_rows_ms`: the ten most like one; the rows that have something in common with it
- `join_ms`, `open_ms`: an alert that belongs to an incident that is there; one that opens its own

Milliseconds of the clock, and beside them the least of the processor: what a quiet machine could come down to.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sqlalchemy import insert, text  # noqa: E402

from tests.postgres import fresh_database, server  # noqa: E402
from watchkeeper.app import tables  # noqa: E402,F401  registers every table
from watchkeeper.core.clock import SECOND, SystemClock  # noqa: E402
from watchkeeper.core.database import Base, Database  # noqa: E402
from watchkeeper.events import Journal, JournalReader  # noqa: E402
from watchkeeper.respond import Alert, RespondSettings  # noqa: E402
from watchkeeper.respond.cases.book import CaseBook  # noqa: E402
from watchkeeper.respond.cases.model import Filter  # noqa: E402
from watchkeeper.respond.exports.formats import lines_of  # noqa: E402
from watchkeeper.respond.exports.model import Export  # noqa: E402
from watchkeeper.respond.intake import Intake  # noqa: E402
from watchkeeper.respond.ledger import Ledger  # noqa: E402

BY = "operator:bench"
_TABLES = (
    "respond_incidents",
    "respond_notes",
    "respond_tasks",
    "respond_traits",
    "respond_timeline",
    "respond_outbox",
)
Row = dict[str, Any]


class Place:
    """A control state with a journal, and the parts that are measured."""

    def __init__(self, folder: Path, url: str) -> None:
        self.database = Database(url) if url else Database.at(folder / "state.db")
        self.database.create_missing_tables()
        clock = SystemClock()
        self.now = clock.now()
        self.journal = Journal.open(folder / "data", "bench", clock)
        self.reader = JournalReader(folder / "data")
        ledger = Ledger(self.database, self.journal, self.reader)
        self.ledger = ledger
        self.book = CaseBook(self.database, ledger, clock)
        self.intake = Intake(self.database, ledger, clock, RespondSettings())

    def close(self) -> None:
        self.reader.close()
        self.journal.close()
        self.database.close()

    def line(self, number: int) -> str:
        """An incident of another system: one of fifty servers, three hundred principals and twenty rules."""
        members = {
            "external_id": f"OLD-{number}",
            "title": f"Something odd, number {number}",
            "opened_at": self.now - (number + 1) * 60 * SECOND,
            "server": f"server-{number % 50}",
            "principal": f"agent:{number % 300}",
            "rules": [f"rule-{number % 20}"],
            "notes": [{"text": "It was looked at.", "by": "carol"}],
            "tasks": [{"title": "Change the key"}],
        }
        return msgspec.json.encode(members).decode()


@contextmanager
def places(store: str) -> Iterator[Callable[[], Place]]:
    """Fresh ones; gone at the end."""
    made: list[Place] = []
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        running = server() if store == "postgresql" else None
        started = running.__enter__() if running else None

        def place() -> Place:
            at = Path(folder) / str(len(made))
            at.mkdir()
            made.append(Place(at, fresh_database(started) if started else ""))
            return made[-1]

        try:
            yield place
        finally:
            for one in made:
                one.close()
            if running:
                running.__exit__(None, None, None)


def timed(work: Callable[[], object], each: int = 1) -> tuple[float, float]:
    """Milliseconds of the clock and of the processor for each of `each`."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1000 / each, (time.process_time() - processor) * 1000 / each


def several(work: Callable[[int], object], rounds: int) -> tuple[float, float]:
    """Median of the clock, least of the processor, of several; the first warms up."""
    work(0)
    found = [timed(lambda at=at: work(at)) for at in range(1, rounds + 1)]  # type: ignore[misc]
    return statistics.median(wall for wall, _ in found), min(processor for _, processor in found)


def measure(store: str, incidents: int, rounds: int) -> list[Row]:
    """The figures of one store."""
    with places(store) as fresh:
        place, bare = fresh(), fresh()
        lines = [(at, place.line(at)) for at in range(incidents)]
        batches = [lines[first : first + 200] for first in range(0, incidents, 200)]
        found = {"import": timed(lambda: [place.book.importing.take("old", one, BY) for one in batches], incidents)}
        rows = _rows(place)
        found["import_rows"] = timed(lambda: _insert(bare, rows), incidents)
        found["export"] = timed(lambda: _export(place, incidents), incidents)
        found["export_rows"] = timed(lambda: _rows(place), incidents)
        found["list"] = several(lambda _: place.book.reading.page(Filter(), 100), rounds)
        found["list_rows"] = several(lambda _: _page(place), rounds)
        names = [one.id for one in place.book.reading.page(Filter(), 100).incidents]
        found["similar"] = several(lambda at: place.book.similar.to(names[at % len(names)]), rounds)
        found["similar_rows"] = several(lambda at: _alike(place, names[at % len(names)]), rounds)
        found["open"] = several(lambda at: _alert(place, f"own-{at}", at), rounds)
        found["join"] = several(lambda at: _alert(place, "one", 10_000 + at), rounds)
    return [
        {"metric": f"{name}_ms", "value": round(wall, 3), "unit": "ms", "cpu_ms": round(cpu, 3), "store": store}
        for name, (wall, cpu) in found.items()
    ]


def _alert(place: Place, server_name: str, number: int) -> None:
    members = {"rule": "r", "title": "odd", "severity": 4, "server": server_name, "time": place.now}
    place.intake.take(Alert(id=f"alert-{number}", **members))  # type: ignore[arg-type]  # as they are
    place.ledger.flush()


def _export(place: Place, incidents: int) -> None:
    cursor, count = "", 0
    while True:
        page = place.book.exporting.page(cursor)
        count += sum(len(lines_of(Export(one.file, (), one.cursor), "jsonl")) for one in page.exported)
        cursor = page.cursor
        if page.is_last:
            break
    if count != incidents:
        raise SystemExit(f"{count} of {incidents} incidents were exported")


def _rows(place: Place) -> dict[str, list[Row]]:
    with place.database.read() as session:
        return {
            name: [dict(row) for row in session.execute(Base.metadata.tables[name].select()).mappings()]
            for name in _TABLES
        }


def _insert(place: Place, rows: dict[str, list[Row]]) -> None:
    for first in range(0, len(rows["respond_incidents"]), 200):
        with place.database.write() as session:
            for name in _TABLES:
                some = rows[name][first : first + 200]
                if some:
                    session.connection().execute(insert(Base.metadata.tables[name]), some)


def _page(place: Place) -> None:
    table = "respond_incidents WHERE tenant = 'default' AND merged_into = ''"
    with place.database.read() as session:
        session.execute(text(f"SELECT count(*) FROM {table}")).scalar()
        session.execute(text(f"SELECT * FROM {table} ORDER BY opened_at DESC LIMIT 100")).all()


def _alike(place: Place, incident: str) -> None:
    query = (
        "SELECT other.incident, count(*) FROM respond_traits own JOIN respond_traits other"
        " ON other.kind = own.kind AND other.value = own.value AND other.incident <> own.incident"
        " WHERE own.incident = :incident GROUP BY other.incident ORDER BY 2 DESC LIMIT 10"
    )
    with place.database.read() as session:
        session.execute(text(query), {"incident": incident}).all()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--incidents", type=int, default=0)
    options.add_argument("--store", choices=("sqlite", "postgresql"), action="append", help="may be given again")
    chosen = options.parse_args()
    load = os.getloadavg()[0]
    count = chosen.incidents or (1_000 if chosen.quick else 10_000)
    found = [
        row
        for store in chosen.store or ("sqlite", "postgresql")
        for row in measure(store, count, 5 if chosen.quick else 30)
    ]
    if chosen.json:
        told = {"name": "cases", "load": round(load, 1), "incidents": count, "results": found}
        sys.stdout.write(json.dumps(told) + "\n")
        return
    for one in found:
        sys.stdout.write(
            f"{one['store']:12} {one['metric']:18} {one['value']:>10.3f} ms {one['cpu_ms']:>10.3f} ms cpu\n"
        )
    sys.stdout.write(f"{count} incidents; load of the machine when this began: {load:.1f} on {os.cpu_count()} cores\n")


if __name__ == "__main__":
    main()
