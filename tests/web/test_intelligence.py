"""The page of intelligence: over a real store, and with hostile words in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watchkeeper.app.intelligence_view import IntelligenceView
from watchkeeper.app.settings import load
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import Source
from watchkeeper.detect.intelligence.model import Draft, Read, Tlp, Type
from watchkeeper.detect.intelligence.sightings import MEMORY, Sighting
from watchkeeper.detect.stream.state import Commit, State

HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J"
DAY = 86_400_000_000
pytestmark = pytest.mark.behaviour("intel.page")
Fetch = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Library:
    """A store in which a feed is stale, another was never asked, and a file was taken in."""
    library = Library(tmp_path / "store", clock)
    now = clock.now()
    drafts = [
        Draft(type=Type.DOMAIN, value="evil.net", title=HOSTILE, confidence=90),
        Draft(type=Type.SERVER, value="<b>weather</b>"),
        Draft(type=Type.IP, value="10.0.0.1"),
    ]
    library.take(Source(name="own", tlp=Tlp.GREEN), Read(drafts=drafts))
    stale = Source(name="sector", kind="taxii", url="https://taxii.test/", added=now - 9 * DAY, polled=now - DAY)
    library.add_source(msgspec.structs.replace(stale, trouble=f"answered 500 {HOSTILE}", succeeded=now - 8 * DAY))
    library.add_source(Source(name="new", kind="list", url="https://list.test/", added=now))
    return library


@pytest.fixture
def view(store: Library, tmp_path: Path, clock: ManualClock) -> Any:
    """The store as the page is handed it, with a sighting that the stream has committed."""
    database = Database.at(tmp_path / "store" / "state.db")
    database.create_missing_tables()
    now = clock.now()
    seen = Sighting("default", "d:evil.net", now - DAY, now, 7, 2, HOSTILE, "agent:ann", "event-1")
    row = msgspec.msgpack.encode(seen)
    State(database, "detect").commit(Commit(cursor={}, changes={MEMORY: {"default\x1fd:evil.net": row}}))
    with closing(database):
        yield IntelligenceView(load(None, tmp_path / "store"), database, clock)


def page(serve_console: Any, desk: Any, view: Any, path: str = "/intelligence") -> str:
    services = replace(desk.services(), intelligence=view) if view is not None else desk.services()
    with serve_console(services) as console, console.inside() as client:
        answer = client.get(path)
    assert answer.status_code == 200
    return str(answer.text)


def test_it_shows_how_fresh_each_source_is_and_what_was_seen(serve_console: Any, desk: Any, view: Any) -> None:
    text = page(serve_console, desk, view)
    for word in ("STALE", "not asked yet", "imported by hand", "sector", "d:evil"[2:], "agent:ann", "2 found later"):
        assert word in text
    assert 'href="/events/event-1"' in text


def test_hostile_words_are_shown_and_obeyed_by_nobody(serve_console: Any, desk: Any, view: Any) -> None:
    text = page(serve_console, desk, view, "/intelligence?q=" + "www.evil.net+%3Cscript%3E")
    assert ("<script>alert" in text, "\u202e" in text, "\x1b" in text, "<b>weather" in text) == (False,) * 4
    assert "looked for" in text
    assert "U+202E" in text


def test_an_empty_store_teaches_and_no_answer_is_not_good_news(
    serve_console: Any, desk: Any, tmp_path: Path, clock: ManualClock
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    database = Database.at(folder / "state.db")
    database.create_missing_tables()
    with closing(database):
        text = page(
            serve_console, desk, IntelligenceView(load(None, folder), database, clock), "/intelligence?q=good.net"
        )
    for word in ("No sources", "intel import", "Nothing is looked for", "does not make it harmless", "intel retro"):
        assert word in text
    text = page(serve_console, desk, None)
    assert (text.count("nobody knows"), "No sources" in text) == (3, False)
