"""The lake in an object store: an S3 server over real HTTP, its failures, two writers, and a writer that is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="needs moto's S3 server")

from deltalake import QueryBuilder

from tests.events.object_store import Store
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Misconfigured, Unavailable, Untrusted, WatchkeeperError
from watchkeeper.core.secrets import SecretReader
from watchkeeper.events.journal import Journal, JournalReader
from watchkeeper.events.lake import LakeSettings
from watchkeeper.events.lake.keeping.files import files_of
from watchkeeper.events.lake.places import Place, place_of
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.settings import LakeStoreSettings, RetentionSettings
from watchkeeper.events.model import new_event

pytestmark = pytest.mark.slow
DAY = 86_400_000_000
NOW = 20_700 * DAY + DAY // 2
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store() as running:
        yield running


@pytest.fixture(autouse=True)
def whole(store: Store) -> Iterator[None]:
    yield
    store.breaks("")


def settings(store: Store, prefix: str, **more: object) -> LakeSettings:
    reached = LakeStoreSettings(
        endpoint=store.url, access_key="env:KEY", secret_key="env:SECRET", retries=0, timeout_seconds=10
    )
    return LakeSettings(url=f"s3://lake/{prefix}", store=reached, **more)  # type: ignore[arg-type]


def placed(data: Path, wanted: LakeSettings) -> Place:
    return place_of(data, wanted, SecretReader({"KEY": "a", "SECRET": "b"}))


def filler(data: Path, wanted: LakeSettings) -> LakeReader:
    return LakeReader(data, wanted, ManualClock(NOW), place=placed(data, wanted))


def record(data: Path, count: int, days: int = 0, writer: str = "gateway") -> None:
    journal = Journal.open(data, writer)
    try:
        for number in range(count):
            last = journal.append(new_event(NOW - days * DAY, "gateway.request.decided", target=f"tool{number}"))
        journal.wait(last)
    finally:
        journal.close()


def rows(place: Place) -> Counter[tuple[str, int]]:
    table = QueryBuilder().register("events", place.open()).execute("SELECT writer, idx FROM events").read_all()
    return Counter(zip(table["writer"].to_pylist(), table["idx"].to_pylist(), strict=True))


def in_journal(data: Path) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    reader, at = JournalReader(data), {}
    while records := reader.read(at):
        for one in records:
            found[(one.position.writer, one.position.index)] += 1
            at[one.position.writer] = one.position.index + 1
    return found


@pytest.mark.behaviour("lake.object-store")
def test_an_object_store_is_filled_searched_tidied_and_emptied_as_a_folder_is(store: Store, tmp_path: Path) -> None:
    wanted = settings(store, "whole", flush_rows=20, grace_hours=0, retention=RetentionSettings(traffic=30))
    record(tmp_path, 50, days=40)
    record(tmp_path, 30)
    with filler(tmp_path, wanted) as lake:
        lake.fill()
        place = placed(tmp_path, wanted)
        assert rows(place) == in_journal(tmp_path)
        found = Search(tmp_path, ManualClock(NOW), place=place).events(kind="gateway.request", unbounded=True, limit=90)
        assert (len(found), found.from_lake, found.note) == (80, 80, "")
        lake.tidy()
        assert rows(place) == in_journal(tmp_path)
        assert place.checkpoint() > 0
        assert lake.retain().deleted == 50
        assert sum(rows(place).values()) == sum(in_journal(tmp_path).values()) - 50
    assert not list((tmp_path / "lake").rglob("*.parquet"))


@pytest.mark.behaviour("lake.object-store.broken-off")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_that_breaks_off_is_there_once_in_the_end(store: Store, tmp_path: Path, moment: str) -> None:
    wanted = settings(store, f"broken-{moment}")
    record(tmp_path, 20)
    with filler(tmp_path, wanted) as lake:
        before = store.breaks(moment)
        with pytest.raises(WatchkeeperError):
            lake.fill()
        assert store.breaks("") > before
        lake.fill()
    assert rows(placed(tmp_path, wanted)) == in_journal(tmp_path)


@pytest.mark.behaviour("lake.object-store.broken-off")
def test_a_store_that_does_not_answer_is_said_and_the_journal_answers_alone(store: Store, tmp_path: Path) -> None:
    wanted = settings(store, "dead")
    record(tmp_path, 20)
    with filler(tmp_path, wanted) as lake:
        lake.fill()
        record(tmp_path, 5)
        store.breaks("always")
        with pytest.raises(Unavailable):
            lake.fill()
        search = Search(tmp_path, ManualClock(NOW), place=placed(tmp_path, wanted))
        found = search.events(kind="gateway.request", unbounded=True)
        assert (len(found), found.from_journal) == (25, 25)
        assert found.note
        store.breaks("")
        lake.fill()
    assert rows(placed(tmp_path, wanted)) == in_journal(tmp_path)


_RIVAL = textwrap.dedent("""
    import sys
    from pathlib import Path
    from tests.events.test_lake_objects import placed
    from watchkeeper.core.errors import Conflict
    from watchkeeper.events.journal import JournalReader
    from watchkeeper.events.lake.loading import Loader
    from watchkeeper.events.lake.settings import LakeSettings, LakeStoreSettings
    from watchkeeper.events.lake.table import LakeTable
    data, url, endpoint = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    store = LakeStoreSettings(endpoint=endpoint, access_key="env:KEY", secret_key="env:SECRET")
    table = LakeTable(placed(data, LakeSettings(url=url, store=store)))
    journal = JournalReader(data)
    loader = Loader(journal, 5)
    print("open", flush=True)
    sys.stdin.readline()
    conflicts = 0
    while True:
        load = loader.next(table.cursor(journal.writers()))
        if load is None:
            break
        try:
            table.append(load.batch, load.moves)
        except Conflict:
            conflicts += 1
    loader.close()
    print("conflicts", conflicts, flush=True)
