"""The older era: one session in front, one with each member behind, and what goes between them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.gateway.aggregate.conftest import Make, event, initialize, tool
from tests.gateway.conftest import SSE_HEAD, call
from watchkeeper.gateway.holds import session_digest

BOB = b"Bearer token-of-bob"
LEFT_OUT = "watchkeeper/leftOut"


@pytest.mark.behaviour("aggregate.sessions-bound")
async def test_a_session_serves_its_principal_alone_and_ends_for_all_members(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    session = await company.begin()
    assert session not in ("a-1", "b-1")
    assert (company.a.sessions, company.b.sessions) == ({"a-1"}, {"b-1"})
    header = ("Mcp-Session-Id", session)
    for verb, body in (("POST", call("ping")), ("GET", b""), ("DELETE", b"")):
        assert (await company.post(body, header, verb=verb, token=BOB)).status == 404
    assert (await company.post(call("tools/list"), ("Mcp-Session-Id", "a-1"))).status == 404
    refused = [event.body["reason"] for event in company.events("gateway.request.refused") if event.server == "all"]
    assert refused == [*3 * ["the session is another client's"], "no such session is open here"]
    assert (await company.post(call("tools/list"))).status == 400
    assert (await company.post(b"", header, verb="DELETE")).status == 204
    await company.a.until("DELETE")
    await company.b.until("DELETE")
    assert (company.a.sessions, company.b.sessions) == (set(), set())
    assert (await company.legacy(session, "ping")).status == 404
    kinds = [e.kind for e in company.events("gateway.session") if e.server == "all"]
    assert kinds == ["gateway.session.opened", "gateway.session.closed"]
    ended = {e.body["session"] for e in company.events("gateway.session") if e.server == "all"}
    assert ended == {session_digest(session)}


@pytest.mark.behaviour("aggregate.session-digest")
async def test_what_a_client_does_through_an_endpoint_has_one_digest_whoever_answers(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    digests = []
    for session in (await company.begin(), await company.begin()):
        for name in ("a__t", "b__t"):
            await company.legacy(session, "tools/call", name=name)
        await company.legacy(session, "ping")
        events = [e for e in company.events("gateway.request.decided") if e.body["method"] in ("tools/call", "ping")]
        digests.append([event.body.get("session") for event in events[-3:]])
        assert session not in "".join(str(event.body) for event in company.events(""))
    assert [len(set(found)) for found in digests] == [1, 1]
    assert digests[0][0] != digests[1][0]
    assert all(isinstance(found[0], str) and len(found[0]) == 20 for found in digests)
    told = [e.body.get("session") for e in company.events() if e.body.get("method") == "notifications/initialized"]
    assert set(told) == {digests[0][0], digests[1][0]}


@pytest.mark.behaviour("aggregate.initialized-to-all")
async def test_initialized_and_roots_changes_are_told_to_every_member(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    session = await company.begin()
    note = b'{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}'
    assert (await company.post(note, ("Mcp-Session-Id", session))).status == 202
    for one in (company.a, company.b):
        assert [m["method"] for m in one.got] == [
            "initialize",
            "notifications/initialized",
            "notifications/roots/list_changed",
        ]


@pytest.mark.behaviour("aggregate.lost-session-renewed")
async def test_a_member_that_forgot_its_session_gets_a_new_one_and_is_set_up_again(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    company.a.pages["resources/list"] = [[{"uri": "x://1", "name": "one"}]]
    session = await company.begin()
    await company.legacy(session, "logging/setLevel", level="debug")
    assert (await company.legacy(session, "resources/subscribe", uri="x://1")).json["result"] == {}
    company.a.sessions.clear()
    company.a.got.clear()
    got = await company.legacy(session, "tools/call", name="a__t")
    assert got.json["result"]["content"][0]["text"] == "a did t"
    assert [m["method"] for m in company.a.got] == [
        "tools/call",
        "initialize",
        "notifications/initialized",
        "logging/setLevel",
        "resources/subscribe",
        "tools/call",
    ]
    assert company.b.begun == 1


@pytest.mark.behaviour("aggregate.late-member-joins")
async def test_a_member_that_was_down_at_the_start_joins_when_it_is_needed(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy", options={"member_seconds": 0.3})
    company.a.pages["tools/list"] = company.b.pages["tools/list"] = [[tool("t")]]
    release = asyncio.Event()

    async def slow(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") == "initialize":
            await release.wait()
        return False

    company.b.writes = slow
    began = await company.post(initialize())
    assert began.json["result"]["_meta"][LEFT_OUT] == [{"server": "b", "reason": "it has not answered yet"}]
    session = began.header("mcp-session-id") or ""
    release.set()
    note = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
    await company.post(note, ("Mcp-Session-Id", session))
    listed = await company.legacy(session, "tools/list")
    assert [t["name"] for t in listed.json["result"]["tools"]] == ["a__t", "b__t"]
    assert company.b.begun == 1


@pytest.mark.behaviour("aggregate.members-requests-mapped")
async def test_two_members_requests_with_one_id_reach_the_client_apart_and_are_answered_apart(
    make_company: Make,
) -> None:
    company = await make_company(a="legacy", b="legacy")
    for one in (company.a, company.b):
        one.writes = _asks(one.name)
    session = await company.begin()
    header = ("Mcp-Session-Id", session)
    async with (
        company.stream(call(name="a__ask", id=1), header) as of_a,
        company.stream(call(name="b__ask", id=2), header) as of_b,
    ):
        asked_a, asked_b = await of_a.next(), await of_b.next()
        assert (asked_a["method"], asked_b["method"]) == ("sampling/createMessage", "sampling/createMessage")
        assert asked_a["id"] != asked_b["id"]
        assert asked_a["params"]["_meta"]["progressToken"] != asked_b["params"]["_meta"]["progressToken"]
        for asked, words in ((asked_b, "for b"), (asked_a, "for a")):
            progress = {"progressToken": asked["params"]["_meta"]["progressToken"], "progress": 1}
            note = call("notifications/progress", **progress).replace(b'"id":1,', b"")
            assert (await company.post(note, header)).status == 202
            answer = b'{"jsonrpc":"2.0","id":%d,"result":{"words":"%b"}}' % (asked["id"], words.encode())
            assert (await company.post(answer, header)).status == 202
        for one, stream, words in ((company.a, of_a, "for a"), (company.b, of_b, "for b")):
            got = next(m for m in one.got if "result" in m)
            assert (got["id"], got["result"]["words"]) == (7, words)
            assert one.calls("notifications/progress")[0]["params"]["progressToken"] == "token"
            assert (await stream.next())["result"]["content"] == []
    unasked = await company.post(b'{"jsonrpc":"2.0","id":7,"result":{}}', header)
    assert unasked.status == 400


def _asks(name: str) -> Any:
    """Answers a call with a request of its own first, and with the result once that was answered."""
    answered = asyncio.Event()

    async def writes(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if "result" in message:
            answered.set()
            return False
        if message.get("method") != "tools/call":
            return False
        request = {"method": "sampling/createMessage", "params": {"_meta": {"progressToken": "token"}, "by": name}}
        writer.write(SSE_HEAD + event({"id": 7, **request}))
        await writer.drain()
        await answered.wait()
        writer.write(event({"id": message["id"], "result": {"content": []}}) + b"0\r\n\r\n")
        return True

    return writes


@pytest.mark.behaviour("aggregate.withdrawn-requests")
async def test_a_request_that_a_member_takes_back_is_taken_back_by_the_clients_id(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")

    async def writes(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") != "tools/call":
            return False
        writer.write(SSE_HEAD + event({"id": "mine", "method": "roots/list"}))
        writer.write(event({"method": "notifications/cancelled", "params": {"requestId": "mine"}}))
        writer.write(event({"method": "notifications/cancelled", "params": {"requestId": "other"}}))
        writer.write(event({"id": message["id"], "result": {"content": []}}) + b"0\r\n\r\n")
        return True

    company.a.writes = writes
    session = await company.begin()
    async with company.stream(call(name="a__x"), ("Mcp-Session-Id", session)) as events:
        asked, taken_back, answer = await events.next(), await events.next(), await events.next()
    assert taken_back["params"]["requestId"] == asked["id"]
    assert answer["result"] == {"content": []}


@pytest.mark.behaviour("aggregate.cancellation-mapped")
async def test_a_cancellation_reaches_the_member_that_works_on_the_request_and_no_other(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    begun = asyncio.Event()

    async def hangs(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") != "tools/call":
            return False
        begun.set()
        writer.write(SSE_HEAD)
        await company.a.until("notifications/cancelled")
        writer.write(event({"id": message["id"], "error": {"code": -1, "message": "cancelled"}}) + b"0\r\n\r\n")
        return True

    company.a.writes = hangs
    session = await company.begin()
    header = ("Mcp-Session-Id", session)

    async def cancel(request_id: str) -> int:
        note = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%b}}' % request_id.encode()
        return (await company.post(note, header)).status

    async with company.stream(call(name="a__x", id=5), header) as events:
        await begun.wait()
        assert await cancel('"5"') == 202
        assert await cancel("6") == 202
        assert company.a.calls("notifications/cancelled") == []
        assert await cancel("5") == 202
        assert (await events.next())["error"]["message"] == "cancelled"
    assert [m["params"] for m in company.a.calls("notifications/cancelled")] == [{"requestId": 5}]
    assert company.b.calls("notifications/cancelled") == []
    assert await cancel("5") == 202
    assert len(company.a.calls("notifications/cancelled")) == 1


@pytest.mark.behaviour("aggregate.progress-passes")
async def test_progress_of_a_call_comes_under_the_clients_token_as_it_happens(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")

    async def writes(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") != "tools/call":
            return False
        token = message["params"]["_meta"]["progressToken"]
        writer.write(
            SSE_HEAD + event({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})
        )
        writer.write(event({"id": message["id"], "result": {"content": []}}) + b"0\r\n\r\n")
        return True

    company.a.writes = writes
    session = await company.begin()
    body = call(name="a__x", _meta={"progressToken": "mine"})
    async with company.stream(body, ("Mcp-Session-Id", session)) as events:
        assert (await events.next())["params"] == {"progressToken": "mine", "progress": 1}
        assert (await events.next())["result"] == {"content": []}


@pytest.mark.behaviour("aggregate.standing-streams-merged")
async def test_the_standing_stream_carries_all_members_and_resumes_each_where_it_was(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy", quiet="legacy")
    for one in (company.a, company.b):
        one.writes = _tells(one.name)
    company.quiet.writes = _has_no_stream
    session = await company.begin()
    header = ("Mcp-Session-Id", session)
    async with company.stream(b"", header, verb="GET") as events:
        assert (events.head.status, events.head.header("content-type")) == (200, "text/event-stream")
        told = [await events.next(), await events.next()]
        assert sorted(note["params"]["by"] for note in told) == ["a", "b"]
        last = events.last_id or ""
        assert "a-event" not in last
    async with company.stream(b"", header, ("Last-Event-ID", last), verb="GET") as events:
        resumed = [await events.next(), await events.next()]
        assert sorted(note["params"]["after"] for note in resumed) == ["a-event", "b-event"]
    for one in (company.a, company.b):
        assert [m["last"] for m in one.calls("GET")] == [None, f"{one.name}-event"]


def _tells(name: str) -> Any:
    async def writes(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") == "GET":
            params = {"by": name, "after": message["last"]}
            writer.write(event({"method": "notifications/message", "params": params}, f"{name}-event"))
            await writer.drain()
        return False

    return writes


async def _has_no_stream(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
    return False


@pytest.mark.behaviour("aggregate.standing-streams-merged")
async def test_without_any_standing_stream_behind_there_is_none_in_front(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    session = await company.begin()
    for one in (company.a, company.b):
        one.sessions.clear()  # whatever it is asked for now, it has not
    got = await company.post(b"", ("Mcp-Session-Id", session), verb="GET")
    assert got.status == 405


@pytest.mark.behaviour("aggregate.call-streams-resume")
async def test_a_broken_calls_stream_is_resumed_at_its_own_member(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")

    async def writes(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") == "tools/call":
            writer.write(SSE_HEAD + event({"method": "notifications/message", "params": {}}, "e-1"))
            await writer.drain()
            await company.a.until("GET")
            return True
        if message.get("method") == "GET" and message["last"] == "e-1":
            writer.write(event({"id": 3, "result": {"content": [], "late": True}}, "e-2") + b"0\r\n\r\n")
            return True
        return False

    company.a.writes = writes
    session = await company.begin()
    header = ("Mcp-Session-Id", session)
    async with company.stream(call(name="a__x", id=3), header) as events:
        await events.next()
        last = events.last_id or ""
    async with company.stream(b"", header, ("Last-Event-ID", last), verb="GET") as events:
        assert (await events.next())["result"]["late"] is True
    assert company.b.calls("GET") == []


@pytest.mark.behaviour("aggregate.fan-out-streams")
async def test_a_member_that_asks_during_a_list_is_answered_before_the_list_is(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    company.b.pages["tools/list"] = [[tool("t")]]
    answered = asyncio.Event()

    async def writes(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if "result" in message:
            answered.set()
            return False
        if message.get("method") != "tools/list":
            return False
        writer.write(SSE_HEAD + event({"id": 1, "method": "roots/list"}))
        await writer.drain()
        await answered.wait()
        writer.write(event({"id": message["id"], "result": {"tools": [tool("asked")]}}) + b"0\r\n\r\n")
        return True

    company.a.writes = writes
    session = await company.begin()
    header = ("Mcp-Session-Id", session)
    async with company.stream(call("tools/list", id=9), header) as events:
        asked = await events.next()
        assert asked["method"] == "roots/list"
        reply = b'{"jsonrpc":"2.0","id":%d,"result":{"roots":[]}}' % asked["id"]
        assert (await company.post(reply, header)).status == 202
        listed = await events.next()
    assert listed["id"] == 9
    assert [t["name"] for t in listed["result"]["tools"]] == ["a__asked", "b__t"]


@pytest.mark.behaviour("aggregate.lost-session-renewed")
async def test_a_member_that_never_knows_its_session_does_not_end_the_clients(make_company: Make) -> None:
    company = await make_company(a="legacy", b="legacy")
    session = await company.begin()

    async def forgets(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        company.a.sessions.clear()
        return False

    company.a.writes = forgets
    got = await company.legacy(session, "tools/call", name="a__t")
    assert (got.status, got.json["error"]["code"]) == (200, 50200)
    assert company.a.begun == 2
    assert (await company.legacy(session, "tools/call", name="b__t")).json["result"]["content"]
