"""What verification says of a log that was hurt in every way we can think of."""

from __future__ import annotations

import random
import shutil
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from watchkeeper.core.errors import Untrusted
from watchkeeper.core.files import write_private
from watchkeeper.core.keys import SigningKey
from watchkeeper.events import Event, Journal, JournalReader, JournalSettings
from watchkeeper.events.journal import Report, verify
from watchkeeper.events.journal.forms.frame import PRELUDE_BYTES, parse

Segments = Callable[[Path], list[Path]]


def check(data_dir: Path) -> Report:
    return verify(data_dir, patience=0)


def flip(path: Path, at: int, mask: int = 1) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ mask]))


def frames_of(path: Path) -> list[tuple[int, int, int]]:
    """(offset, where the checkpoint begins, end) of each frame."""
    content, at, found = path.read_bytes(), 0, []
    while at < len(content):
        frame = parse(content[at:])
        found.append((at, at + frame.size - len(frame.note), at + frame.size))
        at += frame.size
    return found


@pytest.mark.behaviour("journal.verify-intact")
def test_an_intact_journal_is_0_and_says_what_was_proven(data_dir: Path) -> None:
    report = check(data_dir)
    assert (report.code, report.reason) == (0, "")
    (log,) = report.logs
    assert (log.writer, log.records, log.erased, log.commits, log.reason) == ("gateway", 31, 0, 6, "")
    assert log.key == (data_dir / "journal" / "gateway" / "public.vkey").read_text().strip()


@pytest.mark.behaviour("journal.verify-unusable")
@pytest.mark.parametrize("prepare", ["nothing", "no writers", "no files", "an empty file", "a file in its place"])
def test_a_missing_or_empty_journal_is_2_never_0(tmp_path: Path, pristine: Path, prepare: str) -> None:
    folder = tmp_path / "journal"
    if prepare == "no writers":
        folder.mkdir()
    elif prepare == "a file in its place":
        folder.write_text("")
    elif prepare != "nothing":
        shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
        (folder / "gateway" / "latest.note").unlink()
        for path in (folder / "gateway").glob("*.seg"):
            path.unlink()
        if prepare == "an empty file":
            (folder / "gateway" / f"{0:020d}.seg").touch()
    assert check(tmp_path).code == 2


def test_a_log_without_any_key_is_2(data_dir: Path) -> None:
    (data_dir / "keys" / "journal-gateway.pem").unlink()
    assert check(data_dir).code == 0  # the public key beside the log still checks it
    (data_dir / "journal" / "gateway" / "public.vkey").unlink()
    assert check(data_dir).code == 2


def test_without_any_subject_keys_the_hashes_are_checked_and_it_says_so(data_dir: Path, segments: Segments) -> None:
    (data_dir / "keys" / "subjects.db").unlink()
    report = check(data_dir)
    assert (report.code, report.logs[0].erased) == (0, 31)
    assert "no record could be compared" in report.reason
    flip(segments(data_dir)[0], 2000)
    assert check(data_dir).code == 1


def test_a_damaged_signing_key_is_2(data_dir: Path) -> None:
    write_private(data_dir / "keys" / "journal-gateway.pem", b"-----BEGIN nothing")
    assert check(data_dir).code == 2


@pytest.mark.behaviour("journal.wrong-key-is-tampering")
def test_a_log_under_another_key_is_1_and_is_not_opened(data_dir: Path) -> None:
    pem = data_dir / "keys" / "journal-gateway.pem"
    pem.unlink()
    with pytest.raises(Untrusted):  # a missing key is not quietly replaced by a new one
        Journal.open(data_dir, "gateway")
    assert not pem.exists()
    SigningKey.load_or_create(pem)
    assert check(data_dir).code == 1
    (data_dir / "journal" / "gateway" / "public.vkey").unlink()
    (data_dir / "journal" / "gateway" / "latest.note").unlink()
    assert check(data_dir).code == 1
    with pytest.raises(Untrusted):  # and the log is not taken for one long torn tail
        Journal.open(data_dir, "gateway")


def test_one_bad_log_among_good_ones_decides(data_dir: Path, segments: Segments) -> None:
    Journal.open(data_dir, "console").close()
    assert check(data_dir).code == 0
    flip(segments(data_dir)[0], 100)
    report = check(data_dir)
    assert (report.code, [log.code for log in report.logs]) == (1, [0, 1])
    assert report.reason.startswith("gateway: ")


@pytest.mark.behaviour("journal.flipped-byte-before-the-last-checkpoint")
@pytest.mark.parametrize("part", range(12))
def test_a_flipped_byte_before_the_last_checkpoint_is_1(data_dir: Path, segments: Segments, part: int) -> None:
    dice, paths = random.Random(part), segments(data_dir)
    for _ in range(12):
        path = dice.choice(paths)
        end = frames_of(path)[-1][1] if path == paths[-1] else path.stat().st_size
        at, mask = dice.randrange(end), 1 << dice.randrange(8)
        flip(path, at, mask)
        assert check(data_dir).code == 1, (path.name, at, mask)
        flip(path, at, mask)
    assert check(data_dir).code == 0


