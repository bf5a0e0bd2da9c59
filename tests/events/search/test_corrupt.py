"""A corrupt part of the journal: everything else is found, and whoever asks is told which range is not."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import NotFound
from watchkeeper.events.journal import Journal
from watchkeeper.events.journal.forms.frame import MAGIC
from watchkeeper.events.journal.reading.telling import telling_reader
from watchkeeper.events.lake.filters import Filter
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.sql.model import Range
from watchkeeper.events.lake.sql.running import Lake
from watchkeeper.events.model import Event, new_event
from watchkeeper.events.search.counting import count
from watchkeeper.events.search.export import export
from watchkeeper.events.search.following import Follower

T = 1_790_000_000_000_000
WANTED = Filter(kind="gateway.request")


def damaged(data: Path, *, at_the_end: bool) -> list[Event]:
    """Six calls, each a commit of its own, and one in another log; one of the six cannot be read any more."""
    events = [new_event(T + at, "gateway.request.decided", target=f"t{at}") for at in range(7)]
    journal = Journal.open(data, "gateway")
    for event in events[:6]:
        journal.record(event)
    journal.close()
    other = Journal.open(data, "other")
    other.record(events[6])
    other.close()
    file = next((data / "journal" / "gateway").glob("*.seg"))
    content = bytearray(file.read_bytes())
    places = [at for at in range(len(content)) if content.startswith(MAGIC, at)]
    content[places[-1 if at_the_end else 3] + (0 if at_the_end else 200)] ^= 1
    file.write_bytes(bytes(content))
    return events


@pytest.fixture(params=[False, True], ids=["in the middle", "at the end"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[Event], str]:
    """The folder, what can be read, and the words for what cannot."""
    data = tmp_path / "data"
    events = damaged(data, at_the_end=request.param)
    lost = 5 if request.param else 2
    words = "all from record 6 on of the log gateway" if request.param else "records 3 to 3 of the log gateway"
    return data, [event for at, event in enumerate(events) if at != lost], f"{words} cannot be read"


@pytest.mark.behaviour("search.corrupt-range-is-named")
def test_what_can_be_read_is_found_and_the_rest_is_named(place: tuple[Path, list[Event], str]) -> None:
    data, readable, words = place
    search = Search(data)
    for _ in range(2):  # a long-lived one says it each time
        found = search.events(unbounded=True, kind="gateway.request", newest_first=False)
        assert list(found) == readable
        assert found.note == words
    with pytest.raises(NotFound) as caught:
        search.get("0199a000-0000-7000-8000-000000000000")
    assert words in caught.value.hint


@pytest.mark.behaviour("search.corrupt-range-is-named")
def test_what_the_lake_holds_already_is_not_missed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    journal = Journal.open(data, "gateway")
    journal.record(new_event(T, "gateway.request.decided"))
    journal.close()
    with LakeReader(data) as lake:
        lake.fill()
    file = next((data / "journal" / "gateway").glob("*.seg"))
    content = bytearray(file.read_bytes())
    content[-200] ^= 1
    file.write_bytes(bytes(content))
    found = Search(data).events(unbounded=True, kind="gateway.request")
    assert (len(found), found.note) == (1, "")


@pytest.mark.behaviour("search.corrupt-range-is-named")
def test_sql_answers_too_and_names_it(place: tuple[Path, list[Event], str]) -> None:
    data, readable, words = place
    lake = Lake(data)
    answer = lake.run(lake.prepare("SELECT count(*) FROM events WHERE kind = 'gateway.request.decided'", Range()))
    assert (answer.rows, answer.missing, answer.unreadable) == (((len(readable),),), words, 0)


@pytest.mark.behaviour("search.corrupt-range-is-named")
def test_what_the_lake_passed_over_is_named_by_everybody_later(tmp_path: Path) -> None:
    data, recorded = tmp_path / "data", list[Event]()
    damaged(data, at_the_end=False)
    with LakeReader(data, journal=telling_reader(data, "lake", recorded.append, ManualClock(T))) as lake:
        lake.fill()
    words = "records 3 to 3 of the log gateway cannot be read"
    found = Search(data).events(unbounded=True)
    assert (found.from_journal, found.note) == (0, words)
    sql = Lake(data)
    assert sql.run(sql.prepare("SELECT count(*) FROM events", Range())).missing == words
    assert len(recorded) == 1


@pytest.mark.behaviour("search.corrupt-range-is-named")
def test_counts_and_exports_and_following_say_it_too(place: tuple[Path, list[Event], str], tmp_path: Path) -> None:
    data, readable, words = place
    counts = count(Search(data), WANTED, clock=ManualClock(T + 1000))
    assert (counts.total, counts.note) == (len(readable), words)
    manifest = export(Search(data), WANTED, tmp_path / "out.jsonl", form="jsonl", query="", now=T)
    assert (manifest.events, words in manifest.note) == (len(readable), True)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == len(readable)
    wanted = msgspec.structs.replace(WANTED, since=0, until=T + 1000)
    follower = Follower(data, wanted, from_the_end=False, clock=ManualClock(T + 1000))
    heard = list(follower.heard(threading.Event(), 0.001))
    assert {event.id for one in heard for event in one.events} == {event.id for event in readable}
    assert [note for one in heard for note in one.notes if "record" in note] == [words]
