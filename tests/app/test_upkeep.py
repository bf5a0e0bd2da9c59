"""What the product's parts say to the journal's retention: holds, and how far each reader has come."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from watchkeeper.app import watch
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import load
from watchkeeper.app.upkeep import guards_of, note_all, registering
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Unavailable, Untrusted, WatchkeeperError
from watchkeeper.core.lasting import Lasting
from watchkeeper.events import Journal, JournalReader, JournalSettings, new_event
from watchkeeper.events.journal.upkeep import Keeper, Register, RetentionSettings
from watchkeeper.events.lake.holds import Hold, Holds, Scope


@pytest.mark.behaviour("journal.retention-waits-for-holds-and-readers")
def test_the_lakes_holds_are_asked_and_a_damaged_register_stops_removal(tmp_path: Path) -> None:
    guards = guards_of(tmp_path)
    assert not guards.is_held(0, 100)
    scope = Scope(actor="agent:ada", since=50, until=60)
    Holds(tmp_path).place(Hold(name="case-7", reason="a case", by="operator:olga", placed_at=1, scope=scope))
    held = [guards.is_held(*times) for times in ((0, 49), (0, 50), (55, 56), (59, 99), (60, 99))]
    assert held == [False, True, True, True, False]
    (tmp_path / "lake" / "holds.json").write_bytes(b"{")
    with pytest.raises(WatchkeeperError):
        guards.is_held(0, 1)


@pytest.mark.behaviour("journal.retention-waits-for-holds-and-readers")
@pytest.mark.behaviour("lake.holds.do-not-vanish")
def test_a_journal_is_pruned_when_nothing_is_held_and_nobody_doubts_that(tmp_path: Path) -> None:
    clock = ManualClock()
    journal = Journal.open(tmp_path, "gateway", clock, JournalSettings(segment_bytes=8192))
    for number in range(60):
        event = new_event(
            clock.now(), "gateway.request.decided", actor="agent:ada", body={"id": number, "text": "x" * 200}
        )
        journal.wait(journal.append(event))
    keeper = Keeper(journal, RetentionSettings(days=1), clock, guards_of(tmp_path))
    assert keeper.turn()[1] == []
    clock.advance(3 * 86_400 * SECOND)
    scope = Scope(actor="agent:ada")
    Holds(tmp_path).place(Hold(name="case-7", reason="a case", by="operator:olga", placed_at=1, scope=scope))
    assert keeper.turn()[1] == []
    assert {ruling.reason for ruling in keeper.rulings()} == {"under a legal hold"}
    (tmp_path / "lake" / "holds.json").unlink()
    with pytest.raises(Untrusted, match="is gone"):
        keeper.turn()
    assert JournalReader(tmp_path).removed("gateway") == []
    Holds(tmp_path).restore()
    assert keeper.turn()[1] == []
    Holds(tmp_path).lift("case-7")
    assert len(keeper.turn()[1]) > 1
    assert JournalReader(tmp_path).removed("gateway") != []
    journal.close()


def test_readers_are_registered_while_they_are_there_and_forgotten_afterwards(tmp_path: Path) -> None:
    register, stop = Register(tmp_path), threading.Event()
    register.note("sink.gone", {"gateway": 1})
    stop.set()
    registering(tmp_path, {"lake": lambda: {"gateway": 7}, "detect": lambda: None})(stop)
    assert register.cursors("gateway") == {"lake": 7}


def test_a_reader_whose_place_is_not_known_keeps_its_old_one(tmp_path: Path) -> None:
    def broken() -> dict[str, int]:
        raise Unavailable("the disk is gone", hint="look at it")

    register = Register(tmp_path)
    register.note("lake", {"gateway": 7})
    note_all(Register(tmp_path), {"lake": broken}, {"lake": Lasting(logging.getLogger("tests"), "not known")})
    assert register.cursors("gateway") == {"lake": 7}


def test_whatever_follows_the_journal_in_the_watch_is_asked_how_far_it_has_come(tmp_path: Path) -> None:
    """An alert that response has not read yet must not be removed."""
    loaded = load(None, tmp_path)
    with opened(tmp_path, "watch") as platform:
        respond = watch._respond(loaded, platform)
        detector, lake = watch.Detection(loaded, platform), watch.lake_reader(loaded, platform)
        respond.intake.save_cursor({"watch": 7})
        cursors = watch._cursors(lake, detector, respond)
        assert set(cursors) == {"lake", "detect", "respond"}
        assert cursors["respond"]() == {"watch": 7}
