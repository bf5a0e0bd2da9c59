"""A query's process: fresh rows, limits that say what to do, an end that is an end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from arro3.core import Schema
from deltalake import DeltaTable, write_deltalake
from deltalake import Schema as DeltaSchema

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.events.journal import Journal
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.schema import SCHEMA, to_batch, to_row
from watchkeeper.events.lake.sql.model import Limits, Range
from watchkeeper.events.lake.sql.running import Cancelled, Lake, Progress
from watchkeeper.events.lake.table import lake_folder
from watchkeeper.events.model import Event, new_event

ROOT = Path(__file__).resolve().parents[2]
T = 1_790_000_000_000_000
HOUR = 3_600_000_000
DAY = 24 * HOUR
ALL = Range()


def call(at: int, **fields: object) -> Event:
    return new_event(at, "gateway.request.decided", **fields)


def record(data: Path, events: list[Event]) -> None:
    journal = Journal.open(data, "gateway")
    for event in events:
        last = journal.append(event)
    journal.wait(last)
    journal.close()


def fill(data: Path) -> None:
    with LakeReader(data) as lake:
        lake.fill()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days in the lake and two rows that only the journal has."""
    folder = tmp_path_factory.mktemp("sql")
    record(
        folder, [call(T + day * DAY + n, target=f"{day}-{n}", actor=f"agent:{n}") for day in range(3) for n in range(4)]
    )
    fill(folder)
    record(folder, [call(T + 2 * DAY + 10 + n, target=f"new-{n}", actor="agent:new") for n in range(2)])
    return folder


KIND = "kind = 'gateway.request.decided'"


@pytest.mark.behaviour("sql.fresh")
def test_what_is_in_the_lake_and_what_is_not_yet_are_answered_once_each(data: Path) -> None:
    lake = Lake(data)
    answer = lake.run(lake.prepare(f"SELECT count(*) AS n, count(DISTINCT id) AS d FROM events WHERE {KIND}", ALL))
    assert (answer.columns, answer.types, answer.rows) == (("n", "d"), ("integer", "integer"), ((14, 14),))
    assert answer.from_journal == 3  # and the one that says that the log was opened again
    assert answer.plan.note == ""


@pytest.mark.behaviour("sql.fresh")
def test_without_a_lake_the_journal_answers_and_it_is_said(tmp_path: Path) -> None:
    record(tmp_path, [call(T), call(T + 1, tenant="b")])
    lake = Lake(tmp_path, "b")
    answer = lake.run(lake.prepare("SELECT tenant, time FROM events", ALL))
    assert (answer.rows, answer.plan.note) == ((("b", "2026-09-21T14:13:20.000001Z"),), "there is no lake yet")


@pytest.mark.behaviour("sql.older-lake")
def test_a_lake_of_an_older_version_is_left_out_and_the_journal_answers_for_it(tmp_path: Path) -> None:
    event = call(T, target="old")
    record(tmp_path, [event, call(T + 1, tenant="b")])
    older = [field for field in SCHEMA if field.name not in ("retention", "result")]
    schema = DeltaSchema.from_arrow(Schema(older))
    table = DeltaTable.create(lake_folder(tmp_path), schema=schema, name="watchkeeper events")
    rows = to_batch([to_row(event, "gateway", 0)]).select([field.name for field in older])
    write_deltalake(table, rows, mode="append")
    lake = Lake(tmp_path)
    query = lake.prepare("SELECT target, retention FROM events WHERE retention = 'traffic'", ALL)
    answer = lake.run(query)
    assert answer.rows == (("old", "traffic"),)
    assert "older version, without result, retention" in answer.plan.note
    assert "started" in lake.plan(query).note
    fill(tmp_path)
    again = lake.run(query)
    assert (again.rows, again.plan.note, again.from_journal) == (answer.rows, "", 0)


