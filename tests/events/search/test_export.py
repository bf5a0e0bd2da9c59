"""Files: every event once in each format, whole or not at all, and nothing in them that acts."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable, QueryBuilder, convert_to_deltalake

from watchkeeper.core.errors import Conflict, Unavailable
from watchkeeper.events.journal import Journal
from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.schema import COLUMNS
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.table import lake_folder
from watchkeeper.events.model import Event, decode, new_event
from watchkeeper.events.search.export import Manifest, export
from watchkeeper.events.search.formats import FORMATS, pieces

T = 1_790_000_000_000_000
HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "＝1+1",  # noqa: RUF001 — a full-width sign is what is tested
    'a"b,c\nd',
    "\x1b[2J\x07",
    "\u202egnp.exe",
    "<script>alert(1)</script>",
    "\x00",
)
WANTED = Filter(kind="gateway.request")


def call(at: int, **fields: object) -> Event:
    return new_event(T + at, "gateway.request.decided", **fields)


@pytest.fixture
def place(tmp_path: Path, record: Callable[..., None]) -> tuple[Path, list[Event]]:
    """Hostile events, some in the lake and some not, with a giant one among them."""
    events = [
        call(at, target=text, body={"reason": text, "arguments": text, "result": "r" * 10, "n": [1]})
        for at, text in enumerate(HOSTILE)
    ]
    events.append(call(99, target="giant", body={"result": "g" * 2_000_000}))
    data = tmp_path / "data"
    record(data, events[:6])
    with LakeReader(data) as lake:
        lake.fill()
    record(data, events[6:])
    return data, events


def write(data: Path, to: Path, form: str, **options: bool) -> Manifest:
    return export(Search(data), WANTED, to, form=form, query="kind:gateway.request", now=T, **options)


@pytest.mark.behaviour("export.manifest")
@pytest.mark.parametrize("form", FORMATS)
def test_the_manifest_says_what_the_file_holds(place: tuple[Path, list[Event]], tmp_path: Path, form: str) -> None:
    data, events = place
    to = tmp_path / f"out.{form}"
    manifest = write(data, to, form)
    assert manifest.sha256 == hashlib.sha256(to.read_bytes()).hexdigest()
    assert (manifest.bytes, manifest.events) == (to.stat().st_size, len(events))
    assert (manifest.from_lake, manifest.from_journal, manifest.cursors) == (6, 7, {"gateway": 15})
    beside = json.loads((tmp_path / f"{to.name}.manifest.json").read_bytes())
    assert (beside["sha256"], beside["query"]) == (manifest.sha256, "kind:gateway.request")
    assert to.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", to.name, f"{to.name}.manifest.json"]


@pytest.mark.behaviour("export.exact")
def test_json_lines_hold_the_very_events(place: tuple[Path, list[Event]], tmp_path: Path) -> None:
    data, events = place
    write(data, tmp_path / "out.jsonl", "jsonl")
    assert [decode(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()] == events


@pytest.mark.behaviour("export.ocsf")
def test_ocsf_is_the_events_in_its_words(place: tuple[Path, list[Event]], tmp_path: Path) -> None:
    data, events = place
    write(data, tmp_path / "out.jsonl", "ocsf")
    told = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [one["metadata"]["uid"] for one in told] == [event.id for event in events]


@pytest.mark.behaviour("sinks.ocsf-counted")
def test_an_export_in_ocsf_says_how_many_events_it_had_no_words_for(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "data", "gateway")
    journal.record(new_event(T, "govern.control.tested"))
    journal.close()
    search = Search(tmp_path / "data")
    wanted = Filter(kind="govern")
    manifest = export(search, wanted, tmp_path / "out.jsonl", form="ocsf", query="", now=T)
    assert (manifest.events, "1 of a kind that this version does not know" in manifest.note) == (1, True)
    assert "not know" not in export(search, wanted, tmp_path / "two.jsonl", form="jsonl", query="", now=T).note


@pytest.mark.behaviour("export.parquet")
def test_parquet_has_the_lakes_columns_and_the_exact_values(place: tuple[Path, list[Event]], tmp_path: Path) -> None:
    data, events = place
    folder = tmp_path / "read"
    folder.mkdir()
    write(data, folder / "out.parquet", "parquet")
    (folder / "out.parquet.manifest.json").unlink()
    convert_to_deltalake(folder)
    table = QueryBuilder().register("t", DeltaTable(folder)).execute("select * from t order by time")
    rows = [value for batch in table for value in batch["target"].to_pylist()]
    assert rows == [event.target for event in events]
    assert set(DeltaTable(folder).schema().to_arrow().names) == set(COLUMNS)


@pytest.mark.behaviour("export.csv-acts-on-nothing")
def test_no_cell_is_calculated_and_none_hides_anything(place: tuple[Path, list[Event]], tmp_path: Path) -> None:
    data, events = place
    manifest = write(data, tmp_path / "out.csv", "csv")
    text = (tmp_path / "out.csv").read_bytes().decode()
    csv.field_size_limit(10_000_000)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(events)
    for row in rows:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))
            assert not set(cell) & set("\x1b\x07\x00\u202e")
    assert rows[0]["target"] == "'" + HOSTILE[0]
    assert "apostrophe" in manifest.note


@pytest.mark.behaviour("export.whole-or-not")
def test_a_file_that_is_there_is_kept_unless_forced(place: tuple[Path, list[Event]], tmp_path: Path) -> None:
    data, _ = place
    to = tmp_path / "out.jsonl"
    to.write_text("precious")
    with pytest.raises(Conflict):
        write(data, to, "jsonl")
    assert to.read_text() == "precious"
    assert write(data, to, "jsonl", force=True).bytes == to.stat().st_size


FULL = """
import resource, signal, sys
from pathlib import Path
from watchkeeper.core.errors import Unavailable
from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.lake.search import Search
from watchkeeper.events.search.export import export
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    export(Search(Path(sys.argv[1])), Filter(), Path(sys.argv[2]), form=sys.argv[3], query="", now=1, force=True)
except Unavailable as error:
    print("unavailable", error.hint)
