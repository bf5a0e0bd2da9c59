"""Checklist A: two eras on one port, and ports of one era only."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import MODERN, House, begin, call, mirrors, plain, post, raw, stream
from tests.gateway.duties.conftest import MakeGuarded

OK = b'{"jsonrpc":"2.0","id":1,"result":{}}'
OLD = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


@pytest.mark.behaviour("mcp.a1.era-by-request")
@pytest.mark.parametrize(
    ("body", "headers", "era"),
    [
        (call("ping", modern=True), mirrors("ping", None), "modern"),
        (call("initialize", protocolVersion="2025-11-25"), [], "legacy"),
        (call("ping"), [("MCP-Protocol-Version", "2025-06-18")], "legacy"),
        (call("ping"), [], "legacy"),
    ],
)
async def test_the_era_follows_from_what_a_request_says_of_itself(house: House, body, headers, era: str) -> None:
    got = await house.post(body, *headers)
    assert got.status == 200
    assert [event.era for event in house.events()] == [era]


@pytest.mark.behaviour("mcp.a1.era-by-request")
async def test_a_request_in_a_session_is_of_the_older_era_beside_a_modern_one(house: House) -> None:
    session = await begin(house)
    assert (await house.post(call("ping"), session)).status == 200
    assert (await house.post(call("ping", modern=True), *mirrors("ping", None))).status == 200
    assert [event.era for event in house.events()][1:] == ["legacy", "modern"]


@pytest.mark.behaviour("mcp.a3.discovery-says-what-is-carried")
async def test_a_discovery_offers_only_what_would_then_be_carried(house: House) -> None:
    told = (
        b'{"jsonrpc":"2.0","id":1,"result":{ "supportedVersions": ["2099-01-01", "2026-07-28" ,"2025-06-18"],"x":1.0}}'
    )
    house.server.answer = plain(told)
    got = await house.post(call("server/discover", modern=True), *mirrors("server/discover", None))
    assert got.body == told.replace(b'"2099-01-01", ', b"")
    body = call("ping", modern=True).replace(MODERN.encode(), b"2099-01-01")
    refused = await house.post(body, ("MCP-Protocol-Version", "2099-01-01"), ("Mcp-Method", "ping"))
    assert refused.json["error"]["data"] == {
        "supported": got.json["result"]["supportedVersions"],
        "requested": "2099-01-01",
    }


@pytest.mark.behaviour("mcp.a3.discovery-says-what-is-carried")
@pytest.mark.parametrize(("eras", "left"), [(("modern",), [MODERN]), (("legacy",), ["2025-06-18"])])
async def test_a_discovery_offers_only_the_eras_of_the_route(make_guarded: MakeGuarded, eras, left) -> None:
    house = await make_guarded(eras=eras)
    house.server.answer = plain(b'{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28","2025-06-18"]}}')
    if eras == ("modern",):
        got = await house.post(call("server/discover", modern=True), *mirrors("server/discover", None))
    else:
        got = await house.post(call("server/discover"))
    assert got.json["result"] == {"supportedVersions": left}


@pytest.mark.behaviour("mcp.a3.discovery-says-what-is-carried")
async def test_a_discovery_in_a_stream_is_no_other(guarded: House) -> None:
    told = b'{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28","2099-01-01"]}}'
    guarded.server.answer = stream(b"id: 4\ndata: " + told + b"\n\n")
    got = await guarded.post(call("server/discover", modern=True), *mirrors("server/discover", None))
    assert got.body == b"id: 4\ndata: " + told.replace(b',"2099-01-01"', b"") + b"\n\n"


@pytest.mark.behaviour("mcp.a3.discovery-says-what-is-carried")
async def test_a_discovery_with_nothing_in_common_stays_as_it_is(house: House) -> None:
    house.server.answer = plain(b'{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2099-01-01"]}}')
    got = await house.post(call("server/discover", modern=True), *mirrors("server/discover", None))
    assert got.json["result"] == {"supportedVersions": ["2099-01-01"]}


@pytest.mark.behaviour("mcp.a6.modern-only-route")
async def test_a_modern_only_route_tells_an_older_client_what_it_serves(make_guarded: MakeGuarded) -> None:
    house = await make_guarded(eras=("modern",))
    got = await house.post(call("initialize", protocolVersion="2025-06-18"))
    assert (got.status, got.json["id"], got.json["error"]["code"]) == (400, 1, -32022)
    assert got.json["error"]["data"] == {"supported": [MODERN], "requested": "2025-06-18"}
    assert (await house.post(call("ping"))).json["error"]["data"]["requested"] == "2025-03-26"
    assert house.server.got == []


@pytest.mark.behaviour("mcp.a6.modern-only-route")
@pytest.mark.parametrize("verb", ["GET", "DELETE"])
async def test_a_modern_only_route_takes_nothing_but_messages(make_guarded: MakeGuarded, verb: str) -> None:
    house = await make_guarded(eras=("modern",))
    got = await house.send(post(b"", ("Mcp-Session-Id", "s"), port=house.port, verb=verb))
    assert (got.status, got.header("allow")) == (405, "POST")
    assert house.server.got == []


@pytest.mark.behaviour("mcp.a6.modern-only-route")
async def test_a_modern_only_route_neither_takes_nor_gives_a_session(make_guarded: MakeGuarded) -> None:
    house = await make_guarded(eras=("modern",))
    house.server.answer = plain(OK, headers="Content-Type: application/json\r\nMcp-Session-Id: minted\r\nX-V: 1\r\n")
    got = await house.post(
        call("ping", modern=True), *mirrors("ping", None), ("Mcp-Session-Id", "s"), ("Last-Event-ID", "7")
    )
    assert (got.status, got.header("mcp-session-id"), got.header("x-v")) == (200, None, "1")
    assert (house.server.got[0].header("mcp-session-id"), house.server.got[0].header("last-event-id")) == (None, None)


@pytest.mark.behaviour("mcp.a6.no-message-resumes")
@pytest.mark.parametrize("modern", [True, False])
async def test_a_message_resumes_no_stream(house: House, modern: bool) -> None:
    headers = mirrors("ping", None) if modern else []
    await house.post(call("ping", modern=modern), *headers, ("Last-Event-ID", "7"))
    assert house.server.got[0].header("last-event-id") is None


@pytest.mark.behaviour("mcp.a6.legacy-only-route")
async def test_a_legacy_only_route_tells_a_modern_client_what_it_can_fall_back_to(make_guarded: MakeGuarded) -> None:
    house = await make_guarded(eras=("legacy",))
    got = await house.post(call("ping", modern=True), *mirrors("ping", None))
    assert (got.status, got.json["error"]["code"]) == (400, -32022)
    assert got.json["error"]["data"] == {"supported": OLD, "requested": MODERN}
    assert house.server.got == []


@pytest.mark.behaviour("mcp.a7.older-versions")
async def test_a_missing_version_is_the_older_eras_and_an_invalid_one_is_refused(house: House) -> None:
    assert (await house.post(call("ping"))).status == 200
    assert house.server.got[0].header("mcp-protocol-version") is None
    for version in ("2025-13-26", "latest"):
        assert (await house.post(call("ping"), ("MCP-Protocol-Version", version))).status == 400
    assert len(house.server.got) == 1


@pytest.mark.behaviour("mcp.a7.no-batches")
@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25", MODERN])
async def test_an_array_is_refused_in_every_version(house: House, version: str) -> None:
    got = await house.post(b"[" + call("ping") + b"]", ("MCP-Protocol-Version", version))
    assert (got.status, got.json["error"]["code"]) == (400, -32600)
    assert house.server.got == []


@pytest.mark.behaviour("mcp.a7.no-batches")
async def test_an_array_from_a_server_is_withheld_in_a_stream_too(house: House) -> None:
    event = b'data: [{"jsonrpc":"2.0","id":1,"result":{}}]\n\n'
    house.server.answer = raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(event) + event
    )
    got = await house.post(call())
    assert b'"result"' not in got.body
    assert b"withheld" in got.body
