"""Checklist E: every request is decided by itself, and nothing is kept that another could get."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.gateway.conftest import MODERN, TOKEN, House, call, mirrors, plain, post, read_message, stream
from watchkeeper.gateway.containment import Order, OrderKind, OrdersInForce
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.settings import GatewaySettings, is_loopback
from watchkeeper.protocol.message import CAPABILITIES_KEY, CLIENT_KEY, VERSION_KEY

BOB = b"Bearer token-of-bob"
ASKS = msgspec.json.encode(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"resultType": "input_required", "inputRequests": {"k": {"method": "roots/list"}}},
    }
)
LIST = mirrors("tools/list", None)


@pytest.mark.behaviour("mcp.e3.each-request-by-itself")
async def test_on_one_connection_each_request_has_its_own_principal_and_era(
    guarded: House, orders: OrdersInForce
) -> None:
    orders.replace([Order("o1", OrderKind.QUARANTINE_PRINCIPAL, "bob", "because", "operator:ada", 1, 1)], 1)
    outcomes = []
    async with guarded.connect() as (reader, writer):
        for token, modern in ((TOKEN, True), (BOB, True), (TOKEN, False), (None, True), (BOB, False), (TOKEN, True)):
            headers = mirrors("vendor/do", None) if modern else []
            writer.write(post(call("vendor/do", modern=modern), *headers, port=guarded.port, token=token))
            got = await read_message(reader, is_answer=True)
            outcomes.append((got.status, "error" in got.json))
    assert outcomes == [(200, False), (200, True), (200, False), (401, True), (200, True), (200, False)]
    assert len(guarded.server.got) == 3


@pytest.mark.behaviour("mcp.e3.each-request-by-itself")
async def test_a_capability_is_declared_in_each_request_anew(guarded: House) -> None:
    guarded.server.answer = plain(ASKS)
    able = {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {"roots": {}}}}
    async with guarded.connect() as (reader, writer):
        for params, passes in ((able, True), ({}, False), (able, True)):
            writer.write(post(call(modern=True, **params), *mirrors(), port=guarded.port))
            got = await read_message(reader, is_answer=True)
            assert (got.body == ASKS) is passes


@pytest.mark.behaviour("mcp.e4.claims-are-for-display")
async def test_what_a_client_or_server_says_of_itself_decides_nothing(guarded: House, orders: OrdersInForce) -> None:
    orders.replace([Order("o1", OrderKind.QUARANTINE_PRINCIPAL, "bob", "because", "operator:ada", 1, 1)], 1)
    for name in ("bob", "alice", "operator:ada"):
        meta = {"_meta": {VERSION_KEY: MODERN, CLIENT_KEY: {"name": name, "version": "1"}}}
        body = call("vendor/do", **meta)
        assert "result" in (await guarded.post(body, *mirrors("vendor/do", None))).json
        bobs = await guarded.send(post(body, *mirrors("vendor/do", None), port=guarded.port, token=BOB))
        assert "error" in bobs.json
    assert {(event.actor, event.claimed) for event in guarded.events("gateway.request.decided")} == {
        (actor, name) for actor in ("agent:alice", "agent:bob") for name in ("bob", "alice", "operator:ada")
    }


@pytest.mark.behaviour("mcp.e5.nothing-is-cached")
@pytest.mark.parametrize("scope", ["public", "private"])
async def test_every_request_reaches_the_server_whatever_may_be_cached(guarded: House, scope: str) -> None:
    for number, token in enumerate([TOKEN, TOKEN, BOB]):
        result = {"tools": [], "ttlMs": 60_000, "cacheScope": scope, "n": number}
        guarded.server.answer = plain(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": result}))
        sent = post(call("tools/list", modern=True), *LIST, port=guarded.port, token=token)
        assert (await guarded.send(sent)).json["result"]["n"] == number
    assert len(guarded.server.got) == 3


@pytest.mark.behaviour("mcp.e5.nothing-is-cached")
async def test_a_list_that_changed_is_looked_at_anew(guarded: House) -> None:
    def listing(description: str) -> bytes:
        tool = {"name": "a", "description": description, "inputSchema": {"type": "object"}}
        return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": {"tools": [tool]}})

    async def names() -> list[str]:
        got = await guarded.post(call("tools/list", modern=True), *LIST)
        return [one["name"] for one in got.json["result"]["tools"]]

    guarded.server.answer = plain(listing("A tool."))
    assert await names() == ["a"]
    changed = b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'
    guarded.server.answer = stream(changed, b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n')
    assert changed in (await guarded.post(call("vendor/do"))).body
    guarded.server.answer = plain(listing("Another tool."))
    assert await names() == []


@pytest.mark.behaviour("mcp.h2.loopback-by-default")
async def test_only_this_host_can_reach_a_gateway_that_was_told_nothing(house: House) -> None:
    assert GatewaySettings().host == Route(name="x").host == "127.0.0.1"
    assert is_loopback(GatewaySettings().host)
    with pytest.raises(OSError):  # noqa: PT011 — refused on one system, unreachable on another: not where it listens
        await asyncio.open_connection("127.0.0.2", house.port)
