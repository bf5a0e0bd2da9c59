"""The pages about hunts and coverage over what really lies below: run by an address, with ways on; gaps as gaps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.app.detection_views import CoverageView
from watchkeeper.app.hunting import book_of
from watchkeeper.app.hunts_view import HuntsView
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.core.clock import SECOND
from watchkeeper.detect.hunts.standing.model import Run, Schedule
from watchkeeper.events import new_event

Serve = Callable[..., AbstractContextManager[Any]]
HOSTILE = '<script>alert(1)</script>"\u202e'


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path / "data", "gateway") as platform:
        yield platform


@pytest.fixture
def pages(platform: Platform, serve_console: Serve, desk: Any) -> Iterator[Any]:
    hunts, coverage = HuntsView(platform), CoverageView(Loaded(Settings(), platform.data_dir), platform)
    with serve_console(replace(desk.services(), hunts=hunts, coverage=coverage)) as running, running.inside() as client:
        yield client


@pytest.mark.behaviour("web.hunts")
def test_a_hunt_is_run_by_its_address_and_each_row_leads_on(platform: Platform, pages: Any) -> None:
    now = platform.clock.now()
    for number in range(2):
        platform.journal.record(
            new_event(now - number, "gateway.request.decided", actor=HOSTILE, server="s", target="t", outcome="allow")
        )
    book = book_of(platform)
    schedule = book.put(Schedule(hunt="traffic_by_tool", every=3600 * SECOND, alert="medium"), "operator:ada")
    failed = Run(id="r", hunt="traffic_by_tool", tenant="default", at=now, failure="the query was stopped after 60 s")
    book.keep(schedule, failed, None)
    listed = pages.get("/hunts").text
    assert "raises <bdi" in listed
    assert "the query was stopped after 60 s" in listed
    shown = pages.get("/hunts/actor_last_100")
    assert (shown.status_code, "Nothing runs it but you" in shown.text) == (200, True)
    missing = pages.get("/hunts/actor_last_100?run=1")
    assert (missing.status_code, "actor is missing" in missing.text) == (200, True)
    found = pages.get("/hunts/actor_last_100", params={"run": "1", "p.actor": HOSTILE, "since": "1d"})
    assert "2 rows" in found.text
    assert "<script>" not in found.text
    links = re.findall(r'href="(/events\?[^"]+)"[^>]*>same server', found.text)
    assert links[0].startswith("/events?q=server%3As")
    assert pages.get("/hunts/nothing").status_code == 404
    odd = pages.get("/hunts/traffic_by_tool?run=1&since=yesterday")
    assert (odd.status_code, "not run" in odd.text) == (200, True)


@pytest.mark.behaviour("web.coverage")
def test_the_matrix_shows_what_was_executed_what_was_missed_and_the_gaps_alone(platform: Platform, pages: Any) -> None:
    assert "No attack was executed on this estate" in pages.get("/coverage").text
    now = platform.clock.now()
    for name, tag, detected in (("rug", "t1201", [{"name": "tool_changed"}]), ("quiet", "t1915", [])):
        body = {"techniques": [f"safe-mcp.{tag}"], "detected": detected}
        platform.journal.record(new_event(now, "exercise.attack.executed", target=name, body=body))
    fresh = CoverageView(Loaded(Settings(), platform.data_dir), platform).coverage()
    assert {one.attack: bool(one.detected_by) for one in fresh.attacks} == {"rug": True, "quiet": False}
    atlas = pages.get("/coverage?framework=atlas&gaps=1").text
    cells = re.findall(r'<li class="([a-z -]+)"', atlas)
    assert set(cells) == {"gap"}
    assert "MITRE" in atlas
    assert "There is no such catalogue" in pages.get("/coverage?framework=x").text


@pytest.mark.behaviour("web.hunts")
def test_where_nothing_is_wired_the_pages_say_so(serve_console: Serve, desk: Any) -> None:
    with serve_console(desk.services()) as running, running.inside() as client:
        assert "hunts are not at hand here" in client.get("/hunts").text
        assert client.get("/hunts/traffic_by_tool").status_code == 503
        assert "coverage is not at hand here" in client.get("/coverage").text
