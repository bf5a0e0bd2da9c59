"""Searches of the console: so many at once, each for so long, none for somebody who has gone; the console goes on."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.app.searching import EventsView
from watchkeeper.app.turns import Turns
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.patience import GaveUp, Patience, go_on, wait_with
from watchkeeper.events import Journal
from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Found, Search, Snapshot
from watchkeeper.events.model import new_event
from watchkeeper.events.search.counting import count

BOUND = 20.0
T = 1_790_000_000_000_000


def endless() -> None:
    """What takes for ever, as the lake's engine does it: it asks now and then whether it shall go on."""
    pause = threading.Event()
    while True:
        go_on()
        pause.wait(0.01)


@pytest.mark.behaviour("web.searches-bounded")
def test_so_many_searches_run_at_once_and_the_next_is_told_to_wait() -> None:
    turns, begun, release = Turns(2, wait=0.05), threading.Semaphore(0), threading.Event()

    def work() -> str:
        begun.release()
        assert release.wait(BOUND)
        return "done"

    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(turns.take(work))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert all(begun.acquire(timeout=BOUND) for _ in threads)
    with pytest.raises(Unavailable, match="2 searches are being answered already"):
        turns.take(lambda: "none")
    release.set()
    for thread in threads:
        thread.join(BOUND)
    assert answers == ["done", "done"]
    assert turns.take(lambda: "free") == "free"


@pytest.mark.behaviour("web.searches-bounded")
def test_a_search_that_takes_too_long_is_given_up_and_keeps_its_turn_until_it_ends() -> None:
    turns, release, ended = Turns(1, seconds=0.05, wait=0.05), threading.Event(), threading.Event()

    def stubborn() -> None:
        release.wait(BOUND)
        ended.set()

    with pytest.raises(Unavailable, match="took longer than"):
        turns.take(stubborn)
    with pytest.raises(Unavailable, match="answered already"):
        turns.take(lambda: None)
    release.set()
    assert ended.wait(BOUND)
    with pytest.raises(Unavailable, match="took longer than"):
        Turns(1, seconds=0.05).take(endless)
    with pytest.raises(ZeroDivisionError):
        Turns(1).take(lambda: 1 // 0)


@pytest.mark.behaviour("web.searches-bounded")
def test_a_search_of_the_lake_ends_at_its_next_step_and_the_lake_is_not_blamed(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "gateway")
    journal.record(new_event(T, "gateway.request.decided"))
    journal.close()
    with LakeReader(tmp_path) as lake:
        lake.fill()
    search, patience = Search(tmp_path), Patience()
    caught: list[GaveUp] = []

    def ask() -> None:
        wait_with(patience)
        assert len(search.events(unbounded=True, kind="gateway.request")) == 1
        patience.leave()
        for work in (
            lambda: search.events(unbounded=True),
            lambda: count(search, Filter()),
            lambda: list(search.beyond(Snapshot())),
        ):
            try:
                work()
            except GaveUp as error:
                caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(BOUND)
    assert len(caught) == 3
    assert search.snapshot().note == ""


class Endless(Search):
    """A lake so large that a search of it never ends by itself."""

    def __init__(self, data: Path, clock: ManualClock) -> None:
        super().__init__(data, clock)
        self.begun, self.ended = threading.Event(), threading.Event()

    def events(self, **_: Any) -> Found:
        self.begun.set()
        try:
            endless()
        finally:
            self.ended.set()
        raise AssertionError


@pytest.fixture
def place(tmp_path: Path, clock: ManualClock) -> Endless:
    data = tmp_path / "place"
    Journal.open(data, "gateway", clock).close()
    return Endless(data, clock)


@pytest.mark.behaviour("web.searches-cancelled")
@pytest.mark.parametrize("path", ["/api/events", "/events"])
def test_when_the_client_leaves_its_search_ends_and_the_console_goes_on(
    place: Endless, desk: Any, clock: ManualClock, serve_console: Any, path: str, tmp_path: Path
) -> None:
    view = EventsView(place, tmp_path, clock, lambda _: None, turns=Turns(1, seconds=BOUND, wait=0.05))
    with serve_console(replace(desk.services(), events=view)) as running:
        running.roster.invite("ada", "viewer", "operator:root")
        token, _ = running.tokens.mint("ada", ["events:read"], 3600, "operator:root")
        with running.inside() as client:
            cookie = "; ".join(f"{one.name}={one.value}" for one in client.cookies.jar)
            url = client.base_url
            headers = f"Host: {url.host}\r\nAuthorization: Bearer {token}\r\nCookie: {cookie}\r\n"
            with socket.create_connection((url.host, url.port)) as leaving:
                leaving.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
                assert place.begun.wait(BOUND)
                busy = client.get("/api/events", headers={"Authorization": f"Bearer {token}"})
                assert (busy.status_code, "answered already" in busy.text) == (503, True)
                assert client.get("/servers").status_code == 200
            assert place.ended.wait(BOUND)
            assert view.ask("", "1h", "").text == ""
