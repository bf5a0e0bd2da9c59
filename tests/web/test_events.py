"""The console's searches over a real journal: found, narrowed, told, proven, exported, and by whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import httpx
import pytest

from watchkeeper.app.searching import EventsView
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Denied, Unavailable
from watchkeeper.events import Event, Journal
from watchkeeper.events.journal import verifier
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.operators import Acting
from watchkeeper.policy.persons import May, PersonRules
from watchkeeper.web.searching import Place

HOSTILE = '<script>alert(1)</script>"\u202e\x1b[2J=cmd()'


def require(acting: Acting) -> None:
    if not PersonRules().may(May(acting.actor, acting.role, "read_events", "", acting.scopes)).is_given:
        raise Denied("this token is not for reading events")


@pytest.fixture
def place(tmp_path: Path, clock: ManualClock, make_event: Callable[..., Event]) -> tuple[Path, list[Event]]:
    """Five calls, one of them of another tenant, one from the future, one hostile; three are in the lake."""
    data, now = tmp_path / "place", clock.now()
    body = {"reason": HOSTILE, "capture": {"result": {"mode": "metadata", "kept": 0, "of": 91}}}
    events = [
        make_event(now - 300 * SECOND, "deny", server="git", target="git_push", body={"reason": "no pushing"}),
        make_event(now - 200 * SECOND, server="git", target="git_log"),
        make_event(now - 100 * SECOND, server=HOSTILE, target=HOSTILE, actor=f"agent:{HOSTILE}", body=body),
        make_event(now - 50 * SECOND, tenant="other", target="foreign"),
        make_event(now + 3600 * SECOND, target="tomorrow"),
    ]
    journal = Journal.open(data, "gateway", clock)
    for event in events[:3]:
        journal.record(event)
    with LakeReader(data) as lake:
        lake.fill()
    for event in events[3:]:
        journal.record(event)
    journal.close()
    return data, events


@pytest.fixture
def running(place: tuple[Path, list[Event]], desk: Any, clock: ManualClock, serve_console: Any) -> Iterator[Any]:
    view = EventsView(Search(place[0], clock), place[0], clock, require)
    with serve_console(replace(desk.services(), events=view)) as console:
        yield console


@pytest.fixture
def client(running: Any) -> Iterator[httpx.Client]:
    with running.inside() as client:
        yield client


def rows(page: str) -> list[str]:
    return [part.split('"', 1)[0] for part in page.split('data-row="')[1:]]


@pytest.mark.behaviour("web.events-search")
def test_a_search_shows_what_matches_with_its_counts(client: httpx.Client, place: tuple[Path, list[Event]]) -> None:
    page = client.get("/events", params={"q": "server:git", "since": "1h"}).text
    assert rows(page) == [place[1][1].id, place[1][0].id]
    assert "2 events" in page
    assert "foreign" not in client.get("/events", params={"since": "all"}).text, "another tenant's"


@pytest.mark.behaviour("web.events-narrow")
def test_each_count_and_value_is_a_link_that_narrows_or_leaves_out(
    client: httpx.Client, place: tuple[Path, list[Event]]
) -> None:
    page = client.get("/events", params={"since": "1h", "q": "kind:gateway.request"}).text
    asked = [
        parse_qs(urlparse(unescape(part.split('"', 1)[0])).query).get("q", [""])[0] for part in page.split('href="')
    ]
    for wanted, found in (("outcome:deny", [0]), ("-server:git", [4, 2]), ("target:git_log", [1])):
        text = f"kind:gateway.request {wanted}"
        assert text in asked
        narrowed = client.get("/events", params={"since": "1h", "q": text}).text
        assert rows(narrowed) == [place[1][at].id for at in found]
    hostile = next(text for text in asked if text.startswith("kind:gateway.request server:") and "script" in text)
    assert rows(client.get("/events", params={"since": "1h", "q": hostile}).text) == [place[1][2].id]


@pytest.mark.behaviour("web.events-error-points")
def test_a_bad_query_is_shown_with_its_place(client: httpx.Client) -> None:
    answer = client.get("/events", params={"q": "server:git severty:high"})
    assert answer.status_code == 400
    assert "<mark><bdi>severty</bdi></mark>" in answer.text
    assert "did you mean severity:?" in answer.text
    for params in ({"since": "1h", "until": "2h"}, {"since": "yesterday"}, {"q": "x" * 9000}, {"after": "no cursor"}):
        assert client.get("/events", params=params).status_code == 400, params


@pytest.mark.behaviour("web.events-inert")
def test_hostile_words_stay_words(client: httpx.Client, place: tuple[Path, list[Event]]) -> None:
    event = place[1][2].id
    for path in ("/events?since=all", f"/events/{event}", f"/conversations/{event}"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert not set(page) & set("\u202e\x1b")
        assert "U+202E" in page


@pytest.mark.behaviour("web.events-left-out")
def test_what_policy_did_not_keep_and_what_is_of_the_future_is_said(
    client: httpx.Client, place: tuple[Path, list[Event]]
) -> None:
    page = client.get("/events?since=all").text
    assert "result: not kept by policy (metadata, 91 bytes)" in page
    assert "1 of these claim to be later than now" in page
    assert "not kept by policy" in client.get(f"/events/{place[1][2].id}").text


@pytest.mark.behaviour("web.events-permanent")
def test_an_event_has_a_page_for_good_with_neighbours_proof_and_ocsf(
    client: httpx.Client, place: tuple[Path, list[Event]]
) -> None:
    event = place[1][1]
    page = client.get(f"/events/{event.id}").text
    assert f"/events/{place[1][0].id}" in page
    assert f"/events/{place[1][2].id}" in page
    assert "&#34;class_uid&#34;" in page
    proof = client.get(f"/events/{event.id}/proof")
    assert proof.headers["content-disposition"] == f'attachment; filename="proof-{event.id}.json"'
    assert verifier.check(json.loads(proof.text))
    assert json.loads(json.loads(proof.text)["record"])["id"] == event.id
    assert client.get(f"/events/{place[1][3].id}").status_code == 404, "another tenant's"


@pytest.mark.behaviour("web.events-conversation")
def test_a_conversation_is_told(client: httpx.Client, place: tuple[Path, list[Event]]) -> None:
    page = client.get(f"/conversations/{place[1][0].id}").text
    assert "a guess" in page
    assert "the request is denied: no pushing" in page
    assert client.get("/conversations/none").status_code == 404


@pytest.mark.behaviour("web.events-export")
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "ocsf"])
def test_a_search_is_taken_away_as_a_file(client: httpx.Client, place: tuple[Path, list[Event]], form: str) -> None:
    answer = client.get("/events/export", params={"q": "server:git", "since": "1h", "format": form})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    if form == "jsonl":
        assert [json.loads(line)["id"] for line in answer.text.splitlines()] == [event.id for event in place[1][:2]]
    if form == "csv":
        assert len(answer.text.splitlines()) == 3
    if form == "parquet":
        assert answer.content[:4] == answer.content[-4:] == b"PAR1"
    assert client.get("/events/export", params={"format": "exe"}).status_code == 400
    assert client.get("/events/export", params={"q": "("}).status_code == 400


@pytest.mark.behaviour("web.events-export-few")
def test_only_so_many_exports_are_made_at_once(place: tuple[Path, list[Event]], clock: ManualClock) -> None:
    view = EventsView(Search(place[0], clock), place[0], clock, require)
    asked = view.ask("", "1h", "")
    held = [view.export(asked, "jsonl") for _ in range(2)]
    assert all(next(pieces) for pieces in held)
    with pytest.raises(Unavailable):
        next(view.export(asked, "jsonl"))
    for pieces in held:
        pieces.close()  # type: ignore[attr-defined]
    assert next(view.export(asked, "jsonl"))


@pytest.mark.behaviour("web.events-api")
def test_a_token_for_events_reads_them_and_no_other_does(running: Any, place: tuple[Path, list[Event]]) -> None:
    running.roster.invite("ada", "viewer", "operator:root")
    good, _ = running.tokens.mint("ada", ["events:read"], 3600, "operator:root")
    other, _ = running.tokens.mint("ada", ["approvals:read"], 3600, "operator:root")
    with running.client() as client:
        paths = (
            "/api/events",
            "/api/events/counts",
            f"/api/events/{place[1][0].id}",
            f"/api/conversations/{place[1][0].id}",
        )
        for path in paths:
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"Authorization": f"Bearer {other}"}).status_code == 403
            assert client.get(path, headers={"Authorization": f"Bearer {good}"}).status_code == 200, path
        client.headers["Authorization"] = f"Bearer {good}"
        asked = {"limit": 2, "since": "all", "q": "kind:gateway.request"}
        first = client.get("/api/events", params=asked).json()
        second = client.get("/api/events", params=asked | {"after": first["next"]}).json()
        found = [event["id"] for event in (*first["events"], *second["events"])]
        assert found == [place[1][at].id for at in (4, 2, 1, 0)]
        assert second["next"] == ""
        bad = client.get("/api/events", params={"q": "a severty:x"}).json()
        assert (bad["code"], bad["at"], bad["length"]) == ("invalid", 2, 7)
        assert client.get("/api/events", params={"limit": "0"}).status_code == 400


@pytest.mark.behaviour("web.events-follow")
def test_following_looks_again_and_a_fixed_range_does_not(client: httpx.Client) -> None:
    assert 'data-every="2"' in client.get("/events?follow=1").text
    assert 'data-every="0"' in client.get("/events").text


def test_an_empty_folder_says_what_would_fill_it(
    tmp_path: Path, desk: Any, clock: ManualClock, serve_console: Any
) -> None:
    with serve_console(desk.services()) as console, console.inside() as client:
        assert "Nothing is recorded yet" in client.get("/events?since=all").text
        assert "Nothing matches" in client.get("/events?q=x").text
        desk.is_broken = True
        assert "unknown" in client.get("/events").text


def test_a_link_holds_whatever_a_value_is() -> None:
    place = Place("", "1h", "")
    asked = parse_qs(urlparse(place.only("server", 'a b"\\')).query)
    assert asked == {"q": ['server:"a b\\"\\\\"'], "since": ["1h"]}
