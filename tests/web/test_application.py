"""The console over real HTTP: who gets in, what each page says, what every answer carries."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Conflict
from watchkeeper.core.ids import new_token
from watchkeeper.events import Event, new_event
from watchkeeper.policy.persons import PersonRules
from watchkeeper.web import ConsoleSettings
from watchkeeper.web.application import bind, build, serve
from watchkeeper.web.guard import HEADERS, Doors
from watchkeeper.web.model import Anchor, IncidentRow, OrderRow, TrafficQuery, Writer

PAGES = ["/", "/approvals", "/traffic", "/servers", "/incidents", "/journal"]
Serve = Callable[..., AbstractContextManager[Any]]


@pytest.mark.behaviour("web.no-session-no-page")
@pytest.mark.parametrize("path", [*PAGES, "/events/x", "/definition", "/incidents/x", "/nowhere", "/?live=1"])
def test_without_a_session_there_is_only_the_way_to_a_link(console: Any, busy_desk: Any, path: str) -> None:
    with console.client() as client:
        answer = client.get(path)
    assert answer.status_code == 401
    assert "watchkeeper console link" in answer.text
    assert "support-desk" not in answer.text


def test_the_door_is_open_and_looking_at_it_spends_nothing(console: Any) -> None:
    token = console.operators.issue_link("ada", "operator:root")
    with console.client() as client:
        for _ in range(3):
            assert client.get("/enter").status_code == 200
        entered = console.enter(client, token)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert client.get("/").status_code == 200
        again = console.enter(client, token)
        assert again.status_code == 403
        assert "was used" in again.text


@pytest.mark.behaviour("web.session-cookie-is-strict")
def test_the_cookie_cannot_be_read_or_sent_by_others(console: Any) -> None:
    with console.client() as client:
        answer = console.enter(client, console.operators.issue_link("ada", "operator:root"))
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("watchkeeper-0=wksession_")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {
        "httponly",
        "samesite=strict",
        "path=/",
        "max-age=43200",
    }


def test_behind_tls_the_cookie_is_bound_to_the_host(serve_console: Serve, desk: Any) -> None:
    with serve_console(desk.services(), ConsoleSettings(port=0, tls=True)) as running, running.client() as client:
        answer = running.enter(client, running.operators.issue_link("ada", "operator:root"))
    assert answer.headers["set-cookie"].startswith("__Host-watchkeeper=")
    assert "secure" in answer.headers["set-cookie"].lower()


def test_leaving_ends_the_session(console: Any) -> None:
    with console.inside() as client:
        kept = client.cookies["watchkeeper-0"]
        assert client.post("/leave", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
        assert client.get("/").status_code == 401
        client.cookies.set("watchkeeper-0", kept)
        assert client.get("/").status_code == 401


def test_a_dead_cookie_is_taken_away(console: Any) -> None:
    with console.inside() as client:
        console.clock.advance(13 * 3600 * SECOND)
        answer = client.get("/")
        assert answer.status_code == 401
        assert "max-age=0" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("header", ["Authorization", "Cookie"])
def test_an_agents_bearer_token_opens_no_page(console: Any, header: str) -> None:
    token = new_token("wk")
    value = f"Bearer {token}" if header == "Authorization" else f"watchkeeper-0={token}"
    with console.client() as client:
        assert client.get("/", headers={header: value}).status_code == 401


@pytest.mark.behaviour("web.foreign-host-refused")
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "2130706433"])
def test_a_rebound_name_is_refused(console: Any, host: str) -> None:
    with console.inside() as client:
        answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 400
    assert "Overview" not in answer.text or "<h1>Overview" not in answer.text


@pytest.mark.parametrize("host", ["localhost:7300", "127.0.0.1", "[::1]:7300", "LOCALHOST", "console.example:443"])
def test_our_own_names_are_served(serve_console: Serve, desk: Any, host: str) -> None:
    settings = ConsoleSettings(port=0, names=("console.example",))
    with serve_console(desk.services(), settings) as running, running.inside() as client:
        assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.behaviour("web.foreign-forms-refused")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_a_form_of_another_site_changes_nothing(console: Any, headers: dict[str, str]) -> None:
    token = console.operators.issue_link("ada", "operator:root")
    with console.client() as client:
        assert client.post("/enter", data={"token": token}, headers=headers).status_code == 403
        assert console.enter(client, token).status_code == 303


def test_a_browser_without_fetch_metadata_is_known_by_its_origin(console: Any) -> None:
    token = console.operators.issue_link("ada", "operator:root")
    with console.client() as client:
        assert client.post("/enter", data={"token": token}, headers={"Origin": console.url}).status_code == 303


@pytest.mark.behaviour("web.strict-headers-everywhere")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/events/none", 404),
        ("PUT", "/", 405),
        ("GET", "/static/live.js", 200),
        ("GET", "/static/..%2fapplication.py", 404),
        ("GET", "/healthz", 200),
        ("POST", "/enter", 403),
    ],
)
def test_every_answer_carries_the_strict_headers(console: Any, method: str, path: str, status: int) -> None:
    with console.inside() as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == ("private, max-age=86400" if "live.js" in path else "no-store")
    assert "server" not in answer.headers


def test_health_says_nothing_but_that_it_lives(console: Any) -> None:
    with console.client() as client:
        assert client.get("/healthz").text == "ok\n"


def test_a_form_of_a_gigabyte_is_not_read(console: Any) -> None:
    with console.client() as client:
        big = {"token": "x" * 100_000}
        assert client.post("/enter", data=big, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 413


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_console_teaches_what_will_come(console: Any, path: str) -> None:
    with console.inside() as client:
        page = client.get(path).text
    assert 'class="empty"' in page
    assert "StrictUndefined" not in page


@pytest.mark.behaviour("web.missing-data-is-said")
@pytest.mark.parametrize("path", PAGES)
def test_what_cannot_be_read_is_said_to_be_unknown(console: Any, desk: Any, path: str) -> None:
    desk.is_broken = True
    with console.inside() as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert "the control state cannot be read. check the disk" in answer.text
    assert 'class="empty"' not in answer.text.replace("No servers", "")
    assert 'class="badge good"' not in answer.text
    assert '<div class="health warn"' in answer.text


def test_the_whole_is_fine_only_when_that_is_known(console: Any, desk: Any) -> None:
    with console.inside() as client:
        assert 'class="health warn"' in client.get("/").text
        desk.logs.append(Writer("gateway", 1, 1, 1, "00", "intact", 1, 1))
        assert 'class="health good"' in client.get("/").text
        desk.logs.append(Writer("watch", 1, 1, 1, "00", "tampered", 1, 1))
        assert 'class="health bad"' in client.get("/").text


def test_the_first_screen_shows_what_matters(console: Any, busy_desk: Any) -> None:
    with console.inside() as client:
        page = text_of(client.get("/").text)
    for words in (
        "1,796",
        "notes changed search_notes after approval",
        "A secret (an API token) was about to leave",
        "starter.no-secrets-out",
        "1 held",
        "19,593",
        "all logs verified",
        "quarantine principal agent:support-desk",
    ):
        assert words in page


@pytest.mark.parametrize(
    ("query", "there", "absent"),
    [
        ("?server=git", "git_push", "send_note"),
        ("?outcome=deny", "send_note", "git_commit"),
        ("?outcome=stopped", "git_commit", "get_current_time"),
        ("?text=release-bot", "git_push", "send_note"),
        ("?outcome=nonsense&before=-1", "send_note", "Nothing matches"),
    ],
)
def test_traffic_is_filtered(console: Any, busy_desk: Any, query: str, there: str, absent: str) -> None:
    with console.inside() as client:
        page = client.get(f"/traffic{query}&live=1").text
    assert there in page
    assert absent not in page


def test_older_traffic_is_one_link_away(console: Any, desk: Any, make_event: Callable[..., Event]) -> None:
    desk.events += [make_event(console.clock.now() - at * SECOND, target=f"tool_{at}") for at in range(150)]
    with console.inside() as client:
        first = client.get("/traffic?server=time").text
        assert "tool_99" in first
        assert "tool_100<" not in first
        older = re.search(r'href="(/traffic\?[^"]+)" rel="next"', first)
        assert older is not None
        assert "tool_100<" in client.get(older[1].replace("&amp;", "&")).text
    assert TrafficQuery().limit == 100


@pytest.mark.behaviour("web.exercises-are-marked")
def test_an_exercise_is_marked_as_one_wherever_it_is_shown(
    console: Any, desk: Any, make_event: Callable[..., Event]
) -> None:
    event = make_event(console.clock.now(), "deny", labels=("exercise",))
    desk.events.append(event)
    with console.inside() as client:
        for path in ("/", "/traffic", f"/events/{event.id}"):
            assert "</span> exercise</span>" in client.get(path).text


@pytest.mark.behaviour("web.event-page-leads-to-its-proof")
def test_an_event_is_shown_in_full_with_the_command_that_proves_it(console: Any, busy_desk: Any) -> None:
    event = busy_desk.events[60]
    with console.inside() as client:
        page = text_of(client.get(f"/events/{event.id}").text)
    for words in (
        f"watchkeeper journal prove {event.id}",
        "log gateway, entry 60",
        "secrets.api-token",
        "deploy key: sk-…9f2c",
        "team@collect.example",
        "c-4f1d0b",
        "A secret (an API token)",
    ):
        assert words in page


def test_an_event_of_any_kind_and_shape_can_be_shown(console: Any, desk: Any) -> None:
    odd = {
        "findings": 3,
        "answer": "x",
        "arguments": {"a": [1]},
        "rules": {"b": 1},
        "deep": {"c": {"d": None}},
        "n": 2**80,
    }
    event = new_event(1, "gateway.order.issued", body=odd)
    desk.events.append(event)
    with console.inside() as client:
        assert client.get(f"/events/{event.id}").status_code == 200


@pytest.mark.behaviour("web.diff-shows-the-invisible")
def test_a_changed_definition_is_compared_with_nothing_hidden(console: Any, busy_desk: Any) -> None:
    with console.inside() as client:
        answer = client.get("/definition", params={"server": "notes", "kind": "tool", "name": "search_notes"})
    page = text_of(answer.text)
    assert '<tr class="added">' in answer.text
    assert '<tr class="removed">' in answer.text
    assert "U+200B" in page
    assert "\u200b" not in page
    seen = busy_desk.change.new_fingerprint
    assert f"watchkeeper pins approve --fingerprint {seen} notes search_notes" in page


def test_names_with_slashes_have_a_page_too(console: Any, busy_desk: Any) -> None:
    uri = "file:///etc/../x?a=b&c#d"
    busy_desk.definitions[0] = type(busy_desk.definitions[0])("git", "resource", uri, "approved")
    with console.inside() as client:
        listing = client.get("/servers").text
        address = re.search(r'href="(/definition\?[^"]*resource[^"]*)"', listing)
        assert address is not None
        assert client.get(address[1].replace("&amp;", "&")).status_code == 200
        assert client.get("/definition?server=git&kind=tool&name=none").status_code == 404


def test_an_incident_is_told_from_first_event_to_containment(console: Any, busy_desk: Any) -> None:
    with console.inside() as client:
        page = text_of(client.get("/incidents/inc-0198f2c4").text)
        assert client.get("/incidents/none").status_code == 404
    for words in (
        "48 ms",
        "238 ms",
        "tried to send a credential with send_note",
        "the probe was refused",
        "hold tool",
        "mcp-secret-in-arguments",
        "watchkeeper quarantine lift --reason WHY ord-0198f2c9",
        "Blast radius of inc-0198f2c4",
        "Why it is over",
    ):
        assert words in page


def test_the_journal_page_says_how_to_verify(console: Any, busy_desk: Any) -> None:
    busy_desk.logs.append(Writer("cli"))
    with console.inside() as client:
        page = text_of(client.get("/journal").text)
    for words in ("gateway 18,204 9.4 MB", "to entry 18,190", "cli unknown unknown", "nobody has looked", "23 events"):
        assert words in page
    assert "watchkeeper journal verify" in page


def test_commands_name_the_data_folder_when_it_is_not_the_usual_one(serve_console: Serve, busy_desk: Any) -> None:
    services = replace(busy_desk.services(), data_dir="/srv/watch keeper", is_default_data=False)
    with serve_console(services) as running, running.inside() as client:
        assert "--data '/srv/watch keeper'" in text_of(client.get("/incidents").text)


@pytest.mark.behaviour("web.incidents-worst-first")
def test_the_worst_that_is_open_stands_first_and_what_is_in_force_before_what_was_lifted(
    console: Any, desk: Any
) -> None:
    mild = [IncidentRow(f"INC-{at}", f"mild {at}", 2, "open", 1000 + at, containment="none") for at in range(4)]
    worst = IncidentRow(
        "INC-9", "the worst", 5, "open", 1, containment="none", status="in_progress", assignee="operator:eve"
    )
    closed = IncidentRow("INC-8", "the past", 5, "closed", 9000, containment="contained", status="closed")
    desk.cases = [closed, *mild, worst]
    desk.orders = [
        OrderRow("o-2", "hold_tool", "a/lifted", "", "operator:a", 2, lifted_at=3, lifted_by="operator:a"),
        OrderRow("o-1", "hold_tool", "a/lasts", "", "operator:a", 1),
    ]
    with console.inside() as client:
        first, page = text_of(client.get("/").text), text_of(client.get("/incidents").text)
    assert "the worst" in first
    assert "the past" not in first
    assert "INC-9" in page
    assert "eve in progress" in page
    assert page.index("a/lasts") < page.index("1 lifted") < page.index("a/lifted")


def test_a_page_that_breaks_says_so_without_a_trace(console: Any, desk: Any) -> None:
    desk.rows.append(object())
    with console.inside() as client:
        answer = client.get("/servers")
    assert answer.status_code == 500
    assert answer.text == "the console failed; its log has the trace\n"


@pytest.mark.behaviour("web.port-taken-is-said")
async def test_a_taken_port_is_a_clear_conflict(console: Any, desk: Any) -> None:
    app = build(desk.services(), Doors(console.operators, console.tokens, PersonRules()), console.settings)
    with bind("127.0.0.1", 0) as taken, pytest.raises(Conflict, match="cannot listen on"):
        await serve(app, "127.0.0.1", taken.getsockname()[1], asyncio.Event())


async def test_it_serves_until_told_to_stop(console: Any, desk: Any, tmp_path: Path) -> None:
    app = build(desk.services(), Doors(console.operators, console.tokens, PersonRules()), console.settings)
    with bind("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    stop = asyncio.Event()
    running = asyncio.create_task(serve(app, "127.0.0.1", port, stop))
    async with httpx.AsyncClient(trust_env=False, transport=httpx.AsyncHTTPTransport(retries=10)) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/healthz")).text == "ok\n"
    stop.set()
    await asyncio.wait_for(running, 10)


def text_of(html: str) -> str:
    """The words of a page, as a reader sees them."""
    text = re.sub(r"<[^>]+>", " ", re.sub(r"<(bdi|/bdi|code|/code)[^>]*>", "", html))
    for entity, char in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(entity, char)
    return re.sub(r"\s+", " ", text)


@pytest.mark.behaviour("web.recording-and-anchors-shown")
def test_what_passes_unrecorded_and_contradicted_copies_are_said_on_the_pages(console: Any, busy_desk: Any) -> None:
    with console.inside() as client:
        quiet = text_of(client.get("/journal").text)
        assert "not recording" not in quiet
        assert "No copy of a checkpoint leaves this host" in quiet
        busy_desk.suspended = "RECORDING IS SUSPENDED since noon, 12 passed unrecorded: no <space>"
        busy_desk.anchors = [
            Anchor("vault", "contradicted", 1_790_000_000_000_000, 1_790_000_000_000_000, "It was rewritten."),
            Anchor("store", "unreachable", None, None, "no answer came"),
        ]
        first, page = client.get("/").text, client.get("/journal").text
    for text in (first, page):
        assert "not recording" in text
        assert "no &lt;space&gt;" in text
    assert "CONTRADICTED by its copies" in page
    assert "no answer came" in page
