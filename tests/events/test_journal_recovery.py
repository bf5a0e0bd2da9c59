"""Torn tails are dropped and kept aside; tampering is refused; the two are told apart."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from watchkeeper.core.errors import Untrusted
from watchkeeper.events import Journal, JournalReader
from watchkeeper.events.journal import verify
from watchkeeper.events.journal.forms.frame import parse

Segments = Callable[[Path], list[Path]]


def ends_of(content: bytes) -> list[int]:
    ends, at = [], 0
    while at < len(content):
        at += parse(content[at:]).size
        ends.append(at)
    return ends


def tear(content: bytes, dice: random.Random) -> tuple[bytes, str]:
    """The last frame as a crash might leave it: written to some byte, and then nothing, zeros or noise."""
    start = ends_of(content)[-2]
    cut = dice.randrange(start + 1, len(content))
    kind = dice.choice(("cut", "zeros", "noise", "zeros beyond", "noise beyond"))
    rest = len(content) - cut + (dice.randrange(1, 5000) if kind.endswith("beyond") else 0)
    if kind == "cut":
        return content[:cut], kind
    return content[:cut] + (bytes(rest) if kind.startswith("zeros") else dice.randbytes(rest)), kind


@pytest.mark.behaviour("journal.torn-tail-told-from-tampering")
@pytest.mark.parametrize("part", range(10))
def test_400_torn_tails_are_all_told_from_tampering(one_file: Path, segments: Segments, part: int) -> None:
    (path,) = segments(one_file)
    whole, dice = path.read_bytes(), random.Random(part)
    before, intact = ends_of(whole)[-3:-1]
    last_good_note = intact - len(parse(whole[before:]).note)
    for _ in range(40):
        torn, kind = tear(whole, dice)
        path.write_bytes(torn)
        report = verify(one_file, patience=0)
        assert (report.code, report.logs[0].records, report.logs[0].offset) == (3, 25, intact), kind
        hurt = bytearray(torn)
        hurt[dice.randrange(last_good_note)] ^= 1 << dice.randrange(8)
        path.write_bytes(hurt)
        assert verify(one_file, patience=0).code == 1, kind
        path.write_bytes(whole)


@pytest.mark.behaviour("journal.torn-tail-kept-aside")
@pytest.mark.parametrize("seed", range(12))
def test_a_torn_tail_is_dropped_kept_aside_and_recorded(one_file: Path, segments: Segments, seed: int) -> None:
    (path,) = segments(one_file)
    whole = path.read_bytes()
    torn, _ = tear(whole, random.Random(seed))
    path.write_bytes(torn)
    intact = ends_of(whole)[-2]
    Journal.open(one_file, "gateway").close()
    (kept,) = path.parent.glob("dropped-25-*.tail")
    assert kept.read_bytes() == torn[intact:]
    assert path.read_bytes()[:intact] == whole[:intact]
    events = [record.event for record in JournalReader(one_file).read({"gateway": 25})]
    dropped, opened = (event for event in events if event)
    assert (dropped.kind, dropped.body) == (
        "journal.tail.dropped",
        {"index": 25, "bytes": len(torn) - intact, "file": kept.name},
    )
    assert (opened.kind, opened.body["dropped_bytes"]) == ("journal.writer.opened", len(torn) - intact)
    assert verify(one_file).code == 0


@pytest.mark.behaviour("journal.tampering-is-not-opened")
@pytest.mark.parametrize("seed", range(12))
def test_a_log_with_a_changed_past_is_not_opened_and_not_touched(one_file: Path, segments: Segments, seed: int) -> None:
    (path,) = segments(one_file)
    content = bytearray(path.read_bytes())
    content[random.Random(seed).randrange(ends_of(bytes(content))[-2])] ^= 1 << seed % 8
    path.write_bytes(content)
    with pytest.raises(Untrusted):
        Journal.open(one_file, "gateway")
    assert path.read_bytes() == content
    assert not list(path.parent.glob("*.tail"))


def test_a_first_commit_that_tore_leaves_an_empty_log_that_opens(one_file: Path, segments: Segments) -> None:
    (path,) = segments(one_file)
    (path.parent / "latest.note").unlink()
    path.write_bytes(path.read_bytes()[:50])
    assert verify(one_file, patience=0).code == 3
    Journal.open(one_file, "gateway").close()
    assert verify(one_file).code == 0
    assert len(JournalReader(one_file).read({})) == 2


def test_a_crash_between_making_a_file_and_writing_to_it_loses_nothing(data_dir: Path, segments: Segments) -> None:
    (segments(data_dir)[-1].with_name(f"{31:020d}.seg")).touch()
    assert verify(data_dir).code == 0
    Journal.open(data_dir, "gateway").close()
    assert len(JournalReader(data_dir).read({})) == 32
    assert verify(data_dir).code == 0


def test_damage_at_the_end_of_a_file_that_is_not_the_last_is_tampering(data_dir: Path, segments: Segments) -> None:
    path = segments(data_dir)[0]
    path.write_bytes(path.read_bytes()[:-10])
    assert verify(data_dir, patience=0).code == 1
    with pytest.raises(Untrusted):
        Journal.open(data_dir, "gateway")


def test_a_whole_later_commit_after_noise_is_tampering(one_file: Path, segments: Segments) -> None:
    (path,) = segments(one_file)
    content = path.read_bytes()
    middle, last = ends_of(content)[2], ends_of(content)[-2]
    path.write_bytes(content[:middle] + bytes(100) + content[last:])
    assert verify(one_file, patience=0).code == 1


def test_a_log_copied_to_another_place_opens_there(data_dir: Path, tmp_path: Path) -> None:
    there = Path(shutil.copytree(data_dir, tmp_path / "there", ignore=shutil.ignore_patterns("run", "lock")))
    assert len(JournalReader(there).read({})) == 31
    Journal.open(there, "gateway").close()
    assert verify(there).code == 0
