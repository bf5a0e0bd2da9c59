"""What an endpoint does not let through or keep: credentials, circles, old states, endless lists, absent clients."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.gateway.aggregate.conftest import Make, event, initialize, modern, tool
from tests.gateway.conftest import SSE_HEAD, call, mirrors, post
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Journal
from watchkeeper.gateway.aggregate import pages
from watchkeeper.gateway.aggregate.endpoint import Aggregate
from watchkeeper.gateway.aggregate.entry import as_member
from watchkeeper.gateway.aggregate.errands import MAX_ASKED, Errands
from watchkeeper.gateway.aggregate.model import Endpoint, Member
from watchkeeper.gateway.aggregate.names import Names
from watchkeeper.gateway.aggregate.pages import Page, Position, merge
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.model import Request, Route
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol.errors import LOOP
from watchkeeper.protocol.message import parse_message


@pytest.mark.behaviour("aggregate.credential-by-member")
@pytest.mark.parametrize("keeps", [True, False])
async def test_a_credential_goes_to_a_member_only_if_its_own_route_keeps_it(keeps: bool) -> None:
    got: list[Secret | None] = []

    async def serve(request: Request) -> Outbound:
        got.append(request.credential)
        return Outbound(200, [])

    token = Secret("Bearer t")
    member = as_member(Route(name="a", keeps_credential=keeps), serve)
    await member(Request(verb="POST", headers=[], principal="agent:a", credential=token))
    assert got == [token if keeps else None]


class Limited:
    """A client that may use the endpoint and one of its servers."""

    def caller_of(self, authorization: bytes) -> Caller | None:
        return Caller(principal="agent:alice", servers=frozenset({"all", "a"}))


@pytest.mark.behaviour("aggregate.limited-clients")
async def test_a_client_sees_through_an_endpoint_only_the_servers_it_may_use(make_company: Make) -> None:
    company = await make_company(a="both", b="both", identities=Limited())
    for one in (company.a, company.b):
        one.pages["tools/list"] = [[tool("x")]]
    result = (await company.modern("tools/list")).json["result"]
    assert [entry["name"] for entry in result["tools"]] == ["a__x"]
    assert result["_meta"]["watchkeeper/leftOut"] == [{"server": "b", "reason": "this client may not use it"}]
    assert (await company.modern("tools/call", "a__x")).status == 200
    assert (await company.modern("tools/call", "b__x")).status == 403
    session = await company.begin()
    listed = await company.legacy(session, "tools/list")
    assert [entry["name"] for entry in listed.json["result"]["tools"]] == ["a__x"]
    assert company.b.got == []


@pytest.mark.behaviour("aggregate.circles-end")
async def test_a_message_that_has_passed_a_member_before_reaches_it_no_second_time() -> None:
    async def serve(request: Request) -> Outbound:
        raise AssertionError("the circle is closed")

    member = as_member(Route(name="a", hop="wk-1"), serve)
    out = await member(Request(verb="POST", headers=[(b"Via", b"1.1 x, 1.1 wk-1")], principal="agent:a"))
    assert (out.status, b"%d" % LOOP in out.body) == (508, True)


@pytest.mark.behaviour("aggregate.client-gone")
async def test_a_modern_client_that_leaves_cancels_its_call_at_the_member(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    gone = asyncio.Event()

    async def hangs(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") != "tools/call":
            return False
        writer.write(SSE_HEAD + event({"method": "notifications/message", "params": {}}))
        await writer.drain()
        await company.a.reader.read(1)
        gone.set()
        return True

    company.a.writes = hangs
    async with company.stream(modern("tools/call", "a__x"), *mirrors("tools/call", "a__x")) as events:
        assert (await events.next())["method"] == "notifications/message"
    await asyncio.wait_for(gone.wait(), 10)


@pytest.mark.behaviour("aggregate.client-gone")
async def test_a_modern_client_that_leaves_a_list_leaves_no_member_working_on_it(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    gone = asyncio.Event()

    async def hangs(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") != "tools/list":
            return False
        await company.b.reader.read(1)
        gone.set()
        return True

    company.b.writes = hangs
    await company.modern("server/discover")
    _, writer = await asyncio.open_connection("127.0.0.1", company.port)
    writer.write(post(modern("tools/list"), *mirrors("tools/list", None), port=company.port))
    await company.b.until("tools/list")
    writer.close()
    await asyncio.wait_for(gone.wait(), 10)


@pytest.mark.behaviour("aggregate.state-sealed")
async def test_a_state_is_good_for_an_hour(journal: Journal) -> None:
    clock = ManualClock()
    seen: list[bytes] = []

    async def serve(request: Request) -> Outbound:
        seen.append(request.body)
        if b"server/discover" in request.body:
            body = b'{"jsonrpc":"2.0","id":"%b","result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}'
            number = request.body.partition(b'"id":"')[2].partition(b'"')[0]
            return Outbound(200, [], body % number)
        return Outbound(
            200, [], b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s"}}'
        )

    endpoint = Endpoint(route=Route(name="all"), prefixes={"a": "a__"})
    aggregate = Aggregate(endpoint, {"a": serve}, journal=journal, clock=clock, max_sessions=8)

    async def call(**more: Any) -> bytes:
        headers = [(name.encode(), value.encode()) for name, value in mirrors("tools/call", "a__x")]
        held = {name.lower(): value for name, value in headers if name.lower() != b"mcp-protocol-version"}
        body = modern("tools/call", "a__x", **more)
        request = Request(
            verb="POST", headers=headers, principal="agent:a", version="2026-07-28", mirrors=held, body=body
        )
        return (await aggregate.serve(request)).body

    state = (await call()).partition(b'"requestState":"')[2].partition(b'"')[0].decode()
    clock.advance(3_599_000_000)
    assert b"input_required" in await call(requestState=state)
    assert b'"requestState":"s"' in seen[-1]
    clock.advance(2_000_000)
    assert b"endpoint.state" in await call(requestState=state)
    await aggregate.close()


@pytest.mark.behaviour("aggregate.endless-lists-cut")
async def test_a_list_that_only_seems_to_advance_is_cut_off_too(
    make_company: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchkeeper.gateway.aggregate.lists.MAX_ROUNDS", 3)
    company = await make_company(evil="both", git="both")
    count = 0

    def more(message: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal count
        if message["method"] != "tools/list":
            return None
        count += 1
        return {"result": {"resultType": "complete", "tools": [tool(str(count))], "nextCursor": str(count)}}

    company.evil.says = more
    cursor: dict[str, Any] = {}
    for _ in range(10):
        result = (await company.modern("tools/list", None, **cursor)).json["result"]
        if "nextCursor" not in result:
            break
        cursor = {"cursor": result["nextCursor"]}
    assert count == 4
    assert result["_meta"]["watchkeeper/leftOut"] == [
        {"server": "evil", "reason": "its list has no end, and was cut off"}
    ]


@pytest.mark.behaviour("aggregate.pages-bounded")
def test_a_page_that_grows_too_large_leaves_members_for_the_next_one_but_always_has_one() -> None:
    async def serve(request: Request) -> Outbound:
        raise AssertionError("nothing is asked here")

    members = [Member(name, f"{name}__", serve) for name in ("a", "b", "c")]
    large = Page(entries=[b'{"name":"%d"}' % n for n in range(10)], next_cursor="n")
    small = Page(entries=[b'{"name":"s"}'])
    asked = [(members[0], Position("a"), large), (members[1], Position("b"), large), (members[2], Position("c"), small)]
    merged = merge("tools/list", Names(members), asked, budget=150)
    assert merged.open == [Position("a", "n"), Position("b")]
    assert len(merged.entries) == 11
    assert pages.MAX_BYTES >= 1_048_576


@pytest.mark.behaviour("aggregate.contained-clients-hear-why")
async def test_when_a_policy_stops_every_member_the_client_hears_the_denial(make_company: Make) -> None:
    company = await make_company(a="both", b="both")
    company.guard.denied_methods |= {"tools/list", "initialize"}
    for got in (await company.modern("tools/list", id=5), await company.post(initialize(id=5))):
        assert (got.status, got.json["id"], got.json["error"]["code"]) == (200, 5, 40301)
        assert "The test says no." in got.json["error"]["message"]


@pytest.mark.behaviour("aggregate.kept-is-bounded")
async def test_what_a_session_keeps_is_bounded(make_company: Make) -> None:
    company = await make_company(a="legacy")
    huge = initialize().replace(b'"name":"test"', b'"name":"%b"' % (b"x" * 70_000))
    assert (await company.post(huge)).json["error"]["code"] == -32602
    assert company.a.got == []

    async def serve(request: Request) -> Outbound:
        raise AssertionError("nothing is asked here")

    errands, member = Errands(), Member("a", "a__", serve)
    asked = [errands.ask(member, parse_message(call("roots/list", id=n))) for n in range(MAX_ASKED + 1)]
    first, last = (parse_message(asked[n]).id for n in (0, -1))
    answer = b'{"jsonrpc":"2.0","id":%d,"result":{}}'
    assert errands.answered(parse_message(answer % first)) is None
    found = errands.answered(parse_message(answer % last))
    assert found is not None
    assert parse_message(found[1]).id == MAX_ASKED
