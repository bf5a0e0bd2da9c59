"""The inbox over real HTTP, with a real book of approvals: what a person sees, and what their decision does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.approvals.wanted import BOUNDS, wanted
from watchkeeper.app.inbox import InboxView
from watchkeeper.app.platform import Platform, opened
from watchkeeper.events import JournalReader
from watchkeeper.gateway.approvals import State
from watchkeeper.gateway.approvals.model import Requirement

DAY = 24 * 3600
HOSTILE = "<script>alert(1)</script>\u202e\u200b"
FORM = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path, "gateway") as platform:
        yield platform


@pytest.fixture
def inbox(serve_console: Callable[..., AbstractContextManager[Any]], desk: Any, platform: Platform) -> Iterator[Any]:
    with serve_console(replace(desk.services(), inbox=InboxView(platform))) as running:
        yield running


def asked(platform: Platform, binding: str = "b-1", quorum: int = 1, role: str = "responder", **fields: Any) -> str:
    demands = (Requirement("mine.pay", role, quorum),)
    return platform.approvals.request(wanted(binding, requirements=demands, **fields), BOUNDS).id


def decide(client: httpx.Client, approval: str, choice: str, reason: str = "", **headers: str) -> httpx.Response:
    data = {"choice": choice, "reason": reason}
    return client.post(f"/approvals/{approval}/decision", data=data, headers=headers or FORM)


@pytest.mark.behaviour("inbox.page")
def test_what_waits_is_shown_with_all_that_is_needed_to_decide(inbox: Any, platform: Platform) -> None:
    before = asked(platform, "b-0", arguments='{"name":"pay","arguments":{"amount":9}}')
    with inbox.inside("ada") as client:
        assert decide(client, before, "deny", "too much").status_code == 303
        one = asked(platform, quorum=2, arguments='{"name":"pay","arguments":{"amount":7}}')
        listing, page = client.get("/approvals").text, client.get(f"/approvals/{one}").text
    assert (one in listing, before in listing) == (True, False)
    assert 'data-part="waiting">1<' in listing
    for part in ("agent:claude", "bank", "pay", "mine.pay", "A person decides about payments.", "0 of 2", "responder"):
        assert part in page, part
    assert "&#34;amount&#34;: 7" in page
    assert "too much" in page
    assert "operator:ada" in page


@pytest.mark.behaviour("inbox.decide")
def test_a_form_approves_or_denies_in_the_operators_name_and_role(inbox: Any, platform: Platform) -> None:
    yes, no = asked(platform, "b-1"), asked(platform, "b-2")
    inbox.everybody.role = "responder"
    with inbox.inside("ada") as client:
        done = decide(client, yes, "approve", "looks right")
        assert (done.status_code, done.headers["location"]) == (303, f"/approvals/{yes}")
        decide(client, no, "deny", "not on a Friday")
        assert "approved, not used yet" in client.get(f"/approvals/{yes}").text
    votes = [vote for one in (yes, no) for vote in platform.approvals.show(one).votes]
    assert [(vote.operator, vote.role, vote.choice, vote.reason) for vote in votes] == [
        ("operator:ada", "responder", "approve", "looks right"),
        ("operator:ada", "responder", "deny", "not on a Friday"),
    ]
    assert platform.approvals.show(no).because == "not on a Friday"


@pytest.mark.behaviour("inbox.role")
@pytest.mark.parametrize("role", ["viewer", "auditor", "analyst"])
def test_a_role_that_does_not_count_sees_the_call_and_cannot_decide(inbox: Any, platform: Platform, role: str) -> None:
    one = asked(platform)
    inbox.everybody.role = role
    with inbox.inside("eve") as client:
        page = client.get(f"/approvals/{one}")
        assert ("You cannot decide this" in page.text, "<textarea" in page.text) == (True, False)
        refused = decide(client, one, "approve")
        assert (refused.status_code, "may not do this" in refused.text) == (403, True)
    assert platform.approvals.show(one).state is State.PENDING
    facts = [record.event for record in JournalReader(platform.data_dir).read({}) if record.event]
    assert [fact.actor for fact in facts if fact.kind == "operators.act.refused"] == ["operator:eve"]


@pytest.mark.behaviour("inbox.role")
def test_a_role_that_was_taken_away_counts_no_more_in_a_session_that_is_open(inbox: Any, platform: Platform) -> None:
    one = asked(platform)
    with inbox.inside("ada") as client:
        inbox.everybody.role = "viewer"
        assert decide(client, one, "approve").status_code == 403
        inbox.everybody.role = ""
        assert decide(client, one, "approve").status_code == 401
    assert platform.approvals.show(one).state is State.PENDING


@pytest.mark.behaviour("inbox.forgery")
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"X-Nothing": "said"},
    ],
    ids=str,
)
def test_a_form_of_another_page_decides_nothing(inbox: Any, platform: Platform, headers: dict[str, str]) -> None:
    one = asked(platform)
    with inbox.inside("ada") as client:
        assert decide(client, one, "approve", **headers).status_code == 403
        assert client.get(f"/approvals/{one}/decision?choice=approve").status_code in (404, 405)
    with inbox.client() as stranger:
        assert decide(stranger, one, "approve").status_code == 401
    assert platform.approvals.show(one).state is State.PENDING


@pytest.mark.behaviour("inbox.errors-told")
def test_deciding_twice_or_about_nothing_is_told_on_the_page(inbox: Any, platform: Platform) -> None:
    one = asked(platform, quorum=2)
    with inbox.inside("ada") as client:
        assert decide(client, one, "approve").status_code == 303
        assert "1 of 2" in client.get(f"/approvals/{one}").text
        again = decide(client, one, "approve")
        assert (again.status_code, "another" in again.text or "approved" in again.text) == (409, True)
        assert decide(client, "ask-0000000000", "approve").status_code == 404
        assert decide(client, one, "perhaps").status_code == 400
        assert decide(client, one, "deny", "x" * 501).status_code == 400
        assert client.get("/approvals/ask-0000000000").status_code == 404
    assert platform.approvals.show(one).state is State.PENDING


@pytest.mark.behaviour("inbox.empty")
def test_an_empty_inbox_says_how_something_comes_into_it(inbox: Any) -> None:
    with inbox.inside("ada") as client:
        page = client.get("/approvals").text
    assert "Nothing waits for a person" in page
    assert "docs/guides/approvals.md" in page
    assert "watchkeeper approvals watch" in page
    assert 'class="count" data-part="waiting"><' in page


@pytest.mark.behaviour("inbox.empty")
def test_an_inbox_that_cannot_be_read_is_unknown_and_not_empty(desk: Any, console: Any) -> None:
    desk.is_broken = True
    with console.inside("ada") as client:
        page = client.get("/approvals").text
    assert "Nothing waits" not in page
    assert "the control state cannot be read" in page
    assert 'class="only-heard"> unknown' in page


@pytest.mark.behaviour("inbox.hostile-strings")
def test_what_an_agent_sends_stays_text(inbox: Any, platform: Platform) -> None:
    one = asked(
        platform, principal=f"agent:{HOSTILE}", server=HOSTILE, target=HOSTILE, arguments=HOSTILE, reason=HOSTILE
    )
    with inbox.inside("ada") as client:
        pages = client.get("/approvals").text + client.get(f"/approvals/{one}").text
    assert "<script>alert" not in pages
    assert "\u202e" not in pages
    assert "U+202E" in pages


# -- the API


def api(inbox: Any, role: str, *scopes: str) -> httpx.Client:
    inbox.roster.invite("bot-owner", role, "operator:root")
    secret, _ = inbox.tokens.mint("bot-owner", scopes, DAY, "operator:root")
    client: httpx.Client = inbox.client()
    client.headers["Authorization"] = f"Bearer {secret}"
    return client


@pytest.mark.behaviour("inbox.api")
def test_a_program_lists_shows_and_decides_by_a_token(inbox: Any, platform: Platform) -> None:
    one = asked(platform)
    with api(inbox, "responder", "approvals:decide") as client:
        (row,) = client.get("/api/approvals").json()["approvals"]
        assert (row["id"], row["state"], row["needs"][0]["missing"]) == (one, "pending", 1)
        shown = client.get(f"/api/approvals/{one}").json()
        assert (shown["held"]["id"], shown["may_decide"]) == (one, True)
        done = client.post(f"/api/approvals/{one}/decision", json={"choice": "approve", "reason": "fine"})
        assert (done.status_code, done.json()["state"]) == (200, "granted")
        assert client.get("/api/approvals").json() == {"approvals": []}
        assert len(client.get("/api/approvals?state=all").json()["approvals"]) == 1
    assert platform.approvals.show(one).votes[0].operator == "operator:bot-owner"


@pytest.mark.behaviour("inbox.api-errors")
def test_the_api_answers_errors_as_problems(inbox: Any, platform: Platform) -> None:
    one = asked(platform)
    with api(inbox, "responder", "approvals:decide") as client:
        client.post(f"/api/approvals/{one}/decision", json={"choice": "approve"})
        answers = {
            409: client.post(f"/api/approvals/{one}/decision", json={"choice": "approve"}),
            404: client.get("/api/approvals/ask-0000000000"),
            400: client.post(f"/api/approvals/{one}/decision", content=b'{"choice": 1}'),
        }
        answers[405] = client.delete("/api/approvals")
        nowhere = client.get("/api/nothing")
    for status, answer in (*answers.items(), (404, nowhere)):
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.json()["detail"]


@pytest.mark.behaviour("inbox.api")
def test_scopes_and_roles_bound_what_a_token_does_and_a_cookie_does_nothing_there(
    inbox: Any, platform: Platform
) -> None:
    one = asked(platform)
    path, body = f"/api/approvals/{one}/decision", {"choice": "approve"}
    with api(inbox, "responder", "approvals:read") as client:
        assert client.get("/api/approvals").status_code == 200
        refused = client.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "denied")
        assert client.get("/approvals").status_code == 401  # a token opens no page
        inbox.roster.revoke("bot-owner", "operator:root")
        assert client.get("/api/approvals").status_code == 401
    with inbox.inside("ada") as client:
        unknown = client.get("/api/approvals")
        assert (unknown.status_code, unknown.headers["www-authenticate"]) == (401, "Bearer")
        assert client.post(path, json=body, headers=FORM).status_code == 401
    assert platform.approvals.show(one).state is State.PENDING


@pytest.mark.behaviour("operators.no-agent")
def test_an_agents_token_opens_neither_page_nor_api(inbox: Any, platform: Platform) -> None:
    one = asked(platform)
    token = platform.clients.mint("claude", "operator:root")
    with inbox.client() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/api/approvals").status_code == 401
        assert client.post(f"/api/approvals/{one}/decision", json={"choice": "approve"}).status_code == 401
        assert client.get("/approvals").status_code == 401
    assert platform.approvals.show(one).state is State.PENDING
