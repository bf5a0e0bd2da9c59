"""Keeping the lake: retention behind legal holds, damaged files, tables that are not ours, and old layouts."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Misconfigured, Unavailable, Untrusted
from watchkeeper.events.journal import Journal, JournalReader, JournalSettings
from watchkeeper.events.journal.upkeep import Premises, prune, seal
from watchkeeper.events.lake import LakeSettings
from watchkeeper.events.lake.holds import Hold, Holds, Scope
from watchkeeper.events.lake.keeping import rebuild as rebuilding
from watchkeeper.events.lake.keeping import repair
from watchkeeper.events.lake.keeping.files import files_of, partitions_of
from watchkeeper.events.lake.keeping.retention import periods
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.schema import SCHEMA, to_batch, to_row
from watchkeeper.events.lake.settings import RetentionSettings
from watchkeeper.events.lake.table import lake_folder
from watchkeeper.events.model import Event, Severity, new_event

DAY = 86_400_000_000
NOW = 20_700 * DAY + DAY // 2
TRAFFIC, ALERT, POLICY = "gateway.request.decided", "detect.alert.raised", "policy.bundle.installed"


class Told:
    """What was recorded."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Severity, dict[str, Any]]] = []

    def __call__(self, kind: str, severity: Severity, body: Mapping[str, Any]) -> None:
        self.events.append((kind, severity, dict(body)))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [body for told, _, body in self.events if told == kind]


def record(data: Path, events: list[Event], writer: str = "gateway", segment_bytes: int = 4096) -> None:
    journal = Journal.open(data, writer, settings=JournalSettings(segment_bytes=segment_bytes))
    try:
        for event in events:
            journal.wait(journal.append(event))
    finally:
        journal.close()


def at(day: int, kind: str = TRAFFIC, **fields: Any) -> Event:
    """An event so many days ago."""
    return new_event(NOW - day * DAY, kind, **fields)


def rows(data: Path, columns: str = "writer, idx", where: str = "true") -> list[tuple[Any, ...]]:
    sql = f"SELECT {columns} FROM events WHERE {where}"
    table = QueryBuilder().register("events", DeltaTable(lake_folder(data))).execute(sql).read_all()
    return list(zip(*(table[name].to_pylist() for name in table.schema.names), strict=True)) if table.num_rows else []


def days(data: Path, where: str) -> list[int]:
    today = NOW // DAY
    return sorted(today - (day - date(1970, 1, 1)).days for (day,) in rows(data, "day", where))


def filler(data: Path, told: Told | None = None, clock: ManualClock | None = None, **settings: Any) -> LakeReader:
    return LakeReader(data, LakeSettings(**settings), clock or ManualClock(NOW), tell=told or Told())


AGES = (0, 1, 29, 31, 91, 401)


def estate(data: Path) -> None:
    record(
        data,
        [
            at(age, kind, tenant=tenant, actor=f"agent:{tenant}")
            for age in AGES
            for kind in (TRAFFIC, ALERT, POLICY)
            for tenant in ("default", "acme")
        ],
    )


@pytest.mark.behaviour("lake.retention.by-class-and-tenant")
def test_each_class_of_each_tenant_is_kept_for_its_own_time(tmp_path: Path) -> None:
    estate(tmp_path)
    told = Told()
    keep = RetentionSettings(traffic=30, detection=90, administration=0, tenants={"acme": {"traffic": 0}})
    with filler(tmp_path, told, retention=keep) as lake:
        lake.fill()
        before = len(rows(tmp_path))
        dry = lake.retain(dry_run=True)
        assert len(rows(tmp_path)) == before
        assert told.events == []
        files = {file.path for file in files_of(DeltaTable(lake_folder(tmp_path)))}
        applied = lake.retain()
    assert days(tmp_path, f"kind = '{TRAFFIC}' AND tenant = 'default'") == [0, 1, 29]
    assert days(tmp_path, f"kind = '{TRAFFIC}' AND tenant = 'acme'") == sorted(AGES)
    assert days(tmp_path, f"kind = '{ALERT}' AND tenant = 'acme'") == [0, 1, 29, 31]
    assert days(tmp_path, f"kind = '{POLICY}'") == sorted(AGES * 2)
    assert (applied.deleted, dry.deleted) == (before - len(rows(tmp_path)),) * 2
    assert [body["by_class"] for body in told.of("lake.retention.applied")] == [{"traffic": 3, "detection": 4}]
    # dropped by the table's metadata: no file was written anew
    assert {file.path for file in files_of(DeltaTable(lake_folder(tmp_path)))} < files


