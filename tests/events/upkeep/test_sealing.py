"""Sealing changes no record, salt, entry or proof; a file that does not verify is left alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.errors import Untrusted, WatchkeeperError
from watchkeeper.events import Journal, JournalReader
from watchkeeper.events.journal import prove, prove_position, verifier, verify
from watchkeeper.events.journal.model import Position
from watchkeeper.events.journal.tiles.shelf import Shelf
from watchkeeper.events.journal.upkeep import Premises, seal

Estate = Any


@pytest.mark.behaviour("journal.sealing-changes-nothing")
def test_a_sealed_log_has_the_same_records_tree_and_proofs_in_fewer_bytes(estate: Estate) -> None:
    before, size, proof = estate.records(), estate.size(), prove_position(estate.data_dir, Position("gateway", 9))
    report = verify(estate.data_dir)
    sealed, pruned = estate.keeper().turn()
    assert len(sealed) == len(estate.files()) - 1 >= 3
    assert pruned == []
    assert estate.size() < 0.75 * size
    assert estate.records()[: len(before)] == before
    again = verify(estate.data_dir)
    assert (again.code, again.logs[0].erased, again.logs[0].removed) == (0, 0, 0)
    assert again.logs[0].commits >= report.logs[0].commits
    after = prove_position(estate.data_dir, Position("gateway", 9))
    assert {name: after[name] for name in ("record", "salt", "entry", "key")} == {
        name: proof[name] for name in ("record", "salt", "entry", "key")
    }
    for each in (proof, after):
        verifier.check(each, each["key"])


@pytest.mark.behaviour("journal.sealing-is-recorded")
def test_what_was_sealed_is_recorded_and_is_not_sealed_again(estate: Estate) -> None:
    sealed, _ = estate.keeper().turn()
    told = estate.told("journal.segment.sealed")
    assert [(body["file"], body["records"]) for body in told] == [(done.file, done.records) for done in sealed]
    assert all(body["bytes_after"] < body["bytes_before"] for body in told)
    assert estate.keeper().turn()[0] == []


@pytest.mark.behaviour("journal.erasure-after-sealing")
@pytest.mark.parametrize("is_sealed_first", [True, False], ids=["sealed, then erased", "erased, then sealed"])
def test_a_subject_is_erased_from_a_sealed_log(estate: Estate, *, is_sealed_first: bool) -> None:
    named = next(record.event for record in estate.records() if record.event and record.event.actor == "agent:ada")
    if is_sealed_first:
        estate.keeper().turn()
    estate.journal.erase("agent:ada", by="operator:olga")
    estate.keeper().turn()
    records = estate.records()
    assert [record.absent for record in records].count("erased") == 24
    assert not any(record.event and record.event.actor == "agent:ada" for record in records)
    report = verify(estate.data_dir)
    assert (report.code, report.logs[0].erased) == (0, 24)
    with pytest.raises(WatchkeeperError):
        prove(estate.data_dir, named.id)


@pytest.mark.behaviour("journal.readers-read-on-while-sealed")
def test_a_reader_in_the_middle_of_a_file_reads_on(estate: Estate) -> None:
    before = estate.records()
    readers = []
    for start in range(0, len(before) - 5, 5):
        reader = JournalReader(estate.data_dir)
        assert reader.read({"gateway": start}, 3) == before[start : start + 3]
        readers.append((start + 3, reader))
    estate.keeper().turn()
    for start, reader in readers:
        found = []
        while records := reader.read({"gateway": start + len(found)}, 7):
            found += records
        assert found[: len(before) - start] == before[start:]
        reader.close()


@pytest.mark.behaviour("journal.sealed-files-are-tamper-evident")
def test_no_byte_of_a_sealed_file_can_be_changed(estate: Estate) -> None:
    estate.keeper().turn()
    estate.journal.close()
    path = estate.files()[1]
    content, dice = path.read_bytes(), random.Random(7)
    places = {0, 9, 21, len(content) - 1, len(content) - 5, *dice.sample(range(len(content)), 60)}
    for place in sorted(places):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        report = verify(estate.data_dir)
        assert (report.code, report.logs[0].file) == (1, path.name), place
    path.write_bytes(content)
    assert verify(estate.data_dir).code == 0


@pytest.mark.parametrize("change", ["cut", "longer", "swapped", "missing"])
def test_a_sealed_file_that_is_not_the_logs_own_is_not_opened(estate: Estate, change: str) -> None:
    estate.keeper().turn()
    estate.journal.close()
    first, second = estate.files()[:2]
    if change == "cut":
        second.write_bytes(second.read_bytes()[:-1])
    elif change == "longer":
        second.write_bytes(b"\x00" + second.read_bytes())
    elif change == "swapped":
        second.write_bytes(first.read_bytes())
    else:
        second.unlink()
    assert verify(estate.data_dir).code == 1
    with pytest.raises(Untrusted):
        Journal.open(estate.data_dir, "gateway")


def test_a_file_that_does_not_verify_is_left_as_it_is(estate: Estate) -> None:
    path = estate.files()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(Untrusted):
        estate.keeper().turn()
    assert path.read_bytes() == bytes(content)
    assert [each.name for each in estate.folder.iterdir() if each.name.endswith(".rewritten")] == []


@pytest.mark.behaviour("journal.opening-trusts-sealed-files")
def test_opening_reads_the_ends_of_sealed_files_only(estate: Estate) -> None:
    estate.keeper().turn()
    estate.journal.close()
    count = len(estate.records())
    path = estate.files()[0]
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(bytes(content))
    journal = Journal.open(estate.data_dir, "gateway")
    assert journal.durable_index == count + 1
    journal.close()
    assert verify(estate.data_dir).code == 1


def test_what_a_crash_left_of_a_draft_is_removed(estate: Estate, tmp_path: Path) -> None:
    left = estate.folder / f"{estate.files()[0].name}.rewritten"
    left.write_bytes(b"half")
    estate.keeper().turn()
    assert not left.exists()
    assert verify(estate.data_dir).code == 0


def test_tiles_that_were_made_before_go_on_after(estate: Estate) -> None:
    shelf = Shelf(estate.data_dir, "gateway")
    before = shelf.catch_up()
    estate.keeper().turn()
    estate.write(4)
    estate.keeper().turn()
    estate.journal.close()
    assert shelf.catch_up() == Shelf(estate.data_dir, "gateway", estate.data_dir / "anew").catch_up() > before


@pytest.mark.parametrize("groups", [0, 1])
def test_upkeep_that_is_told_to_stop_leaves_the_file_as_it_is(estate: Estate, groups: int) -> None:
    before, log = estate.files()[0].read_bytes(), estate.journal.log
    asked: list[int] = []

    def pause() -> bool:
        asked.append(1)
        return len(asked) > groups

    done = seal(Premises(log.folder, log.signer, log.keys), pause)
    assert (done is None) == (groups == 0)
    assert (estate.files()[0].read_bytes() == before) == (groups == 0)
    assert not list(estate.folder.glob("*.rewritten"))
