"""Runs that wait for an approval: what each costs to keep, and what all of them cost while nothing happens.

A real process carries the runs to their gates; then its processor time is read for a while, and the files are measured
once it has ended. Incident, alert, timeline and plan of each run are counted as its own.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from _respond_estate import estate

from tests.respond.crowds import ask_for, shelf, waiting
from tests.respond.lives import Life

COUNT, QUICK = 2_000, 100
_SECONDS, _QUICK_SECONDS = 30.0, 4.0
_PATIENCE = 1_800.0


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """The rows of this part."""
    count, seconds = (QUICK, _QUICK_SECONDS) if quick else (COUNT, _SECONDS)
    with estate("") as made:
        books = shelf(made.data.parent / "books")
        with Life(made, playbooks=books, runs=count + 1, silence=0) as idle:
            idle.said("held")
            alone = share_of(idle.process.pid, seconds)
        before = stored(made.data)
        ask_for(made, range(count))
        with Life(made, playbooks=books, runs=count + 1, silence=0) as life:
            until_waiting(made, count)
            busy = share_of(life.process.pid, seconds)
        per_run = (stored(made.data) - before) / count
    return [
        {"metric": "parked_bytes_per_approval", "value": round(per_run), "unit": "bytes", "n": count},
        {
            "metric": "parked_core_share",
            "value": round(busy, 4),
            "unit": "core",
            "n": count,
            "with_none": round(alone, 4),
        },
    ]


def until_waiting(made: Any, count: int) -> None:
    """Until so many approvals wait."""
    until = time.monotonic() + _PATIENCE
    while (there := len(waiting(made))) < count:
        if time.monotonic() > until:
            raise SystemExit(f"only {there} of {count} runs wait")
        time.sleep(0.2)
    time.sleep(2)


def share_of(pid: int, seconds: float) -> float:
    """How much of a core the process uses."""
    before, at = ticks(pid), time.monotonic()
    time.sleep(seconds)
    return (ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - at)


def ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def stored(data: Path) -> int:
    """Bytes of the control state and of the engine's own."""
    total = 0
    for name in ("state.db", "playbooks.db"):
        link = sqlite3.connect(data / name, timeout=30)
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        total += (data / name).stat().st_size
        link.close()
    return total