@pytest.mark.behaviour("lake.holds.before-retention")
def test_what_a_legal_hold_covers_outlives_its_time_and_nothing_else_does(tmp_path: Path) -> None:
    estate(tmp_path)
    scope = Scope(actor="agent:acme", since=NOW - 95 * DAY)
    Holds(tmp_path).place(Hold(name="case-7", reason="court", by="operator:ada", placed_at=NOW, scope=scope))
    with filler(tmp_path, retention=RetentionSettings(traffic=30, detection=0)) as lake:
        lake.fill()
        dry = lake.retain(dry_run=True)
        applied = lake.retain()
        assert (dry.deleted, dry.cuts) == (applied.deleted, applied.cuts)
        assert days(tmp_path, f"kind = '{TRAFFIC}' AND tenant = 'acme'") == [0, 1, 29, 31, 91]
        assert days(tmp_path, f"kind = '{TRAFFIC}' AND tenant = 'default'") == [0, 1, 29]
        assert [(cut.tenant, cut.deleted, cut.held, cut.holds) for cut in applied.cuts] == [
            ("acme", 1, 2, ("case-7",)),
            ("default", 3, 0, ("case-7",)),
        ]
        Holds(tmp_path).lift("case-7")
        assert lake.retain().deleted == 2
        assert days(tmp_path, f"kind = '{TRAFFIC}' AND tenant = 'acme'") == [0, 1, 29]


@pytest.mark.behaviour("lake.holds.doubt-forbids")
def test_with_a_damaged_register_of_holds_retention_deletes_nothing(tmp_path: Path) -> None:
    estate(tmp_path)
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "holds.json").write_text("{")
    with filler(tmp_path, retention=RetentionSettings(traffic=30)) as lake:
        lake.fill()
        before = Counter(rows(tmp_path))
        with pytest.raises(Untrusted):
            lake.retain()
    assert Counter(rows(tmp_path)) == before


@pytest.mark.behaviour("lake.holds.do-not-vanish")
def test_without_the_register_of_a_hold_retention_deletes_nothing_and_the_status_says_so(tmp_path: Path) -> None:
    estate(tmp_path)
    scope = Scope(actor="agent:acme")
    Holds(tmp_path).place(Hold(name="case-7", reason="court", by="operator:ada", placed_at=NOW, scope=scope))
    with filler(tmp_path, retention=RetentionSettings(traffic=30)) as lake:
        lake.fill()
        before = Counter(rows(tmp_path))
        assert lake.lag().doubt == ""
        (tmp_path / "lake" / "holds.json").unlink()
        with pytest.raises(Untrusted):
            lake.retain()
        assert "is gone" in lake.lag().doubt
    assert Counter(rows(tmp_path)) == before


@pytest.mark.behaviour("lake.retention.daily")
def test_retention_runs_a_day_after_the_first_start_and_then_daily(tmp_path: Path) -> None:
    estate(tmp_path)
    told, clock = Told(), ManualClock(NOW)
    lake = filler(tmp_path, told, clock, retention=RetentionSettings(traffic=30, detection=0))
    with lake:
        lake.fill()
        lake.keep()
        assert told.events == []
        clock.advance(DAY - 1)
        lake.keep()
        assert told.events == []
        clock.advance(1)
        lake.keep()
        assert [body["deleted"] for body in told.of("lake.retention.applied")] == [6]
        lake.keep()
        assert len(told.events) == 1


