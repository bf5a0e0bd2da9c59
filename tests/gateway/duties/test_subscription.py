"""Checklist D8 and D9: what a stream may carry, message by message."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import House, call, mirrors, stream
from tests.gateway.duties.conftest import MakeGuarded

WANTED = {"toolsListChanged": True, "resourceSubscriptions": ["file:///x"]}
END = b'data: {"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}\n\n'


def said(method: str, id: Any = 1, **params: Any) -> bytes:
    meta = {"_meta": {"io.modelcontextprotocol/subscriptionId": id}} if id is not None else {}
    message = {"jsonrpc": "2.0", "method": method, "params": {**meta, **params}}
    return b"data: " + msgspec.json.encode(message) + b"\n\n"


def acknowledged(id: Any = 1, **granted: Any) -> bytes:
    return said("notifications/subscriptions/acknowledged", id, notifications=granted or WANTED)


TOOLS = said("notifications/tools/list_changed")
UPDATED = said("notifications/resources/updated", uri="file:///x/y")
VENDOR = said("notifications/vendor/news", x=1)


async def listened(house: House, *events: bytes) -> bytes:
    house.server.answer = stream(*events)
    body = call("subscriptions/listen", modern=True, notifications=WANTED)
    return (await house.post(body, *mirrors("subscriptions/listen", None))).body


@pytest.mark.behaviour("mcp.d8.subscriptions")
async def test_a_proper_subscription_passes_byte_for_byte(house: House) -> None:
    events = [b": keep-alive\n\n", acknowledged(), TOOLS, UPDATED, VENDOR, END]
    assert await listened(house, *events) == b"".join(events)


@pytest.mark.behaviour("mcp.d8.subscriptions")
@pytest.mark.parametrize(
    ("events", "left"),
    [
        ([TOOLS, acknowledged(), UPDATED], [acknowledged(), UPDATED]),
        ([acknowledged(), acknowledged(toolsListChanged=True), TOOLS], [acknowledged(), TOOLS]),
        ([acknowledged(), said("notifications/prompts/list_changed"), TOOLS], [acknowledged(), TOOLS]),
        ([acknowledged(toolsListChanged=True), UPDATED, TOOLS], [acknowledged(toolsListChanged=True), TOOLS]),
        ([acknowledged(promptsListChanged=True), said("notifications/prompts/list_changed")], None),
        ([acknowledged(), said("notifications/tools/list_changed", None), TOOLS], [acknowledged(), TOOLS]),
        ([acknowledged(), said("notifications/tools/list_changed", "1"), TOOLS], [acknowledged(), TOOLS]),
        ([acknowledged(2), acknowledged(), TOOLS], [acknowledged(), TOOLS]),
        ([acknowledged(), said("notifications/progress", progressToken=1), END], [acknowledged(), END]),
        ([acknowledged(), said("notifications/message", level="info", data="x")], [acknowledged()]),
    ],
    ids=[
        "early",
        "twice",
        "unasked",
        "not granted",
        "granted unasked",
        "no id",
        "other type",
        "foreign",
        "progress",
        "log",
    ],
)
async def test_what_has_no_place_in_a_subscription_is_withheld(house: House, events: list, left: list | None) -> None:
    got = await listened(house, *events)
    assert got == b"".join(left if left is not None else events[:1])
    assert house.events("gateway.request.refused") != []


@pytest.mark.behaviour("mcp.d8.subscriptions")
async def test_a_shadow_route_withholds_nothing_and_says_what_it_would_have(make_guarded: MakeGuarded) -> None:
    house = await make_guarded(shadow=True)
    assert await listened(house, TOOLS, acknowledged()) == TOOLS + acknowledged()
    assert len(house.events("gateway.request.refused")) == 1


@pytest.mark.behaviour("mcp.d8.narrowed-or-refused")
async def test_a_subscription_that_policy_denies_is_denied_whole(house: House) -> None:
    house.guard.denied_methods = {"subscriptions/listen"}
    body = call("subscriptions/listen", modern=True, notifications=WANTED)
    got = await house.post(body, *mirrors("subscriptions/listen", None))
    assert got.json["error"]["data"]["rules"] == ["test.rule"]
    assert house.server.got == []


@pytest.mark.behaviour("mcp.d9.nothing-after-completion")
@pytest.mark.parametrize("modern", [True, False])
async def test_nothing_follows_the_answer_to_a_request(house: House, modern: bool) -> None:
    progress = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}\n\n'
    answer = b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
    house.server.answer = stream(progress, answer, b": a comment\n\n", b"id: 9\n" + progress)
    got = await house.post(call(modern=modern), *(mirrors() if modern else []))
    assert got.body == progress + answer + b": a comment\n\n" + b"id: 9\n\n"
    (event,) = house.events("gateway.request.refused")
    assert "after its request was answered" in event.body["reason"]
