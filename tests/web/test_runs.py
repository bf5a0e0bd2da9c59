"""The list of runs over real HTTP: pages, states, filters and words, over rows that response itself made."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.web.plays import OWN
from watchkeeper.app.platform import opened
from watchkeeper.app.playing_view import PlayingView
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.events import JournalReader
from watchkeeper.respond._store import RunRow
from watchkeeper.respond.asking import PlaybookDesk
from watchkeeper.respond.gates.book import Gates, Wanted
from watchkeeper.respond.gates.model import GateKind, GateSpec
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.intake import Intake
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Alert
from watchkeeper.respond.planning import Authority
from watchkeeper.respond.service import load_actions, load_shelf
from watchkeeper.respond.settings import RespondSettings

MANY = 53
"""More than a page."""


@dataclass
class Many:
    """A served console, and runs of two incidents behind it."""

    running: Any
    view: PlayingView
    first: list[str]
    """Of INC-…-0001, the oldest first: look_first. One waits, one failed, one was done."""
    other: str
    """Of INC-…-0002: another playbook, asked for by eve."""
    numbers: list[str]


@pytest.fixture
def many(serve_console: Callable[..., AbstractContextManager[Any]], desk: Any, tmp_path: Path) -> Iterator[Many]:
    own = tmp_path / "own"
    own.mkdir()
    (own / "look_first.yaml").write_text(OWN)
    (own / "look_twice.yaml").write_text(OWN.replace("id: look_first", "id: look_twice"))
    settings = RespondSettings(playbooks=str(own))
    with opened(tmp_path / "data", "gateway") as on:
        ledger = Ledger(on.database, on.journal, JournalReader(on.data_dir))
        intake = Intake(on.database, ledger, on.clock, RespondSettings())
        for number, title in enumerate(("100% odd", "A tool changed"), 1):
            intake.take(Alert(f"a-{number}", on.clock.now(), "r", title, 4, server=f"s{number}", target="read_file"))
        actions, asking = load_actions(), PlaybookDesk(on.database, ledger, on.clock)
        shelf = {one.playbook.id: one for one in load_shelf(settings, actions).playbooks}
        numbers = sorted(incident.number for incident in IncidentDesk(on.database, ledger, on.clock).list())

        def begin(name: str, incident: int, by: str) -> str:
            authority = Authority(frozenset())
            asked = asking.ask(shelf[name], numbers[incident], actions, authority, by=by, reason="to see")
            return str(asked["run"])

        first = [begin("look_first", 0, "operator:ada") for _ in range(MANY)]
        other = begin("look_twice", 1, "operator:eve")
        spec = GateSpec(what="hold it", by=("responder",))
        Gates(on.database, ledger, on.clock).open(Wanted(first[0], "", "hold", GateKind.APPROVAL, spec))
        with on.database.write() as session:  # as response leaves runs that are over
            for run, outcome in ((first[1], "failure"), (first[2], "success")):
                row = session.get_one(RunRow, run)
                row.state, row.outcome = "finished", outcome
        view = PlayingView(on, Loaded(Settings(respond=settings), on.data_dir))
        with serve_console(replace(desk.services(), playing=view)) as running:
            yield Many(running, view, first, other, numbers)


def runs_on(page: str) -> list[str]:
    return re.findall(r'data-key-row="([^"]+)"', page)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.behaviour("web.run-list")
def test_runs_are_paged_counted_filtered_and_searched_by_addresses_and_by_acts(many: Many) -> None:
    newest = [many.other, *reversed(many.first)]
    with many.running.inside("ada") as client:

        def seen(query: str = "") -> list[str]:
            return runs_on(client.get(f"/runs{query}").text)

        page = client.get("/runs").text
        assert runs_on(page) == newest[:50]
        assert "50 of 54" in page
        older = re.search(r'href="([^"]+)" rel="next"', page)
        assert older is not None
        assert seen(html.unescape(older[1])[5:]) == newest[50:]
        assert (seen("?page=9"), "There are not so many" in client.get("/runs?page=9").text) == ([], True)
        counts = {"all": 54, "open": 52, "waiting": 1, "parked": 0, "ended": 2, "failed": 1}
        told = re.findall(r">(\w+) <span class=\"tally\">(\d+)<", page)
        assert {word: int(many) for word, many in told} == counts
        assert seen("?state=waiting") == [many.first[0]]
        assert "waits for a person" in words(client.get("/runs?state=waiting").text)
        assert seen("?state=failed") == [many.first[1]]
        assert seen("?state=ended") == seen("?state=finished") == [many.first[2], many.first[1]]
        assert seen("?playbook=look_twice") == seen("?q=TOOL+twice") == seen("?q=operator:eve") == [many.other]
        assert seen(f"?incident={many.numbers[1]}") == [many.other]
        assert seen(f"?incident={many.numbers[1]}&state=failed") == []
        assert len(seen("?q=100%25")) == 50
        assert seen("?q=1%25d") == []  # a percent sign is itself
        assert "No run is like that" in words(client.get("/runs?q=nothing-like-that").text)
        assert "there is no incident" in words(client.get("/runs?incident=INC-none").text)
        for odd in ("?page=0", "?page=-1", "?page=x", "?state=odd", "?page=99999"):
            assert client.get(f"/runs{odd}").status_code == 200
        many.running.everybody.role = "viewer"
        assert client.get("/runs").status_code == 200
    acts = many.view._acts.acts
    rows = acts["playbooks.runs"]({"playbook": "look_first", "words": "ada", "limit": 3, "offset": 1})
    assert [row["id"] for row in rows] == list(reversed(many.first))[1:4]
    assert [row["waits"] for row in acts["playbooks.runs"]({"state": "waiting"})] == [True]
    assert len(acts["playbooks.runs"]({"state": "pending"})) == 50
    with pytest.raises(Invalid):
        acts["playbooks.runs"]({"state": "odd"})
    with pytest.raises(NotFound):
        acts["playbooks.runs"]({"incident": "INC-none"})