@pytest.mark.slow
def test_every_single_byte_before_the_last_checkpoint_matters(
    tmp_path: Path, segments: Segments, make_event: Callable[..., Event]
) -> None:
    journal = Journal.open(tmp_path, "gateway")
    for number in range(3):
        journal.record(make_event(number))
    journal.close()
    (path,) = segments(tmp_path)
    for at in range(frames_of(path)[-1][1]):
        flip(path, at, 1 << at % 8)
        assert check(tmp_path).code == 1, at
        flip(path, at, 1 << at % 8)


@pytest.mark.behaviour("journal.flipped-byte-after-the-last-checkpoint")
def test_a_flipped_byte_in_the_last_checkpoint_is_1_or_3_and_never_0(one_file: Path, segments: Segments) -> None:
    (path,) = segments(one_file)
    _, start, end = frames_of(path)[-1]
    for at in range(start, end):
        flip(path, at)
        assert check(one_file).code in (1, 3), at
        flip(path, at)


@pytest.mark.behaviour("journal.checksum-does-not-hide-tampering")
@pytest.mark.parametrize("part", range(8))
def test_a_changed_frame_with_a_corrected_checksum_is_1_even_at_the_end(
    one_file: Path, segments: Segments, part: int
) -> None:
    (path,) = segments(one_file)
    start, _, end = frames_of(path)[-1 if part % 2 else 2]
    dice = random.Random(part)
    content = bytearray(path.read_bytes())
    content[dice.randrange(start + PRELUDE_BYTES, end)] ^= 1 << dice.randrange(8)
    covered = content[start + 8 : start + 16] + content[start + PRELUDE_BYTES : end]
    content[start + 16 : start + 20] = zlib.crc32(covered).to_bytes(4, "big")
    path.write_bytes(content)
    assert check(one_file).code == 1
    if part % 2:  # opening checks the last signature of a file, which covers all before it; `verify` checks each
        with pytest.raises(Untrusted):
            Journal.open(one_file, "gateway")


@pytest.mark.behaviour("journal.removed-or-reordered-files")
@pytest.mark.parametrize(
    "hurt", ["first", "middle", "swapped", "renamed", "copied", "stranger", "frame removed", "frame repeated"]
)
def test_removed_reordered_or_repeated_parts_are_1(data_dir: Path, segments: Segments, hurt: str) -> None:
    first, middle, *later = segments(data_dir)
    assert later
    if hurt in {"first", "middle"}:
        (first if hurt == "first" else middle).unlink()
    elif hurt == "swapped":
        one, two = first.read_bytes(), middle.read_bytes()
        first.write_bytes(two)
        middle.write_bytes(one)
    elif hurt == "renamed":
        middle.rename(middle.with_name(f"{int(middle.stem) + 1:020d}.seg"))
    elif hurt == "copied":
        shutil.copy(first, first.with_name(f"{100:020d}.seg"))
    elif hurt == "stranger":
        shutil.copy(first, first.with_name("extra.seg"))
    else:
        start, _, end = frames_of(first)[0]
        content = first.read_bytes()
        first.write_bytes(content[end:] if hurt == "frame removed" else content[:end] + content[start:])
    assert check(data_dir).code == 1
    with pytest.raises(Untrusted):
        Journal.open(data_dir, "gateway")


def test_a_log_that_another_key_wrote_anew_is_1(data_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    Journal.open(other, "gateway").close()
    shutil.rmtree(data_dir / "journal" / "gateway")
    shutil.copytree(other / "journal" / "gateway", data_dir / "journal" / "gateway")
    assert check(data_dir).code == 1


@pytest.mark.behaviour("journal.cut-log")
def test_a_log_cut_at_a_frames_end_is_3_while_a_later_checkpoint_is_known(data_dir: Path, segments: Segments) -> None:
    last = segments(data_dir)[-1]
    start, _, _ = frames_of(last)[-1]
    with last.open("r+b") as file:
        file.truncate(start)
    report = check(data_dir)
    assert report.code == 3
    assert "covers 31" in report.reason
    Journal.open(data_dir, "gateway").close()
    opened = JournalReader(data_dir).read({"gateway": report.logs[0].records})[0].event
    assert opened is not None
    assert (opened.kind, opened.body["missing"], opened.severity) == ("journal.writer.opened", 6, 4)
    assert check(data_dir).code == 0


def test_a_damaged_copy_of_the_checkpoint_is_1(data_dir: Path) -> None:
    flip(data_dir / "journal" / "gateway" / "latest.note", 40)
    assert check(data_dir).code == 1


@pytest.mark.behaviour("journal.verify-while-writing")
def test_a_journal_that_is_being_written_verifies_as_0(
    tmp_path: Path, make_event: Callable[..., Event], small_settings: JournalSettings
) -> None:
    journal = Journal.open(tmp_path, "gateway", settings=small_settings)
    done, codes = threading.Event(), []

    def judge() -> None:
        while not done.is_set():
            codes.append(verify(tmp_path).code)

    thread = threading.Thread(target=judge)
    thread.start()
    for number in range(600):
        journal.record(make_event(number))
    done.set()
    thread.join()
    journal.close()
    assert set(codes) == {0}
    assert verify(tmp_path).logs[0].records == 601


def test_progress_is_told_and_ends_at_the_whole(data_dir: Path, segments: Segments) -> None:
    told: list[tuple[str, int, int]] = []
    verify(data_dir, lambda writer, done, total: told.append((writer, done, total)))
    size = sum(path.stat().st_size for path in segments(data_dir))
    assert told[-1] == ("gateway", size, size)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