def test_an_empty_data_folder_has_no_events(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.run(lake.prepare("SELECT id FROM events", ALL)).rows == ()


@pytest.mark.behaviour("sql.fresh")
def test_erased_records_of_the_journals_part_are_counted(tmp_path: Path) -> None:
    record(tmp_path, [call(T, actor="agent:gone"), call(T, actor="agent:here")])
    SubjectKeys(tmp_path).erase("agent:gone")
    lake = Lake(tmp_path)
    answer = lake.run(lake.prepare(f"SELECT actor FROM events WHERE {KIND}", ALL))
    assert (answer.rows, answer.unreadable) == ((("agent:here",),), 1)


@pytest.mark.behaviour("sql.plan")
def test_a_plan_says_what_would_be_read_and_a_range_leaves_days_out(data: Path) -> None:
    lake = Lake(data, clock=ManualClock(T + 3 * DAY))
    everything = lake.plan(lake.prepare("SELECT id FROM events", ALL))
    assert (everything.rows, everything.days, everything.is_unbounded) == (
        13,
        4,
        True,
    )  # and today's: the log was opened
    day = lake.plan(lake.prepare("SELECT id FROM events WHERE day = '2026-09-22'"))
    assert (day.files, day.rows, day.days, day.first_day, day.is_unbounded) == (1, 4, 1, "2026-09-22", False)
    assert 0 < day.bytes < everything.bytes
    twice = lake.plan(lake.prepare("SELECT a.id FROM events AS a JOIN events AS b ON a.id = b.id", ALL))
    assert (twice.rows, twice.references) == (26, 2)
    default = lake.plan(lake.prepare("SELECT id FROM events"))
    assert (default.is_default_range, default.range) == (True, Range(T + 2 * DAY))


@pytest.mark.behaviour("sql.limits-are-said")
def test_a_limit_of_rows_or_bytes_cuts_and_it_is_said(data: Path) -> None:
    lake = Lake(data)
    query = lake.prepare(f"SELECT target FROM events WHERE {KIND} ORDER BY time DESC, target DESC", ALL)
    answer = lake.run(query, Limits(rows=2))
    assert (answer.rows, answer.is_cut) == ((("new-1",), ("new-0",)), True)
    assert lake.run(query, Limits(rows=14)).is_cut is False
    assert lake.run(query, Limits(bytes=10)).is_cut is True


HEAVY = f"SELECT a.id FROM events AS a JOIN events AS b ON a.kind = b.kind JOIN events AS c ON a.kind = c.kind JOIN events AS d ON a.kind = d.kind WHERE a.{KIND} ORDER BY a.id || b.id || c.id || d.id DESC LIMIT 1"  # fmt: skip  # noqa: E501
"""10⁸ rows to sort by something new."""


def children() -> set[str]:
    """Processes that this one started and that are still there, dead ones that nobody waited for among them."""
    found: set[str] = set()
    for task in Path("/proc/self/task").glob("*"):
        with suppress(OSError):  # a thread may end while we look
            found |= set((task / "children").read_text().split())
    return found


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("busy")
    record(folder, [call(T + n, body={"arguments": f"{n}" * 50}) for n in range(100)])
    fill(folder)
    return folder


@pytest.mark.behaviour("sql.limits-are-said")
def test_a_query_that_takes_too_long_is_stopped_and_it_is_said_what_to_do(busy: Path) -> None:
    lake, before = Lake(busy), children()
    with pytest.raises(Unavailable, match="stopped after 1 s") as stopped:
        lake.run(lake.prepare(HEAVY, ALL), Limits(seconds=1.0))
    assert "--since" in stopped.value.hint
    assert children() == before


@pytest.mark.behaviour("sql.limits-are-said")
def test_a_query_that_needs_too_much_memory_is_stopped_and_it_is_said_what_to_do(busy: Path) -> None:
    lake = Lake(busy)
    greedy = HEAVY.replace("DESC LIMIT 1", "DESC LIMIT 100000000")
    with pytest.raises(Unavailable, match="more than 192 MiB of memory") as stopped:
        lake.run(lake.prepare(greedy, ALL), Limits(memory=192 * 1024 * 1024))
    assert "--memory" in stopped.value.hint


@pytest.mark.behaviour("sql.cancel")
def test_a_query_is_cancelled_from_elsewhere_and_leaves_nothing_behind(
    busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lake, cancel, seen, before = Lake(busy), threading.Event(), list[Progress](), children()

    def told(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 3:
            cancel.set()

    with pytest.raises(Cancelled):
        lake.run(lake.prepare(HEAVY, ALL), tell=told, cancel=cancel)
    assert len(seen) == 3
    assert list(tmp_path.iterdir()) == []
    assert children() == before


@pytest.mark.behaviour("sql.limits-are-said")
def test_the_journals_part_is_read_within_the_same_time(tmp_path: Path) -> None:
    record(tmp_path, [call(T)])
    lake, cancel = Lake(tmp_path), threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        lake.run(lake.prepare("SELECT id FROM events", ALL), cancel=cancel)
    with pytest.raises(Unavailable, match="stopped after"):
        lake.run(lake.prepare("SELECT id FROM events", ALL), Limits(seconds=1e-6))


@pytest.mark.behaviour("sql.cancel")
def test_an_interrupt_ends_the_process_first(busy: Path, request: pytest.FixtureRequest) -> None:
    before_us = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever a test before this one left
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before_us))
    lake, before = Lake(busy), children()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        lake.run(lake.prepare(HEAVY, ALL), Limits(seconds=60), tell=lambda _: signal.raise_signal(signal.SIGINT))
    assert time.monotonic() - begin < 30  # it did not wait for the query
    assert children() == before


_ASKER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from watchkeeper.events.lake.sql.model import Limits, Range
    from watchkeeper.events.lake.sql.running import Lake
    lake = Lake(Path(sys.argv[1]))
    seen = []

    def tell(progress):
        seen.append(progress)
        if len(seen) == 10:
            print("asked", flush=True)

    lake.run(lake.prepare(sys.argv[2], Range()), Limits(seconds=600), tell=tell)
""")


@pytest.mark.slow
@pytest.mark.behaviour("sql.no-orphans")
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own word is Linux'")
def test_whoever_asks_is_killed_and_the_query_ends_though_the_engine_is_busy(busy: Path) -> None:
    asker = subprocess.Popen([sys.executable, "-c", _ASKER, str(busy), HEAVY], cwd=ROOT, stdout=subprocess.PIPE)
    assert asker.stdout is not None
    assert asker.stdout.readline() == b"asked\n"
    children = Path(f"/proc/{asker.pid}/task/{asker.pid}/children").read_text().split()
    handles = [os.pidfd_open(int(child)) for child in children]
    assert len(handles) == 1
    asker.send_signal(signal.SIGKILL)
    asker.wait()
    asker.stdout.close()
    try:
        assert select.select(handles, [], [], 20)[0] == handles  # the query itself would take minutes
    finally:
        for handle in handles:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)


def test_a_damaged_lake_is_an_error_and_no_empty_answer(tmp_path: Path) -> None:
    record(tmp_path, [call(T)])
    fill(tmp_path)
    for path in lake_folder(tmp_path).rglob("part-*.parquet"):
        path.write_bytes(b"")
    lake = Lake(tmp_path)
    with pytest.raises(Unavailable):
        lake.run(lake.prepare("SELECT id FROM events", ALL))


def test_what_the_engine_cannot_do_is_the_querys_fault_and_names_no_inner_table(data: Path) -> None:
    lake = Lake(data)
    with pytest.raises(Invalid) as refused:
        lake.run(lake.prepare("SELECT sum(actor) AS n FROM events", ALL))
    assert "rows_" not in refused.value.reason


def test_values_come_out_as_they_went_in(tmp_path: Path) -> None:
    odd = ["", "O'Brien", '"', "\\", "a\nb", "Ä\U0001f600", "%_", "NULL"]
    record(tmp_path, [call(T + n, target=text, body={"arguments": text}) for n, text in enumerate(odd)])
    fill(tmp_path)
    lake = Lake(tmp_path)
    answer = lake.run(
        lake.prepare(f"SELECT target, arguments, labels, method FROM events WHERE {KIND} ORDER BY time", ALL)
    )
    assert [(row[0], row[1]) for row in answer.rows] == [(text, text) for text in odd]
    assert answer.rows[0][2:] == ([], None)
    for text in odd:
        query = lake.prepare("SELECT count(*) AS n FROM events WHERE target = :text", ALL, {"text": text})
        assert lake.run(query).rows[0][0] >= 1
