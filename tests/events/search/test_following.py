"""Following: each event once and soon, across files, restarts, erasures and a lake."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.events.journal import Journal, JournalSettings
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.model import Event, new_event
from watchkeeper.events.search.following import Follower, Heard

T = 1_790_000_000_000_000
DENIED = Filter(outcome="deny")


def call(at: int, outcome: str = "deny", **fields: object) -> Event:
    return new_event(T + at, "gateway.request.decided", outcome=outcome, **fields)


class Listener:
    """A follower in a thread of its own, and what it heard."""

    def __init__(self, follower: Follower) -> None:
        self.stop = threading.Event()
        self.news = threading.Condition()
        self.heard: list[Heard] = []
        self._thread = threading.Thread(target=self._run, args=(follower,))
        self._thread.start()

    def _run(self, follower: Follower) -> None:
        for heard in follower.heard(self.stop, 0.01):
            with self.news:
                self.heard.append(heard)
                self.news.notify_all()

    def events(self) -> list[str]:
        return [event.target for heard in self.heard for event in heard.events]

    def wait_for(self, done: Callable[[], bool]) -> None:
        with self.news:
            assert self.news.wait_for(done, timeout=20), self.heard

    def end(self) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def listen() -> Iterator[Callable[[Follower], Listener]]:
    made: list[Listener] = []

    def begin(follower: Follower) -> Listener:
        made.append(Listener(follower))
        return made[-1]

    yield begin
    for listener in made:
        listener.end()


@pytest.mark.behaviour("tail.each-once")
def test_what_matches_is_heard_once_across_files_and_restarts(
    tmp_path: Path, listen: Callable[[Follower], Listener]
) -> None:
    small = JournalSettings(segment_bytes=4096)
    follower = Follower(tmp_path, DENIED, from_the_end=False)
    listener = listen(follower)
    for restart in range(3):
        journal = Journal.open(tmp_path, "gateway", settings=small)
        for at in range(20):
            journal.record(call(at, "deny" if at % 2 else "allow", target=f"{restart}/{at}"))
        journal.close()
    listener.wait_for(lambda: len(listener.events()) >= 30)
    assert len(list((tmp_path / "journal" / "gateway").glob("*.seg"))) > 1
    assert listener.events() == [f"{restart}/{at}" for restart in range(3) for at in range(20) if at % 2]


@pytest.mark.behaviour("tail.from-now-or-since")
def test_it_begins_at_the_end_or_with_what_is_there_already(
    tmp_path: Path, record: Callable[..., None], listen: Callable[[Follower], Listener]
) -> None:
    record(tmp_path, [call(0, target="lake")])
    with LakeReader(tmp_path) as lake:
        lake.fill()
    record(tmp_path, [call(1, target="journal")])
    from_now = listen(Follower(tmp_path, DENIED))
    both = listen(Follower(tmp_path, DENIED, from_the_end=False))
    both.wait_for(lambda: len(both.events()) == 2)
    record(tmp_path, [call(2, target="new")], "other")
    both.wait_for(lambda: len(both.events()) == 3)
    assert both.events() == ["lake", "journal", "new"]
    from_now.end()
    assert "lake" not in from_now.events()


@pytest.mark.behaviour("tail.gaps-are-said")
def test_what_nobody_can_read_is_counted(
    tmp_path: Path, record: Callable[..., None], listen: Callable[[Follower], Listener]
) -> None:
    record(tmp_path, [call(0, actor="agent:gone"), call(1, target="stays")])
    SubjectKeys(tmp_path).erase("agent:gone")
    listener = listen(Follower(tmp_path, DENIED, from_the_end=False))
    listener.wait_for(lambda: "stays" in listener.events())
    assert sum(heard.unreadable for heard in listener.heard) == 1


@pytest.mark.behaviour("tail.replaced-log")
def test_a_log_that_was_put_back_is_said_and_read_from_its_beginning(
    tmp_path: Path, record: Callable[..., None], listen: Callable[[Follower], Listener]
) -> None:
    data = tmp_path / "data"
    record(data, [call(0, target="a")])
    shutil.copytree(data, tmp_path / "copy")
    record(data, [call(1, target="b")])
    follower = Follower(data, DENIED, from_the_end=False)
    first = listen(follower)
    first.wait_for(lambda: first.events() == ["a", "b"])
    first.end()
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "copy", data)
    second = listen(follower)
    second.wait_for(lambda: any(heard.notes for heard in second.heard))
    second.wait_for(lambda: second.events() == ["a"])
    assert "read from its beginning" in second.heard[0].notes[0]


@pytest.mark.behaviour("tail.range-ends")
def test_it_ends_by_itself_when_the_range_is_over(tmp_path: Path, record: Callable[..., None]) -> None:
    record(tmp_path, [call(0, target="in"), call(100, target="behind")])
    follower = Follower(tmp_path, Filter(outcome="deny", until=T + 50), from_the_end=False, clock=ManualClock(T + 60))
    assert [event.target for heard in follower.heard(threading.Event()) for event in heard.events] == ["in"]