""")


@pytest.mark.behaviour("lake.object-store.two-writers")
def test_two_processes_that_fill_one_table_in_a_store_double_nothing(store: Store, tmp_path: Path) -> None:
    wanted = settings(store, "rivals")
    record(tmp_path, 40)
    with filler(tmp_path, wanted):
        pass
    command = [sys.executable, "-c", _RIVAL, str(tmp_path), wanted.url, store.url]
    rivals = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "open\n"
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
    said = [rival.communicate(timeout=120)[0] for rival in rivals]
    assert [rival.returncode for rival in rivals] == [0, 0]
    assert sum(int(text.split()[1]) for text in said) > 0, "they never met"
    assert rows(placed(tmp_path, wanted)) == in_journal(tmp_path)


_KILLED = textwrap.dedent("""
    import sys
    from pathlib import Path
    from tests.events.test_lake_objects import placed
    from watchkeeper.events.lake.reader import LakeReader
    from watchkeeper.events.lake.settings import LakeSettings, LakeStoreSettings
    data, url, endpoint = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    store = LakeStoreSettings(endpoint=endpoint, access_key="env:KEY", secret_key="env:SECRET")
    settings = LakeSettings(url=url, store=store, flush_rows=7, compact_commits=5, grace_hours=0)
    lake = LakeReader(data, settings, place=placed(data, settings)).open()
    while True:
        if lake.step():
            print("stepped", flush=True)
""")


@pytest.mark.behaviour("lake.survives-kill")
def test_a_writer_killed_over_an_object_store_loses_and_doubles_nothing(store: Store, tmp_path: Path) -> None:
    wanted, dice, held = settings(store, "killed"), random.Random(3), []
    record(tmp_path, 70)
    for _ in range(2):
        command = [sys.executable, "-c", _KILLED, str(tmp_path), wanted.url, store.url]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(dice.randint(1, 4)):
            assert process.stdout.readline() == b"stepped\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0.0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        found = rows(placed(tmp_path, wanted))
        assert max(found.values(), default=1) == 1
        held.append(sum(found.values()))
    with filler(tmp_path, wanted) as lake:
        lake.fill()
    assert any(0 < count < 70 for count in held), "no kill came in the middle"
    assert rows(placed(tmp_path, wanted)) == in_journal(tmp_path)


@pytest.mark.behaviour("lake.foreign-refused")
def test_a_prefix_with_something_else_or_another_journal_is_refused(store: Store, tmp_path: Path) -> None:
    store.request("PUT", "/lake/theirs/events/a.parquet", b"theirs")
    record(tmp_path / "one", 3)
    with pytest.raises(Misconfigured):
        filler(tmp_path / "one", settings(store, "theirs")).open()
    placed(tmp_path, settings(store, "theirs")).fetch("a.parquet", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"theirs"
    with filler(tmp_path / "one", settings(store, "first")) as lake:
        lake.fill()
    record(tmp_path / "two", 3)
    before = rows(placed(tmp_path, settings(store, "first")))
    with pytest.raises(Untrusted):
        filler(tmp_path / "two", settings(store, "first")).open()
    assert rows(placed(tmp_path, settings(store, "first"))) == before


@pytest.mark.behaviour("lake.damage-mended")
def test_an_object_that_is_gone_or_cut_is_filled_again(store: Store, tmp_path: Path) -> None:
    wanted = settings(store, "damaged")
    record(tmp_path, 20)
    record(tmp_path, 20, days=3)
    with filler(tmp_path, wanted) as lake:
        lake.fill()
    files = [file for file in files_of(placed(tmp_path, wanted).open()) if file.partition.retention == "traffic"]
    escaped = [file.path.replace("%", "%25") for file in files]
    store.request("DELETE", f"/lake/damaged/events/{escaped[0]}")
    store.request("PUT", f"/lake/damaged/events/{escaped[1]}", b"cut")
    with filler(tmp_path, wanted):
        pass
    assert rows(placed(tmp_path, wanted)) == in_journal(tmp_path)


@pytest.mark.behaviour("lake.secrets-by-reference")
def test_a_key_that_is_written_into_the_settings_is_refused(tmp_path: Path) -> None:
    store = LakeStoreSettings(access_key="AKIAEXAMPLE")
    with pytest.raises(Misconfigured):
        place_of(tmp_path, LakeSettings(url="s3://lake/x", store=store), SecretReader({}))
