"""Lines in a file: on disk before they count, whole after a crash, rotated and compressed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.events.sinks.conftest import FAST, Shipping, numbered, write
from watchkeeper.events import Position, Record
from watchkeeper.events.model import encode
from watchkeeper.events.sinks import SinkSettings
from watchkeeper.events.sinks.file import FileSink, recorded
from watchkeeper.events.sinks.model import Entry, NotTaken


def entry(number: int) -> Entry:
    event = numbered(number)
    record = Record(Position("gateway", number), event, encode(event))
    return Entry(record, record.record + b"\n")


def sink(path: Path, rotate_bytes: int = 1_000_000, keep: int = 0) -> FileSink:
    return FileSink(path, recorded, rotate_bytes=rotate_bytes, keep=keep)


def numbers(data: bytes) -> list[int]:
    return [json.loads(line)["body"]["number"] for line in data.splitlines()]


@pytest.mark.behaviour("sinks.file")
def test_every_event_is_a_line_as_it_was_recorded(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Shipping(data_dir, SinkSettings(type="file", path=str(path), **FAST)) as shipping:
        shipping.until(lambda s: s.tally.sent == 40)
    assert numbers(path.read_bytes()) == list(range(1, 41))
    assert path.stat().st_mode & 0o777 == 0o600


def test_ocsf_lines_have_its_classes(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Shipping(data_dir, SinkSettings(type="file", path=str(path), format="ocsf", **FAST)) as shipping:
        shipping.until(lambda s: s.tally.sent == 40)
    assert {json.loads(line)["class_uid"] for line in path.read_bytes().splitlines()} == {6003}


@pytest.mark.behaviour("sinks.file")
@pytest.mark.parametrize("torn", [b'{"v":1,"id":"half', b'{"long":"' + b"x" * 200_000])
def test_what_a_crash_left_of_a_line_is_cut_off(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(entry(1).data + torn)
    one = sink(path)
    one.send([entry(2)])
    one.close()
    assert numbers(path.read_bytes()) == [1, 2]
    path.write_bytes(torn)
    one.send([entry(3)])
    assert numbers(path.read_bytes()) == [3]


@pytest.mark.behaviour("sinks.file")
def test_a_full_file_is_compressed_and_the_oldest_are_let_go(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    one = sink(path, rotate_bytes=600, keep=3)
    for number in range(1, 21):
        one.send([entry(number)])
    one.close()
    packed = sorted(tmp_path.glob("events.jsonl.*"))
    assert all(file.suffix == ".gz" for file in packed)
    assert len(packed) == 3
    told = [number for file in packed for number in numbers(gzip.decompress(file.read_bytes()))]
    told += numbers(path.read_bytes())
    assert told == list(range(told[0], 21))


def test_a_file_that_was_renamed_before_a_crash_is_compressed_afterwards(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl.000001").write_bytes(entry(1).data)
    one = sink(tmp_path / "events.jsonl")
    one.send([entry(2)])
    one.close()
    assert numbers(gzip.decompress((tmp_path / "events.jsonl.000001.gz").read_bytes())) == [1]
    assert not (tmp_path / "events.jsonl.000001").exists()


def test_a_file_that_somebody_moved_is_begun_anew(tmp_path: Path) -> None:
    one = sink(tmp_path / "events.jsonl")
    one.send([entry(1)])
    (tmp_path / "events.jsonl").rename(tmp_path / "moved")
    one.send([entry(2)])
    one.close()
    assert numbers((tmp_path / "events.jsonl").read_bytes()) == [2]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"precious\n")
    (tmp_path / "events.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(NotTaken):
        sink(tmp_path / "events.jsonl").send([entry(1)])
    assert (tmp_path / "other").read_bytes() == b"precious\n"


def test_a_folder_that_is_away_is_waited_for(data_dir: Path, tmp_path: Path) -> None:
    there = tmp_path / "out"
    with Shipping(data_dir, SinkSettings(type="file", path=str(there / "events.jsonl"), **FAST)) as shipping:
        standing = shipping.until(lambda s: s.attempts >= 2)
        assert "cannot write" in standing.error
        there.mkdir()
        shipping.until(lambda s: s.tally.sent == 40)
    assert numbers((there / "events.jsonl").read_bytes()) == list(range(1, 41))


def test_two_logs_keep_each_their_order(data_dir: Path, tmp_path: Path) -> None:
    write(data_dir, "other", [numbered(number) for number in range(101, 141)])
    path = tmp_path / "events.jsonl"
    with Shipping(data_dir, SinkSettings(type="file", path=str(path), **{**FAST, "batch_events": 7})) as shipping:
        shipping.until(lambda s: s.tally.sent == 80)
    told = numbers(path.read_bytes())
    assert [number for number in told if number < 100] == list(range(1, 41))
    assert [number for number in told if number > 100] == list(range(101, 141))
