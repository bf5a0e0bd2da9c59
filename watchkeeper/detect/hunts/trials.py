"""Running the tests that a hunt carries inside: real events, the real engine, every row compared."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deltalake import DeltaTable, write_deltalake
from deltalake import Schema as DeltaSchema

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.hunts.model import Hunt, Trial
from watchkeeper.detect.hunts.parameters import values
from watchkeeper.events import Event
from watchkeeper.events.lake.schema import PARTITIONS, SCHEMA, to_batch, to_row
from watchkeeper.events.lake.sql.model import Limits, Range
from watchkeeper.events.lake.sql.running import Lake
from watchkeeper.events.lake.table import lake_folder
from watchkeeper.events.model import VERSION

NOW = 1_790_000_000_000_000
_TENANT = "trial"


def test_hunt(hunt: Hunt) -> list[str]:
    """One sentence for each test that fails; empty when all hold."""
    return failures(hunt, Limits())


def failures(hunt: Hunt, limits: Limits) -> list[str]:
    """The same; each query is stopped at `limits`."""
    return [
        wrong
        for number, trial in enumerate(hunt.tests, 1)
        for wrong in _differences(f"test {number}", hunt, trial, limits)
    ]


def _differences(name: str, hunt: Hunt, trial: Trial, limits: Limits) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="watchkeeper-trial-") as folder:
        try:
            _record(Path(folder), trial.given)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Invalid(f"{name}: what is given is no event: {str(error)[:200]}") from error
        lake = Lake(Path(folder), _TENANT, ManualClock(NOW))
        prepared = lake.prepare(hunt.sql, Range(), dict(values(hunt, trial.parameters)))
        answer = lake.run(prepared, limits)
    rows = list(answer.records())
    if len(rows) != len(trial.expected):
        return [f"{name}: {len(rows)} rows instead of {len(trial.expected)}: {rows}"]
    pairs = enumerate(zip(rows, trial.expected, strict=True), 1)
    return [
        f"{name}: row {at} is {row}, not {expected}"
        for at, (row, expected) in pairs
        if {key: row.get(key) for key in expected} != expected
    ]


def _record(folder: Path, given: Sequence[dict[str, Any]]) -> None:
    """Into a lake of its own: what a test gives never was a fact, so no journal holds it."""
    schema = DeltaSchema.from_arrow(SCHEMA)
    table = DeltaTable.create(lake_folder(folder), schema=schema, partition_by=list(PARTITIONS))
    rows = [to_row(event_of(members, number), "trial", number) for number, members in enumerate(given)]
    write_deltalake(table, to_batch(rows), mode="append")


def event_of(members: dict[str, Any], number: int) -> Event:
    """An event of a test; what it does not say is a decided call."""
    said = dict(members)
    time = NOW + round(said.pop("at", 0) * SECOND)
    defaults = {"id": f"00000000-0000-7000-8000-{number:012d}", "kind": "gateway.request.decided", "tenant": _TENANT}
    return Event(v=VERSION, time=time, **(defaults | said))