"""


@pytest.mark.behaviour("export.full-disk")
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_when_the_disk_takes_no_more_there_is_no_half_file(
    place: tuple[Path, list[Event]], tmp_path: Path, form: str
) -> None:
    data, _ = place
    to = tmp_path / "out"
    to.write_text("precious")
    done = subprocess.run(
        [sys.executable, "-c", FULL, data, to, form], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("unavailable check"), done.stderr
    assert to.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


@pytest.mark.behaviour("export.damaged-lake")
@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_lake_is_replaced_by_the_journal_and_it_is_said(
    place: tuple[Path, list[Event]], tmp_path: Path, form: str
) -> None:
    data, events = place
    for path in lake_folder(data).rglob("part-*.parquet"):
        path.write_bytes(b"")
    manifest = write(data, tmp_path / "out", form)
    assert (manifest.events, manifest.from_lake) == (len(events), 0)
    assert "the journal answered alone" in manifest.note


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_of_nothing_is_a_whole_file(tmp_path: Path, form: str) -> None:
    manifest = write(tmp_path / "data", tmp_path / "out", form)
    assert manifest.events == 0
    assert (tmp_path / "out").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_what_breaks_off_leaves_nothing_behind(tmp_path: Path, form: str) -> None:
    def breaks() -> object:
        raise Unavailable("gone")
        yield []

    with pytest.raises(Unavailable, match="gone"):
        list(pieces(form, breaks(), tmp_path))  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.behaviour("export.bounded")
@pytest.mark.parametrize("form", FORMATS)
def test_memory_follows_the_page_and_not_the_range(tmp_path: Path, record: Callable[..., None], form: str) -> None:
    """150 MB of events in a process that grows by far less."""
    data = tmp_path / "data"
    for part in range(15):
        body = {"result": "x" * 5000}
        record(data, [call(part * 4_000_000_000 + at, body=body | {"n": at, "p": part}) for at in range(2000)])
    with LakeReader(data) as lake:
        lake.fill()
    code = """
import resource, sys
from pathlib import Path
from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.lake.search import Search
from watchkeeper.events.search.export import export
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
data, to, form = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
made = lambda until: export(Search(data), Filter(until=until), to, form=form, query="", now=1, force=True).events
few = made(1_790_000_000_000_000 + 8_000_000_000); small = peak(); many = made(None)
print(few, many, small, peak())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, data, tmp_path / "out", form],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    few, many, small, whole = map(int, done.stdout.split())
    assert few < 5000 < 30_000 <= many
    assert whole - small < 80, done.stdout


@pytest.mark.behaviour("respond.counted-once")
@pytest.mark.parametrize("filled", [0, 1, 2])
def test_what_was_recorded_twice_under_one_id_is_exported_once(
    tmp_path: Path, record: Callable[..., None], filled: int
) -> None:
    data, twin = tmp_path / "data", new_event(T, "respond.incident.noted")
    for number, writer in enumerate(("dead", "heir")):
        record(data, [twin, new_event(T, "respond.incident.noted")], writer)
        if number < filled:
            with LakeReader(data) as lake:
                lake.fill()
    wanted, to = Filter(kind="respond.incident"), tmp_path / "all.jsonl"
    manifest = export(Search(data), wanted, to, form="jsonl", query="", now=T)
    ids = [json.loads(line)["id"] for line in to.read_text().splitlines()]
    assert (ids.count(twin.id), len(ids), manifest.events) == (1, 3, 3)
    assert "twice under one id, and here once: 1" in manifest.note
