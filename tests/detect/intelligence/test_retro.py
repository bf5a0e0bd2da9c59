"""The past, searched for what has just arrived."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.alerts.plain import PlainAdmission
from watchkeeper.detect.detector import Detector, Place
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import Source
from watchkeeper.detect.intelligence.model import Draft, Read, Type
from watchkeeper.detect.intelligence.retro import Progress, Retro, progress_of
from watchkeeper.detect.intelligence.sightings import sightings
from watchkeeper.detect.intelligence.stage import Intelligence
from watchkeeper.detect.model import Detection
from watchkeeper.detect.proving.past import Past
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.events import Event, Journal, JournalReader, new_event
from watchkeeper.events.catalogue.fits import misfit
from watchkeeper.events.lake.search import Search

NOW = ManualClock().now()
DAY = 86_400_000_000
pytestmark = pytest.mark.behaviour("intel.retro")


def call(text: str, time: int) -> Event:
    body = {"method": "tools/call", "status": 200, "route": "files", "rules": [], "arguments": text}
    return new_event(time, "gateway.request.decided", actor="agent:a", server="files", target="read", body=body)


class House:
    """A journal with a past, a store, a search of it."""

    def __init__(self, folder: Path, *events: Event) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.library = Library(folder, self.clock)
        self.found: queue.Queue[Detection] = queue.Queue()
        self.told: list[dict[str, Any]] = []
        self.stop = threading.Event()
        journal = Journal.open(folder, "gateway")
        for event in events:
            journal.record(event)
        journal.close()

    def take(self, *values: str, **more: Any) -> None:
        drafts = [Draft(type=Type.DOMAIN, value=value, **more) for value in values]
        self.library.take(Source(name="one"), Read(drafts=drafts))

    def retro(self, found: queue.Queue[Detection] | None = None, days: int = 30) -> Retro:
        return Retro(
            self.library, lambda since, until: Past(Search(self.folder), since, until), found or self.found, self.clock,
            days=days, minimum=30, tell=lambda what, name, body: self.told.append(body),
        )  # fmt: skip

    def search(self, **more: Any) -> Progress | None:
        return self.retro(**more).search_arrivals(self.stop)

    def groups(self) -> list[tuple[str, int]]:
        return [(one.group, one.event.time) for one in list(self.found.queue)]


def test_arrivals_are_looked_for_in_the_past_once(tmp_path: Path) -> None:
    house = House(tmp_path, call("evil.net", NOW - DAY), call("evil.net", NOW - 40 * DAY), call("good.net", NOW - DAY))
    house.take("evil.net", valid_from=NOW)
    done = house.search()
    assert house.groups() == [("d:evil.net", NOW - DAY)]
    assert done == Progress(
        state="done", indicators=1, begins=NOW - 30 * DAY, ends=NOW, events=2, found=1, at=NOW
    )  # fmt: skip
    assert (progress_of(house.library), house.library.waiting(), house.search()) == (done, 0, None)
    event = new_event(
        NOW, "detect.intelligence.searched", actor="system:w", target="past", outcome="success", body=house.told[0]
    )
    assert misfit(event) == ""


def test_a_search_that_is_stopped_is_made_again(tmp_path: Path) -> None:
    house = House(tmp_path, call("evil.net", NOW - DAY))
    house.take("evil.net")
    house.stop.set()
    assert (house.search(), house.library.waiting()) == (None, 1)
    house.stop.clear()
    assert (house.search() is not None, house.groups()) == (True, [("d:evil.net", NOW - DAY)])


def test_what_half_the_past_shows_is_told_a_hundred_times_and_counted_beyond(tmp_path: Path) -> None:
    house = House(tmp_path, *(call("evil.net", NOW - DAY + number) for number in range(130)))
    house.take("evil.net")
    done = house.search()
    assert (done is not None and done.found, len(house.groups())) == (130, 100)


class Turns(threading.Event):
    """Waits for nothing, and is set after so many waits."""

    def __init__(self, many: int) -> None:
        super().__init__()
        self.left = many

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        if self.left < 0:
            self.set()
        return self.is_set()


def test_a_search_whose_failure_cannot_even_be_noted_is_made_again(tmp_path: Path) -> None:
    house = House(tmp_path, call("evil.net", NOW - DAY))
    house.take("evil.net")
    notes = house.library.folder / "retro.json"
    (notes / "full").mkdir(parents=True)  # whoever writes a file in its place gets an error, as on a full disk
    house.retro().run(Turns(3))
    assert house.library.waiting() == 1
    (notes / "full").rmdir()
    notes.rmdir()
    house.retro().run(Turns(1))
    assert (house.library.waiting(), progress_of(house.library).state) == (0, "done")


def test_without_a_past_to_search_arrivals_are_let_go(tmp_path: Path) -> None:
    house = House(tmp_path, call("evil.net", NOW - DAY))
    house.take("evil.net")
    assert (house.search(days=0), house.groups(), house.library.waiting()) == (None, [], 0)


def test_an_arrival_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.take("evil.net")
    next(house.library.arrivals.glob("*.bin")).write_bytes(b"\xc1")
    with pytest.raises(Unavailable):
        house.search()


def test_through_the_stream_the_past_raises_an_alert_and_a_sighting_but_not_twice(tmp_path: Path) -> None:
    house = House(tmp_path, call("evil.net", NOW - DAY), call("later.net", NOW - DAY))
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    journal = Journal.open(tmp_path, "watch")
    house.take("later.net")
    stage = Intelligence(house.library, minimum=30)
    court = Court(Loop(()), (stage,), PlainAdmission())
    detector = Detector(court, Place(journal, JournalReader(tmp_path), database), clock=house.clock)
    detector.step()  # the stream has seen both events, and knew one of the values
    house.take("evil.net", "later.net")
    house.retro(stage.past).search_arrivals(house.stop)
    for _ in range(3):
        house.clock.advance(2_000_000)
        detector.step()
    detector.save()
    journal.close()
    records = JournalReader(tmp_path).read({}, limit=100)
    alerts = [one.event for one in records if one.event and one.event.kind == "detect.alert.raised"]
    assert sorted((one.body["group"], one.body["found"].get("retro", False), misfit(one)) for one in alerts) == [
        ("d:evil.net", True, ""), ("d:later.net", False, ""),
    ]  # fmt: skip
    assert {one.body["event_time"] for one in alerts} == {NOW - DAY}
    seen = sightings(database)
    assert {key: (one.count, one.past) for key, one in seen.items()} == {"d:evil.net": (1, 1), "d:later.net": (1, 0)}
    database.close()
