"""Retention removes records and keeps every proof; a hold or a reader that is behind keeps the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.errors import Conflict, NotFound, Unavailable
from watchkeeper.events import Journal, JournalReader
from watchkeeper.events.journal import note, prove_position, verifier, verify
from watchkeeper.events.journal.model import Position
from watchkeeper.events.journal.note import origin_of
from watchkeeper.events.journal.reading.scan import Scan
from watchkeeper.events.journal.tree import Tree, leaf_hashes
from watchkeeper.events.journal.upkeep import Guards, Premises, Register, RetentionSettings, prune, status
from watchkeeper.events.journal.upkeep.retention import DAY, Candidate, rule
from watchkeeper.events.journal.verifying.verification import public_key_of

Estate = Any

THIRTY = RetentionSettings(days=30)


def notes_of(data_dir: Path) -> list[bytes]:
    """Every checkpoint that the log has, as somebody may have copied it."""
    public = public_key_of(data_dir, "gateway")
    folder = data_dir / "journal" / "gateway"
    return [frame.note for _, frame in Scan(folder, origin_of("gateway", public), public).frames()]


@pytest.mark.behaviour("journal.retention-keeps-proofs")
def test_pruned_records_are_gone_and_everything_stays_provable(estate: Estate) -> None:
    proof, copied = prove_position(estate.data_dir, Position("gateway", 5)), notes_of(estate.data_dir)
    estate.clock.advance(31 * DAY)
    estate.write(2)
    sealed, pruned = estate.keeper(THIRTY).turn()
    assert [done.file for done in pruned] == [done.file for done in sealed[: len(pruned)]]
    assert len(pruned) >= 2
    records = estate.records()
    gone = sum(done.records for done in pruned)
    assert [record.absent for record in records[: gone + 1]] == ["removed"] * gone + [""]
    assert {record.record for record in records[:gone]} == {b""}
    report = verify(estate.data_dir)
    assert (report.code, report.logs[0].removed, report.logs[0].erased) == (0, gone, 0)
    assert all(done.after < done.before / 2 for done in pruned)
    # 1. a proof that was exported before stands, against its own checkpoint
    verifier.check(proof, proof["key"])
    # 2. what is kept can be proven, what is removed cannot
    kept = prove_position(estate.data_dir, Position("gateway", gone))
    verifier.check(kept, kept["key"])
    with pytest.raises(NotFound):
        prove_position(estate.data_dir, Position("gateway", 5))
    # 3. every checkpoint ever signed is of the same tree
    public = public_key_of(estate.data_dir, "gateway")
    scan = Scan(estate.folder, origin_of("gateway", public), public)
    leaves = [leaf for _, frame in scan.frames() for leaf in leaf_hashes(frame.entries)]
    for old in copied:
        checkpoint, _ = note.read(old)
        tree = Tree()
        tree.extend(leaves[: checkpoint.size])
        assert tree.root() == checkpoint.root


@pytest.mark.behaviour("journal.pruning-is-recorded")
def test_what_was_pruned_is_recorded_and_the_log_goes_on(estate: Estate) -> None:
    estate.clock.advance(31 * DAY)
    _, pruned = estate.keeper(THIRTY).turn()
    told = estate.told("journal.segment.pruned")
    assert [(body["index"], body["records"]) for body in told] == [(done.first, done.records) for done in pruned]
    assert estate.keeper(THIRTY).turn()[1] == []
    estate.journal.close()
    journal = Journal.open(estate.data_dir, "gateway")
    journal.close()
    found = status(estate.data_dir, "gateway")
    forms = [file.form for file in found.files]
    assert forms[: len(pruned)] == ["pruned"] * len(pruned)
    assert forms[-1] == "open"
    assert found.removed == sum(done.records for done in pruned)
    assert verify(estate.data_dir).code == 0


@pytest.mark.behaviour("journal.retention-waits-for-holds-and-readers")
def test_a_hold_keeps_the_records(estate: Estate) -> None:
    estate.clock.advance(31 * DAY)
    asked: list[tuple[int, int]] = []

    def is_held(first: int, last: int) -> bool:
        asked.append((first, last))
        return True

    keeper = estate.keeper(THIRTY, Guards(is_held=is_held))
    assert keeper.turn()[1] == []
    assert {ruling.reason for ruling in keeper.rulings()} == {"under a legal hold"}
    assert all(first <= last for first, last in asked)


@pytest.mark.behaviour("journal.retention-waits-for-holds-and-readers")
def test_a_reader_that_is_behind_keeps_the_records_up_to_a_bound_and_then_its_loss_is_counted(estate: Estate) -> None:
    register = Register(estate.data_dir)
    register.note("lake", {"gateway": 10})
    guards = Guards(cursors=register.cursors)
    estate.clock.advance(36 * DAY)
    keeper = estate.keeper(THIRTY, guards)
    assert keeper.turn()[1] == []
    assert keeper.rulings()[0].reason == "not read yet by lake"
    estate.clock.advance(2 * DAY)
    _, pruned = keeper.turn()
    lost = estate.told("journal.reader.passed_over")
    assert sum(body["unread"]["lake"] for body in lost) == sum(done.records for done in pruned) - 10


def test_a_register_that_cannot_be_read_keeps_everything(estate: Estate) -> None:
    (estate.data_dir / "readers").mkdir()
    (estate.data_dir / "readers" / "lake.json").write_bytes(b"{")
    estate.clock.advance(99 * DAY)
    keeper = estate.keeper(THIRTY, Guards(cursors=Register(estate.data_dir).cursors))
    with pytest.raises(Unavailable):
        keeper.turn()
    assert status(estate.data_dir, "gateway").removed == 0


def test_only_a_sealed_file_is_pruned(estate: Estate) -> None:
    log = estate.journal.log
    with pytest.raises(Conflict):
        prune(Premises(log.folder, log.signer, log.keys), "00000000000000099999.seg")


def test_a_reader_that_starts_anew_is_told_what_is_removed_and_goes_on(estate: Estate) -> None:
    estate.clock.advance(31 * DAY)
    estate.write(1)
    estate.keeper(THIRTY).turn()
    reader, cursor, seen = JournalReader(estate.data_dir), {"gateway": 0}, []
    waiting = reader.waiting(cursor)["gateway"]
    while records := reader.read(cursor, 7):
        seen += records
        cursor = {"gateway": records[-1].position.index + 1}
    reader.close()
    assert [record.position.index for record in seen] == list(range(len(seen)))
    assert seen[-1].event is not None
    assert waiting.first == [record.absent for record in seen].count("removed") > 0


def candidate(number: int, age_days: int, form: str = "sealed") -> Candidate:
    last = -age_days * DAY
    return Candidate(
        f"{number}.seg", number * 100, number * 100 + 100, (last - DAY, last), (last - DAY, last), 1_000_000, form
    )


def removed(candidates: list[Candidate], settings: RetentionSettings, guards: Guards | None = None) -> list[str]:
    return [each.file for each in rule(candidates, settings, guards or Guards(), "gateway", 0) if each.is_removed]


def test_age_size_and_form_decide() -> None:
    files = [candidate(0, 50, "pruned"), candidate(1, 40), candidate(2, 31), candidate(3, 2), candidate(4, 1, "plain")]
    assert removed(files, RetentionSettings()) == []
    assert removed(files, THIRTY) == ["1.seg", "2.seg"]
    assert removed(files, RetentionSettings(megabytes=3)) == ["1.seg", "2.seg"]
    assert removed(files, RetentionSettings(megabytes=1)) == ["1.seg", "2.seg", "3.seg"]
    held = Guards(is_held=lambda first, last: first <= -35 * DAY <= last or last < -35 * DAY)
    assert removed(files, THIRTY, held) == ["2.seg"]