def test_a_class_that_there_is_not_is_refused() -> None:
    with pytest.raises(Misconfigured):
        periods(RetentionSettings(tenants={"acme": {"trafic": 3}}), "default")


@pytest.mark.behaviour("lake.foreign-refused")
@pytest.mark.parametrize("what", ["parquet files", "iceberg", "other delta table", "unreadable delta table", "file"])
def test_what_is_not_ours_is_refused_and_not_touched(tmp_path: Path, what: str) -> None:
    folder = lake_folder(tmp_path)
    other = to_batch([]).select(["id", "kind"])
    folder.parent.mkdir(parents=True)
    if what == "other delta table":
        write_deltalake(folder, other)
    elif what == "unreadable delta table":
        (folder / "_delta_log").mkdir(parents=True)
        (folder / "_delta_log" / "00000000000000000000.json").write_text("{}")
    elif what == "file":
        folder.write_text("mine")
    else:
        name = "metadata/v1.metadata.json" if what == "iceberg" else "a.parquet"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"theirs")
    before = tree(tmp_path)
    with pytest.raises(Misconfigured):
        filler(tmp_path).open()
    assert tree(tmp_path) == before


def tree(data: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in (data / "lake").rglob("*") if p.is_file() and p.name != "lock"}


def break_file(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:  # the same size, and whole at both ends
        content = path.read_bytes()
        path.write_bytes(content[:8] + bytes(len(content) // 2) + content[8 + len(content) // 2 :])


@pytest.mark.behaviour("lake.damage-mended")
@pytest.mark.parametrize("how", ["gone", "cut", "zeroed inside"])
def test_a_damaged_file_is_noticed_and_its_rows_come_back_from_the_journal(tmp_path: Path, how: str) -> None:
    record(tmp_path, [at(age, kind) for age in (0, 1) for kind in (TRAFFIC, ALERT) for _ in range(20)])
    with filler(tmp_path, flush_rows=30) as lake:
        lake.fill()
    whole = Counter(rows(tmp_path))
    file = max(files_of(DeltaTable(lake_folder(tmp_path))), key=lambda one: one.rows)
    break_file(lake_folder(tmp_path) / file.path, how)
    told = Told()
    with filler(tmp_path, told) as lake:
        lake.mend(thorough=True)
        assert lake.fill() == 0
    assert Counter(rows(tmp_path)) == whole
    (body,) = told.of("lake.file.mended")
    assert (body["rows"], body["restored"], body["lost"]) == (file.rows, file.rows, 0)
    assert how == "gone" or (tmp_path / "lake" / "damaged" / Path(file.path).name).exists()


def cut_journal(data: Path, writer: str = "gateway") -> int:
    """Have the journal's retention remove what is in full files; returns the first index that is kept."""
    journal = Journal.open(data, writer, settings=JournalSettings(segment_bytes=4096))
    try:
        premises = Premises(journal.log.folder, journal.log.signer, journal.log.keys)
        while (sealed := seal(premises)) is not None:
            prune(premises, sealed.file)
    finally:
        journal.close()
    (*_, last) = JournalReader(data).removed(writer)
    return last[1]


@pytest.mark.behaviour("lake.loss-is-stated")
def test_rows_that_neither_file_nor_journal_has_are_said_to_be_lost(tmp_path: Path) -> None:
    record(tmp_path, [at(0, target="x" * 100) for _ in range(60)])
    with filler(tmp_path) as lake:
        lake.fill()
    first = cut_journal(tmp_path)
    (file, *_) = [one for one in files_of(DeltaTable(lake_folder(tmp_path))) if one.partition.retention == "traffic"]
    (lake_folder(tmp_path) / file.path).unlink()
    told = Told()
    with filler(tmp_path, told):
        pass
    left = [idx for (idx,) in rows(tmp_path, "idx", f"kind = '{TRAFFIC}'")]
    (body,) = told.of("lake.file.mended")
    assert body["lost"] == 60 - len(left) > 0
    assert (body["file"], body["first"], body["last"], body["writers"]) == (file.path, file.first, file.last, "gateway")
    assert min(left) >= first
    assert [severity for _, severity, _ in told.events] == [Severity.HIGH]


@pytest.mark.behaviour("lake.damage-mended")
def test_a_mending_that_a_crash_interrupted_is_ended_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path, [at(0) for _ in range(30)])
    with filler(tmp_path) as lake:
        lake.fill()
    whole = Counter(rows(tmp_path))
    file = max(files_of(DeltaTable(lake_folder(tmp_path))), key=lambda one: one.rows)
    (lake_folder(tmp_path) / file.path).unlink()
    with monkeypatch.context() as crash:
        crash.setattr(repair, "_restore", lambda *_: (_ for _ in ()).throw(Unavailable("killed here")))
        with pytest.raises(Unavailable):
            filler(tmp_path).open()
    assert not any(one.path == file.path for one in files_of(DeltaTable(lake_folder(tmp_path))))
    told = Told()
    with filler(tmp_path, told):
        pass
    assert Counter(rows(tmp_path)) == whole
    assert [body["lost"] for body in told.of("lake.file.mended")] == [0]


def old_layout(data: Path) -> None:
    """The table as the version before wrote it: no retention class, by tenant and day."""
    reader, found, ends = JournalReader(data), [], {}
    while records := reader.read(ends):
        for one in records:
            ends[one.position.writer] = one.position.index + 1
            assert one.event is not None
            found.append(to_row(one.event, one.position.writer, one.position.index))
    names = [field.name for field in SCHEMA if field.name != "retention"]
    cursor = [Transaction(f"journal/{writer}", end - 1) for writer, end in ends.items()]
    write_deltalake(
        lake_folder(data),
        to_batch(found).select(names),
        partition_by=["tenant", "day"],
        commit_properties=CommitProperties(app_transactions=cursor),
    )


@pytest.mark.behaviour("lake.layout-migrates")
def test_a_table_of_an_older_layout_is_taken_over_with_rows_that_the_journal_no_longer_has(tmp_path: Path) -> None:
    record(
        tmp_path, [at(age, kind, target="x" * 100) for age in (0, 1) for kind in (TRAFFIC, ALERT) for _ in range(20)]
    )
    old_layout(tmp_path)
    whole = Counter(rows(tmp_path))
    cut_journal(tmp_path)
    told = Told()
    with filler(tmp_path, told) as lake:
        assert lake.fill() == 1  # what the cutting process said of its start
    now = Counter(rows(tmp_path))
    assert (now - whole).total() == 1
    assert now >= whole
    assert set(rows(tmp_path, "kind, retention")) >= {(TRAFFIC, "traffic"), (ALERT, "detection")}
    (body,) = told.of("lake.table.rebuilt")
    assert (body["copied"], body["lost"]) == (sum(whole.values()), 0)
    assert Counter(rows_of(Path(body["aside"]))) == whole


def rows_of(folder: Path) -> list[tuple[Any, ...]]:
    table = QueryBuilder().register("events", DeltaTable(folder)).execute("SELECT writer, idx FROM events").read_all()
    return list(zip(table["writer"].to_pylist(), table["idx"].to_pylist(), strict=True))


@pytest.mark.behaviour("lake.layout-migrates")
@pytest.mark.parametrize("moment", ["while copying", "before the renames", "between the renames"])
def test_a_crash_while_a_new_table_is_made_leaves_one_of_them_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    record(tmp_path, [at(0) for _ in range(20)])
    old_layout(tmp_path)
    whole = Counter(rows(tmp_path))

    def crash(*_: Any, **__: Any) -> None:
        raise OSError("killed here")

    with monkeypatch.context() as patch:
        if moment == "while copying":
            patch.setattr(rebuilding, "_finish_cursor", crash)
        elif moment == "before the renames":
            patch.setattr(rebuilding.DiskPlace, "set_aside", crash)
        else:
            patch.setattr(rebuilding, "finish", lambda place: None if lake_folder(tmp_path).exists() else crash())
        with pytest.raises(Unavailable):
            filler(tmp_path).open()
    with filler(tmp_path) as lake:
        assert lake.fill() == 0
    assert Counter(rows(tmp_path)) == whole


@pytest.mark.behaviour("lake.torn-keeps-what-the-journal-cut")
def test_a_torn_table_gives_the_new_one_what_the_journal_cut_off(tmp_path: Path) -> None:
    record(tmp_path, [at(0, target="x" * 100) for _ in range(60)])
    with filler(tmp_path) as lake:
        lake.fill()
    whole = Counter(rows(tmp_path))
    record(tmp_path, [at(0)])
    with filler(tmp_path) as lake:
        lake.fill()
    more = Counter(rows(tmp_path))
    cut_journal(tmp_path)
    mark = lake_folder(tmp_path).parent / "durable.json"
    log = sorted((lake_folder(tmp_path) / "_delta_log").glob("*.json"))
    log[-1].write_bytes(b"")  # torn: the last commit was not durable yet
    mark.write_bytes(b'{"version":%d}' % (len(log) - 2))
    told = Told()
    with filler(tmp_path, told) as lake:
        lake.fill()
    now = Counter(rows(tmp_path))
    assert (now - more).total() == 1  # what the cutting process said of its start
    assert now > more > whole
    (body,) = told.of("lake.table.rebuilt")
    assert (body["copied"] > 0, body["lost"]) == (True, 0)


@pytest.mark.behaviour("lake.missed-is-stated")
def test_records_that_the_journal_cut_before_the_lake_had_them_are_said_and_do_not_stop_it(tmp_path: Path) -> None:
    record(tmp_path, [at(0, target="x" * 100) for _ in range(60)])
    first = cut_journal(tmp_path)
    told = Told()
    with filler(tmp_path, told) as lake:
        assert lake.fill() > 0
        assert lake.lag().rows == 0
    assert min(idx for (idx,) in rows(tmp_path, "idx")) == first
    assert told.of("lake.records.missed") == [{"writers": {"gateway": [0, first]}}]


@pytest.mark.behaviour("lake.sorted")
def test_a_day_that_is_over_is_sorted_once_and_loses_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchkeeper.events.lake.keeping.keeper._WORTH_SORTING", 10)
    record(
        tmp_path,
        [at(age, server=f"s{n % 3}", target=f"t{n % 5}") for age in (0, 3) for n in range(40)],
        segment_bytes=1 << 20,
    )
    with filler(tmp_path, flush_rows=25) as lake:
        lake.fill()
        whole = Counter(rows(tmp_path))
        assert lake.sort() == 1
        assert lake.sort() == 0
    assert Counter(rows(tmp_path)) == whole
    (files,) = [f for p, f in partitions_of(DeltaTable(lake_folder(tmp_path))).items() if p.ordinal == NOW // DAY - 3]
    assert len(files) == 1


def test_a_table_set_aside_is_never_deleted(tmp_path: Path) -> None:
    for _ in range(3):
        record(tmp_path, [at(0)])
        with filler(tmp_path) as lake:
            lake.fill()
        for folder in ("journal", "run", "keys"):
            shutil.rmtree(tmp_path / folder)
    record(tmp_path, [at(0), at(0)])
    with filler(tmp_path) as lake:
        lake.fill()
    assert len(list((tmp_path / "lake").glob("events.damaged*"))) == 3
