"""Copies and comparisons over a life of a journal: honest growth, a rewritten past, a cut end, a silent place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.events.anchors.conftest import append
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.events import Event
from watchkeeper.events.anchors.comparing import compare
from watchkeeper.events.anchors.folder import FolderPlace
from watchkeeper.events.anchors.keeper import Keeper, Placed
from watchkeeper.events.anchors.model import Compared, read_name
from watchkeeper.events.anchors.place import Place
from watchkeeper.events.journal import verify

Make = Callable[..., Event]


class Kept:
    """A keeper and what it told."""

    def __init__(self, data_dir: Path, *places: Place) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        placed = [Placed(place, 60, 3600) for place in places]
        self.keeper = Keeper(data_dir, placed, self.events.append, self.clock)

    def round(self, seconds: int = 0) -> list[str]:
        """What is told in a round some time later."""
        self.clock.advance(seconds * SECOND)
        known = len(self.events)
        self.keeper.round()
        return [event.kind for event in self.events[known:]]


@pytest.fixture
def data(tmp_path: Path, make_event: Make) -> Path:
    append(tmp_path / "data", make_event, 0, 20)
    return tmp_path / "data"


def forget(data_dir: Path) -> None:
    """What root can do: everything of the log but its key is gone."""
    shutil.rmtree(data_dir / "journal" / "gateway")
    shutil.rmtree(data_dir / "run")


def of(found: list[Compared], writer: str = "gateway") -> Compared:
    return next(one for one in found if one.writer == writer)


@pytest.mark.behaviour("journal.anchors-copied")
def test_a_log_that_only_grows_fits_every_copy(data: Path, place: Place, make_event: Make) -> None:
    kept = Kept(data, place)
    assert kept.round() == []
    append(data, make_event, 100, 10)
    append(data, make_event, 0, 5, writer="watch")
    assert kept.round(30) == [], "not due yet"
    assert len([name for name in place.names("gateway") if read_name(name)]) == 1
    kept.round(31)
    kept.round(4000)
    assert [read_name(name).size for name in place.names("gateway") if read_name(name)] == [21, 32]
    assert [read_name(name).size for name in place.names("watch") if read_name(name)] == [6]
    (state,) = kept.keeper.state()
    assert (state.contradictions, state.failing_since, state.sizes) == (0, 0, {"gateway": 32, "watch": 6})
    found = of(compare(data, [place]))
    assert (found.copies, found.newest, found.log, found.contradictions, found.failure) == (2, 32, 32, (), "")


@pytest.mark.behaviour("journal.anchors-catch-root")
def test_a_past_rewritten_with_the_logs_own_key_contradicts_its_copies(
    data: Path, place: Place, make_event: Make
) -> None:
    kept = Kept(data, place)
    kept.round()
    forget(data)
    append(data, make_event, 500, 40)
    assert verify(data).code == 0, "the log by itself shows nothing"
    assert kept.round(4000) == ["journal.anchor.contradicted"]
    event = kept.events[-1]
    assert (event.severity, event.target, event.body["size"]) == (5, "gateway", 21)
    assert "rewritten" in event.body["reason"]
    assert event.body["note"].startswith("watchkeeper/")
    assert kept.keeper.state()[0].contradictions == 1
    assert Kept(data, place).round() == ["journal.anchor.contradicted"], "and again at the next start"


@pytest.mark.behaviour("journal.anchors-catch-root")
def test_a_cut_log_contradicts_its_copies(data: Path, place: Place, make_event: Make) -> None:
    append(data, make_event, 100, 10)
    Kept(data, place).round()
    forget(data)
    append(data, make_event, 0, 3)
    kept = Kept(data, place)
    assert kept.round() == ["journal.anchor.contradicted"]
    assert "was cut" in kept.events[0].body["reason"]


def test_another_key_and_a_log_that_is_gone_contradict_their_copies(data: Path, place: Place, make_event: Make) -> None:
    Kept(data, place).round()
    forget(data)
    (found,) = compare(data, [place])
    assert [one.reason for one in found.contradictions] == ["the log is gone"]
    (data / "keys" / "journal-gateway.pem").unlink()
    append(data, make_event, 0, 20)
    (found,) = compare(data, [place])
    assert "another key" in found.contradictions[0].reason


def test_a_damaged_copy_is_counted_and_proves_nothing(data: Path, tmp_path: Path) -> None:
    place = FolderPlace("vault", tmp_path / "vault")
    (tmp_path / "vault").mkdir()
    Kept(data, place).round()
    name = next(name for name in place.names("gateway") if read_name(name))
    forged = name[:25] + ("0" if name[25] != "0" else "1") + name[26:]
    (tmp_path / "vault" / "gateway" / forged).write_bytes(place.get("gateway", name))
    found = of(compare(data, [place]))
    assert (found.copies, found.contradictions, found.unreadable) == (2, (), 1)


@pytest.mark.behaviour("journal.anchors-unreachable-said")
def test_a_silent_place_is_said_once_asked_again_and_heard_again(data: Path, tmp_path: Path) -> None:
    place = FolderPlace("vault", tmp_path / "vault")
    kept = Kept(data, place)
    assert kept.round() == ["journal.anchor.failed"]
    assert "there is no folder" in kept.events[0].body["why"]
    assert kept.round(15) == []
    state = kept.keeper.state()[0]
    assert (state.copied_at, state.compared_at) == (0, 0)
    assert state.failing_since == kept.events[0].time
    (tmp_path / "vault").mkdir()
    assert kept.round(100) == ["journal.anchor.resumed"]
    assert kept.keeper.state()[0].failing_since == 0
    assert len(list(place.names("gateway"))) == 2


def test_one_silent_place_does_not_keep_another_from_its_copies(data: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    here = FolderPlace("here", tmp_path / "here")
    kept = Kept(data, FolderPlace("gone", tmp_path / "gone"), here)
    assert kept.round() == ["journal.anchor.failed"]
    assert len(list(here.names("gateway"))) == 2
    found = compare(data, [FolderPlace("gone", tmp_path / "gone"), here])
    assert {(one.place, bool(one.failure), one.copies) for one in found} == {("gone", True, 0), ("here", False, 1)}


def test_the_last_checkpoint_is_copied_when_everything_has_ended(data: Path, tmp_path: Path, make_event: Make) -> None:
    (tmp_path / "vault").mkdir()
    place = FolderPlace("vault", tmp_path / "vault")
    kept = Kept(data, place)
    kept.round()
    append(data, make_event, 100, 4)
    kept.keeper.close()
    assert [read_name(name).size for name in place.names("gateway") if read_name(name)] == [21, 26]


def test_a_place_that_fails_while_a_log_cannot_record_is_only_logged(data: Path, tmp_path: Path) -> None:
    def refuse(_: Event) -> None:
        raise Unavailable("the journal cannot be written")

    from watchkeeper.core.errors import Unavailable

    keeper = Keeper(data, [Placed(FolderPlace("gone", tmp_path / "gone"), 1, 1)], refuse, ManualClock())
    keeper.round()
    assert keeper.state()[0].failing_since
