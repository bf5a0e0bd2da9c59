"""The page of on-call over real HTTP, with a real rota, real pages that wait, and a real pause of the switch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.respond.oncall.conftest import settings_of
from watchkeeper.app.oncall import ground_of, sources_of
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.app.standby_view import StandbyView
from watchkeeper.core.clock import SECOND
from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, JournalReader, Severity
from watchkeeper.events.model import VERSION
from watchkeeper.respond.deadman.pausing import pause_at
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.oncall.book import OncallBook
from watchkeeper.respond.oncall.handover import Handovers
from watchkeeper.respond.oncall.model import Override
from watchkeeper.respond.oncall.paging import Ground, Paging
from watchkeeper.respond.oncall.reading import plan_of
from watchkeeper.respond.oncall.settings import LayerSettings, OncallSettings, PersonSettings
from watchkeeper.respond.settings import RespondSettings

FORM = {"Sec-Fetch-Site": "same-origin"}
HOSTILE = "<script>alert(1)</script>\u202e\u200b"


@dataclass
class Shift:
    """A served console, and on-call behind it."""

    running: Any
    platform: Platform
    paging: Paging
    handovers: Handovers
    book: OncallBook

    def incident(self, number: int = 1, title: str = "A tool changed", severity: int = 5) -> None:
        now = self.platform.clock.now()
        body = {"number": f"INC-2026-{number:04}", "title": title, "state": "open"}
        self.book.hear(
            Event(
                v=VERSION,
                id=derived_id("incident event", number),
                time=now,
                kind="respond.incident.opened",
                actor="system:respond",
                target=f"incident-{number}",
                severity=Severity(severity),
                body=body,
            ),
            {"gateway": number},
        )
        self.paging.round()

    def overrides(self) -> list[Override]:
        return self.book.overrides()


def served(
    serve: Callable[..., AbstractContextManager[Any]], desk: Any, data: Path, oncall: OncallSettings
) -> Iterator[Shift]:
    loaded = Loaded(Settings(respond=RespondSettings(oncall=oncall)), data)
    with opened(data, "gateway") as platform, closing(JournalReader(data)) as reader:
        for name in ("ada", "eve"):
            platform.roster.invite(name, "responder", "operator:root")
        ledger, plan = Ledger(platform.database, platform.journal, reader), plan_of(oncall)
        ground: Ground = ground_of(platform, ledger)
        paging, handovers = Paging(ground, plan), Handovers(ground, plan, sources_of(platform, ledger))
        book = OncallBook(platform.database, ledger, platform.clock, plan)
        with serve(replace(desk.services(), standby=StandbyView(platform, loaded))) as running:
            yield Shift(running, platform, paging, handovers, book)


@pytest.fixture
def shift(serve_console: Callable[..., AbstractContextManager[Any]], desk: Any, tmp_path: Path) -> Iterator[Shift]:
    people = {name: PersonSettings(channels=("pager",)) for name in ("ada", "eve")}
    oncall = settings_of(people=people, layers=(LayerSettings(people=("ada",)),))
    yield from served(serve_console, desk, tmp_path / "data", oncall)


def act(client: httpx.Client, act: str, **said: str) -> httpx.Response:
    return client.post("/oncall/act", data={"act": act, **said}, headers=FORM)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.behaviour("web.oncall")
def test_who_is_called_takes_on_stands_in_and_accepts_what_is_handed_over(shift: Shift) -> None:
    shift.handovers.round()
    shift.incident()
    with shift.running.inside("ada") as ada, shift.running.inside("eve") as eve:
        page = ada.get("/oncall").text
        for part in ("main", "ada", "A tool changed", "INC-2026-0001", "nobody", "by pager"):
            assert part in words(page), part
        assert act(ada, "override", rota="main", person="eve", lasting="8h", reason="dentist").status_code == 303
        (override,) = shift.overrides()
        assert (override.person, override.by, override.ends_at - override.begins_at) == (
            "eve", "operator:ada", 8 * 3600 * SECOND,
        )  # fmt: skip
        shift.handovers.round()
        (report,) = shift.handovers.latest()
        refused = act(ada, "accept", handover=report.id)
        assert (refused.status_code, "by the incoming person" in words(refused.text)) == (403, True)
        assert "I have read it" not in ada.get("/oncall").text
        shown = eve.get("/oncall").text
        assert "I have read it" in shown
        assert "taken by NOBODY" in words(shown)
        assert act(eve, "accept", handover=report.id).status_code == 303
        assert act(eve, "ack", incident="incident-1").status_code == 303
        assert "operator:eve" in words(eve.get("/oncall").text)
        assert act(eve, "quiet", lasting="2h", reason="asleep").status_code == 303
        assert "asleep" in words(ada.get("/oncall").text)
        assert act(ada, "override_end", override=override.id).status_code == 303
    assert shift.overrides() == []
    assert shift.handovers.latest()[0].accepted_by == "operator:eve"


@pytest.mark.behaviour("web.oncall-roles")
def test_viewers_look_analysts_take_on_responders_pause_the_switch_and_arrange(shift: Shift) -> None:
    now = shift.platform.clock.now
    pausing = {"lasting": "30m", "reason": "new kernel"}
    with shift.running.inside("ada") as client:
        shift.incident()
        shift.running.everybody.role = "viewer"
        page = client.get("/oncall").text
        assert ("A tool changed" in page, 'action="/oncall/act"' in page) == (True, False)
        assert act(client, "ack", incident="incident-1").status_code == 403
        shift.running.everybody.role = "analyst"
        assert act(client, "pause", **pausing).status_code == 403
        assert act(client, "override", rota="main", person="eve", lasting="8h", reason="x").status_code == 403
        shift.running.everybody.role = "responder"
        assert client.post("/oncall/act", data={"act": "pause", **pausing}).status_code == 403
        assert act(client, "pause", **pausing).status_code == 303
        made = pause_at(shift.platform.database, now())
        assert made is not None
        assert (made.by, made.reason) == ("operator:ada", "new kernel")
        assert "Paused until" in words(client.get("/oncall").text)
        assert act(client, "resume").status_code == 303
    assert pause_at(shift.platform.database, now()) is None


@pytest.mark.parametrize("said", [
    {"act": "nothing"}, {"act": "pause", "lasting": "5h", "reason": "x"},
    {"act": "pause", "lasting": "", "reason": "x"},
    {"act": "pause", "lasting": "30m", "reason": " "}, {"act": "ack", "incident": "none"}, {"act": "resume"},
    {"act": "override", "rota": "none", "person": "eve", "lasting": "1h", "reason": "x"},
    {"act": "override", "rota": "main", "person": "eve", "lasting": "1h", "reason": "x", "begins": "soon"},
    {"act": "accept", "handover": "none"}, {"act": "override_end", "override": "none"},
])  # fmt: skip
def test_a_form_that_makes_no_sense_is_refused_with_the_reason(shift: Shift, said: dict[str, str]) -> None:
    with shift.running.inside("ada") as client:
        answer = act(client, **said)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


@pytest.mark.behaviour("web.oncall")
def test_hostile_titles_and_reasons_are_inert_and_an_empty_page_teaches(
    shift: Shift, serve_console: Callable[..., AbstractContextManager[Any]], desk: Any, tmp_path: Path
) -> None:
    shift.handovers.round()
    shift.incident(title=HOSTILE)
    with shift.running.inside("ada") as client:
        assert act(client, "override", rota="main", person="eve", lasting="8h", reason=HOSTILE).status_code == 303
        shift.handovers.round()
        page = client.get("/oncall").text
        assert "<script>alert" not in page
        assert not {"\u202e", "\u200b"} & set(page)
        assert "U+202E" in page


def test_without_a_rota_the_page_says_that_nobody_is_called(
    serve_console: Callable[..., AbstractContextManager[Any]], desk: Any, tmp_path: Path
) -> None:
    for shift in served(serve_console, desk, tmp_path / "data", OncallSettings()):
        with shift.running.inside("ada") as client:
            page = words(client.get("/oncall").text)
        assert "Nobody is on call" in page
        assert "docs/guides/on-call.md" in page
        assert "When all this is silent, nobody is told" in page
