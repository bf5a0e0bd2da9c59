"""Searching a day: a page of its newest events, words in it, and the console's counts of it.

    python bench/search.py --folder FOLDER [--rows N] [--json] [--quick]

FOLDER keeps the table between runs. All rows lie in one day that is over, sorted as the product leaves it; the journal
has none. Median of several warm rounds, and the least seconds of processor: what a quiet machine could come down to.

- search_page_s: the newest fifty events of the day.
- search_word_s: a word that stands nowhere, looked for in every text of the day.
- search_counts_s: over time, by the console's fields, and how long calls took.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import _lake_table

from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.lake.search import Search
from watchkeeper.events.query.fields import FACETS
from watchkeeper.events.query.model import Contains
from watchkeeper.events.search.counting import count

_DAY = 86_400_000_000
SINCE = 1_793_491_200_000_000
"""The day that the table is of: 2026-11-01."""


def measured(rounds: int, work: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of the clock, least seconds of processor; the first round warms up."""
    work()
    walls, processors = [], []
    for _ in range(rounds):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return statistics.median(walls), min(processors)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, help="where the table is kept; without it, a temporary one that is not")
    options.add_argument("--rows", type=int, default=150_000)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as aside:
        chosen.folder = chosen.folder or Path(aside)
        found = _figures(chosen)
    if chosen.json:
        units = {name: "s" if name.endswith("_s") else "count" for name in found}
        rows = [{"metric": name, "value": value, "unit": units[name]} for name, value in found.items()]
        print(json.dumps({"name": "search", "results": rows}))
    else:
        print("\n".join(f"{name:28} {value}" for name, value in found.items()))


def _figures(chosen: argparse.Namespace) -> dict[str, float]:
    _lake_table.DAYS = 1
    chosen.folder.mkdir(parents=True, exist_ok=True)
    _lake_table.build(chosen.folder, chosen.rows)
    search = Search(chosen.folder)
    range_ = {"since": SINCE, "until": SINCE + _DAY}
    wanted = Filter(since=SINCE, until=SINCE + _DAY)
    assert count(search, wanted).total == chosen.rows, "the table has other rows than it was made with"
    works: dict[str, Callable[[], object]] = {
        "search_page_s": lambda: search.events(**range_, limit=50),  # type: ignore[arg-type]
        "search_word_s": lambda: search.events(**range_, limit=50, where=Contains("nowhere-at-all")),  # type: ignore[arg-type]
        "search_counts_s": lambda: count(search, wanted, fields=FACETS, top=8),
    }
    found: dict[str, float] = {"rows": chosen.rows}
    for name, work in works.items():
        wall, processor = measured(1 if chosen.quick else 5, work)
        found |= {name: round(wall, 4), name.replace("_s", "_processor_s"): round(processor, 4)}
    return found


if __name__ == "__main__":
    main()
