"""Legacy HTTP+SSE servers behind the gateway: honest ones, and those that try something."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.gateway.http_sse.conftest import HEAD, OldServer, event, sse_upstream
from tests.gateway.stdio.conftest import Driver, Remembered
from watchkeeper.gateway.http_sse.endpoint import endpoint_in
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.upstream import Inbound, UpstreamFailed, UpstreamSilent
from watchkeeper.protocol.message import parse_message

BASE = "https://mcp.example.com:8443/a/sse"


@pytest.mark.behaviour("sse.older-session")
async def test_a_session_opens_a_stream_and_ends_with_it(drive: Any, old: OldServer) -> None:
    driver = drive()
    session = await driver.initialize()
    assert [got.first.split(" ")[:2] for got in old.got] == [["GET", "/sse"], ["POST", "/messages?session=1"]]
    assert json.loads((await driver.call(session, "x", {"a": 1}, id="c")).body) == {
        "jsonrpc": "2.0",
        "id": "c",
        "result": {"echo": {"a": 1}},
    }
    assert (await driver.bare("DELETE", session=session)).status == 204
    async with asyncio.timeout(10):
        await old.streams[0].wait_closed()
    assert (await driver.call(session, "x")).status == 404


@pytest.mark.behaviour("sse.older-session")
async def test_a_session_is_one_principals(drive: Any) -> None:
    driver = drive()
    session = await driver.initialize()
    assert (await driver.call(session, "x", who="agent:b")).status == 404
    assert (await driver.bare("GET", session=session, who="agent:b")).status == 404


async def test_two_sessions_have_two_streams_and_never_meet(drive: Any, old: OldServer) -> None:
    driver = drive()
    first, second = await driver.initialize(), await driver.initialize("agent:b")
    assert len(old.streams) == 2
    listening = await driver.bare("GET", session=second, who="agent:b")
    await old.message({"method": "notifications/x", "params": {"for": 1}}, 0)
    await old.message({"method": "notifications/x", "params": {"for": 2}}, 1)
    assert b'"for": 2' in await asyncio.wait_for(anext(listening.events), 10)
    listening.cancel()
    assert first != second


async def test_get_without_a_session_is_405_and_a_modern_request_learns_the_older_versions(drive: Any) -> None:
    driver = drive()
    assert (await driver.bare("GET")).status == 405
    said = await driver.modern("tools/list")
    assert (said.status, json.loads(said.body)["error"]["code"]) == (400, -32022)
    assert (await driver.bare("GET", era="modern")).status == 405


async def test_progress_and_a_request_of_the_server_reach_the_call(drive: Any, old: OldServer) -> None:
    async def reply(server: OldServer, message: dict[str, Any]) -> None:
        if message.get("method") != "tools/call":
            await server.echo(message)
            if message.get("id") == "q":
                await server.message({"id": call["id"], "result": {"heard": message["result"]}})
            return
        call.update(message)
        token = message["params"]["_meta"]["progressToken"]
        await server.message({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})
        await server.message({"id": "q", "method": "elicitation/create", "params": {}})

    call: dict[str, Any] = {}
    driver = drive()
    session = await driver.initialize()
    old.reply = reply
    params = {"name": "t", "arguments": {}, "_meta": {"progressToken": "mine"}}
    said = await driver.call(session, "tools/call", params, id=7)
    assert b'"progressToken": "mine"' in await anext(said.events)
    assert b"elicitation/create" in await anext(said.events)
    answer = {"jsonrpc": "2.0", "id": "q", "result": {"action": "accept"}}
    assert (await driver.post(answer, session=session)).status == 202
    final = await anext(said.events)
    assert json.loads(final.partition(b"data: ")[2]) == {
        "jsonrpc": "2.0",
        "id": 7,
        "result": {"heard": {"action": "accept"}},
    }


async def test_messages_are_posted_in_order(drive: Any, old: OldServer) -> None:
    driver = drive()
    session = await driver.initialize()
    answers = await asyncio.gather(*(driver.call(session, "x", {"n": n}, id=n) for n in range(100)))
    assert [json.loads(said.body)["result"]["echo"]["n"] for said in answers] == list(range(100))
    assert [message["params"]["n"] for message in old.posted[1:]] == list(range(100))


@pytest.mark.behaviour("sse.credentials-stay-at-home")
async def test_both_addresses_get_the_latest_credential_and_nothing_about_our_own_transport(
    drive: Any, old: OldServer
) -> None:
    driver = drive(headers={"X-Key": "of the settings"})

    async def send(body: dict[str, Any], token: bytes, session: str = "") -> Any:
        raw = json.dumps(body).encode()
        headers = [
            (b"Authorization", token),
            (b"Accept", b"application/json, text/event-stream"),
            (b"Content-Type", b"application/json"),
            (b"Mcp-Session-Id", session.encode()),
            (b"MCP-Protocol-Version", b"2025-11-25"),
            (b"Traceparent", b"00-1-2-3"),
        ]
        return await driver.upstream.send(
            Inbound("POST", headers, raw, parse_message(raw), "agent:a", "legacy", session)
        )

    begun = await send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}, b"Bearer one")
    session = dict(begun.headers)[b"mcp-session-id"].decode()
    await send({"jsonrpc": "2.0", "id": 2, "method": "x", "params": {}}, b"Bearer two", session)
    assert [got.header("authorization") for got in old.got] == ["Bearer one", "Bearer one", "Bearer two"]
    assert [got.header("accept") for got in old.got] == ["text/event-stream", None, None]
    for got in old.got:
        assert got.header("mcp-session-id") is None
        assert got.header("mcp-protocol-version") is None
        assert got.header("x-key") == "of the settings"
        assert got.header("traceparent") == "00-1-2-3"
        assert sum(name.lower() == "content-type" for name, _ in got.headers) == (got.first.startswith("POST"))


# -- what an endpoint may be


@pytest.mark.behaviour("sse.endpoint-same-origin")
@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("/messages?s=1", "https://mcp.example.com:8443/messages?s=1"),
        ("messages", "https://mcp.example.com:8443/a/messages"),
        ("?s=2", "https://mcp.example.com:8443/a/sse?s=2"),
        ("https://mcp.example.com:8443/x", "https://mcp.example.com:8443/x"),
        ("https://MCP.Example.com:8443/x", "https://MCP.Example.com:8443/x"),
        ("//mcp.example.com:8443/x", "https://mcp.example.com:8443/x"),
    ],
)
def test_an_endpoint_at_the_same_place_is_taken(named: str, found: str) -> None:
    assert endpoint_in(named.encode(), BASE) == found


@pytest.mark.behaviour("sse.endpoint-same-origin")
@pytest.mark.parametrize(
    "named",
    [
        "http://mcp.example.com:8443/x",
        "https://mcp.example.com/x",
        "https://mcp.example.com:9/x",
        "https://evil.example/x",
        "//evil.example/x",
        "https://mcp.example.com:8443@evil.example/x",
        "https://user:pw@mcp.example.com:8443/x",
        "https://mcp.example.com:8443/x#f",
        "https://mcp.example.com:99999/x",
        "https://[::1/x",
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "/x y",
        "/x\r\nHost: evil",
        "/\\evil.example/x",
        "/ümlaut",
        "",
        "/" + "x" * 3000,
    ],
)
def test_an_endpoint_anywhere_else_is_refused(named: str) -> None:
    with pytest.raises(UpstreamFailed):
        endpoint_in(named.encode(), BASE)


@pytest.mark.behaviour("sse.endpoint-same-origin")
async def test_nothing_is_sent_to_another_origin(drive: Any, old: OldServer) -> None:
    other = OldServer()
    await other.start()
    try:
        old.first = event("endpoint", f"http://127.0.0.1:{other.port}/messages")
        with pytest.raises(UpstreamFailed, match="on another host"):
            await drive().initialize()
        assert other.connections == 0
        assert [got.first.split(" ")[0] for got in old.got] == ["GET"]
    finally:
        await other.stop()


# -- servers that misbehave


@pytest.mark.behaviour("sse.misbehaviour-bounded")
async def test_a_stream_without_an_endpoint_is_given_up(drive: Any, old: OldServer) -> None:
    old.first = b": hello\n\n"
    with pytest.raises(UpstreamSilent, match="no endpoint in time"):
        await drive(start_seconds=0.3).initialize()
    async with asyncio.timeout(10):
        await old.streams[0].wait_closed()


@pytest.mark.behaviour("sse.misbehaviour-bounded")
@pytest.mark.parametrize("first", [b"", event("message", {"jsonrpc": "2.0", "method": "notifications/x"})])
async def test_a_stream_that_ends_before_its_endpoint_is_a_failure(drive: Any, old: OldServer, first: bytes) -> None:
    async def cut(got: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + first)
        writer.close()

    old.answer = cut
    with pytest.raises(UpstreamFailed, match="closed its event stream"):
        await drive().initialize()


@pytest.mark.behaviour("sse.endpoint-same-origin")
async def test_an_endpoint_that_changes_later_ends_the_session(drive: Any, old: OldServer) -> None:
    driver = drive()
    session = await driver.initialize()
    await old.say(event("endpoint", "/messages?session=1"))
    assert (await driver.call(session, "x")).status == 200
    await old.say(event("endpoint", "/elsewhere"))
    async with asyncio.timeout(10):
        while (await driver.bare("GET", session=session)).status != 404:
            await asyncio.sleep(0)
    assert all(not got.first.startswith("POST /elsewhere") for got in old.got)


@pytest.mark.behaviour("sse.cut-is-told")
async def test_a_stream_that_is_cut_during_a_call_ends_it_and_the_session(drive: Any, old: OldServer) -> None:
    async def cut(server: OldServer, message: dict[str, Any]) -> None:
        server.streams[-1].write(b'event: message\ndata: {"jsonrpc":"2.0","id":')
        server.streams[-1].close()

    driver = drive()
    session = await driver.initialize()
    old.reply = cut
    with pytest.raises(UpstreamFailed, match="before it had answered"):
        await driver.call(session, "x")
    assert (await driver.call(session, "x")).status == 404
    old.reply = OldServer.echo
    assert await driver.initialize() != session


@pytest.mark.behaviour("sse.refusals-told")
@pytest.mark.parametrize("status", ["404 Not Found", "401 Unauthorized", "503 Service Unavailable"])
async def test_a_server_that_gives_no_stream_speaks_for_itself(drive: Any, old: OldServer, status: str) -> None:
    async def refuse(got: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b"its own words"
        writer.write(f"HTTP/1.1 {status}\r\nX-Own: 1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    old.answer = refuse
    said = await drive().post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}})
    assert (said.status, said.body) == (int(status[:3]), b"its own words")


@pytest.mark.behaviour("sse.refusals-told")
async def test_a_message_that_is_refused_fails_and_a_session_that_is_gone_is_over(drive: Any, old: OldServer) -> None:
    driver = drive()
    session = await driver.initialize()
    old.accepted = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    old.reply = lambda *_: asyncio.sleep(0)
    with pytest.raises(UpstreamFailed, match="status 400"):
        await driver.call(session, "x")
    old.accepted = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(UpstreamFailed, match="status 404"):
        await driver.call(session, "x")
    assert (await driver.call(session, "x")).status == 404


@pytest.mark.behaviour("sse.misbehaviour-bounded")
async def test_garbage_is_passed_over_until_it_does_not_stop(drive: Any, old: OldServer) -> None:
    driver = drive(garbage_lines=10)
    session = await driver.initialize()
    for _ in range(9):
        await old.say(event("message", "not json") + event("other", "{}"))
    assert (await driver.call(session, "x")).status == 200
    await old.say(event("message", '{"jsonrpc":"2.0","id":1,"result":1,"result":2}') * 11)
    async with asyncio.timeout(10):
        while (await driver.bare("GET", session=session)).status != 404:
            await asyncio.sleep(0)


@pytest.mark.behaviour("sse.misbehaviour-bounded")
async def test_a_flood_is_bounded_and_the_answer_still_arrives(drive: Any, old: OldServer) -> None:
    async def flood(server: OldServer, message: dict[str, Any]) -> None:
        note = event("message", {"jsonrpc": "2.0", "method": "notifications/x"})
        await server.say(note * 5000)
        await server.echo(message)

    driver = drive(queue_messages=100)
    session = await driver.initialize()
    old.reply = flood
    assert json.loads((await driver.call(session, "x", id=4)).body)["id"] == 4


@pytest.mark.behaviour("sse.misbehaviour-bounded")
async def test_an_event_without_end_ends_the_session(old: OldServer) -> None:
    upstream = sse_upstream(f"http://127.0.0.1:{old.port}/sse", GatewaySettings(max_answer_bytes=100_000))
    driver = Driver(upstream, Remembered())
    try:
        session = await driver.initialize()
        old.reply = lambda server, _: server.say(b"data: " + b"x" * 1_000_000)
        with pytest.raises(UpstreamFailed, match="too long"):
            await driver.call(session, "x")
    finally:
        await upstream.close()


async def test_no_more_streams_than_may_be(drive: Any) -> None:
    driver = drive(children_per_principal=1)
    await driver.initialize()
    said = await driver.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}})
    assert (said.status, dict(said.headers)[b"retry-after"]) == (503, b"5")


async def test_a_client_that_leaves_while_the_stream_opens_leaves_none_behind(drive: Any, old: OldServer) -> None:
    old.first = b": wait\n\n"
    opening = asyncio.create_task(drive().initialize())
    async with asyncio.timeout(10):
        while not old.streams:
            await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    async with asyncio.timeout(10):
        await old.streams[0].wait_closed()
