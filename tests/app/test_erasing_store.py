"""Erasing from a lake in an object store, and looking into it: an S3 server over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="needs moto's S3 server")

from deltalake._internal import DeltaFileSystemHandler

from tests.app.test_erasing import ADA, BOB, call, erase, found, report
from tests.events.object_store import Store
from watchkeeper.app.lakes import leave_word
from watchkeeper.app.platform import opened
from watchkeeper.core.clock import ManualClock
from watchkeeper.events.lake.places import ObjectPlace
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.settings import LakeSettings, LakeStoreSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store() as running:
        yield running


@pytest.fixture
def place(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectPlace:
    """A lake in the store with Ada's and Bob's calls, and one that lay on this host before."""
    monkeypatch.setenv("WK_TEST_KEY", "a")
    settings = LakeSettings(
        url=f"s3://lake/{tmp_path.name}",
        store=LakeStoreSettings(
            endpoint=store.url, access_key="env:WK_TEST_KEY", secret_key="env:WK_TEST_KEY", retries=0
        ),
    )
    with opened(tmp_path, "cli") as platform:
        for number in range(60):
            last = platform.journal.append(call(number, (ADA, BOB, "agent:zo=e/c d")[number % 3]))
        platform.journal.wait(last)
    with LakeReader(tmp_path) as filler:
        filler.fill()
    place = leave_word(tmp_path, settings)
    assert isinstance(place, ObjectPlace)
    with LakeReader(tmp_path, settings, ManualClock(1_790_000_000_000_000), place=place) as filler:
        filler.fill()
        filler.tidy()
    return place


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """What reports call it."""
    return f"lake at s3://lake/{tmp_path.name}"


def handler(place: ObjectPlace) -> DeltaFileSystemHandler:
    return DeltaFileSystemHandler(place.uri.removesuffix("/events"), options=place.options)


def put(place: ObjectPlace, name: str, data: bytes) -> None:
    stream = handler(place).open_output_stream(name)
    stream.write(data)
    stream.close()


@pytest.mark.behaviour("privacy.store-is-looked-into")
@pytest.mark.behaviour("privacy.erased-everywhere")
def test_a_subject_is_erased_from_the_store_and_the_report_has_looked_there(
    tmp_path: Path, place: ObjectPlace, lake: str
) -> None:
    before = report(tmp_path)
    there = {one["store"]: one for one in before["places"]}
    assert there[f"{lake}: files"]["own"] == 20
    assert there[f"{lake}: log"]["verdict"] == "found"
    assert there[f"{lake}: files"]["files"] == sum(n.endswith(".parquet") and "_log" not in n for n, _ in files(place))
    old = {name: fetched(place, name, tmp_path) for name, _ in files(place)}
    put(place, "damaged/part.parquet", next(data for name, data in old.items() if is_data(name)))
    done = erase(tmp_path)
    assert done["rows"]["lake"]["rows"] == 20
    assert done["rows"]["lake"]["aside"] == 2, "what was put away in the store, and the table that was here before"
    after = report(tmp_path, erasure=done["erasure"])
    assert after["is_absent"] is True, found(after)
    assert {one["store"] for one in after["places"]} >= {f"{lake}: files", f"{lake}: log"}
    events = Search(tmp_path, place=place).events(unbounded=True, limit=100)
    assert sum(event.server == "s" for event in events) == 40


@pytest.mark.behaviour("privacy.store-is-looked-into")
def test_what_the_table_does_not_know_any_more_is_found_in_the_store(
    store: Store, tmp_path: Path, place: ObjectPlace, lake: str
) -> None:
    old = {name: fetched(place, name, tmp_path) for name, _ in files(place)}
    erase(tmp_path)
    data = next(text for name, text in old.items() if is_data(name))
    entry = next(text for name, text in old.items() if name.endswith(".json") and ADA.encode() in text)
    checkpoint = next(text for name, text in old.items() if name.endswith(".checkpoint.parquet"))
    for name, text, part in (
        ("events/tenant=a%3Ab/stray.parquet", data, "files"),
        ("damaged/part.parquet", data, ", set aside: files"),
        ("events/_delta_log/x.json", entry, "log"),
        ("events/_delta_log/x.checkpoint.parquet", checkpoint, "log"),
    ):
        put(place, name, text)
        said = report(tmp_path)
        wanted = f"{lake}{part}" if part.startswith(",") else f"{lake}: {part}"
        assert (said["is_absent"], found(said).get(wanted)) == (False, "found"), name
        handler(place).delete_file(name)
    put(place, "events/torn.parquet", b"PAR1 and nothing PAR1")
    assert found(report(tmp_path))[f"{lake}: files"] == "unread"
    handler(place).delete_file("events/torn.parquet")
    assert report(tmp_path)["is_absent"] is True
    store.breaks("always")
    try:
        said = report(tmp_path)
    finally:
        store.breaks("")
    assert (said["is_absent"], found(said)[lake]) == (False, "unread")
    assert json.dumps(said["places"]).count("env:") == 0


def is_data(name: str) -> bool:
    return name.endswith(".parquet") and "_delta_log" not in name and "retention=traffic" in name


def files(place: ObjectPlace) -> list[tuple[str, int]]:
    return [(name, size) for name, size in place.everything() if name.startswith("events/")]


def fetched(place: ObjectPlace, name: str, folder: Path) -> bytes:
    target = folder / "fetched"
    place.copy(name, target)
    data = target.read_bytes()
    target.unlink()
    return data
