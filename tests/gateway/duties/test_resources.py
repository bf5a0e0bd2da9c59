"""Checklist F12: a resource's address stays in its folder, and binary content is what it says."""

from __future__ import annotations

import msgspec
import pytest

from tests.gateway.conftest import House, call, mirrors, plain

ESCAPES = [
    "file:///srv/docs/../../etc/passwd",
    "file:///srv/..",
    "file:///srv/%2e%2e/%2E./x",
    "file:///srv/%252e%252e/x",
    "file:///srv/%25252525252e/x",
    "file:///C:\\docs\\..\\secret",
    "docs://%2e%2e%5cx",
    "docs://a/..;b/../x",
    "file:///a%00b",
    "file:///a%0d%0ab",
    "file:///a\u202eb",
    "/etc/passwd",
    "../x",
    "://x",
    "1a:b",
]
FINE = [
    "file:///srv/docs/a..b/...",
    "docs://caf\u00e9/l'\u00e9t\u00e9",
    "note://internal/ab?back=../x#../y",
    "urn:isbn:0451450523",
    "git+ssh://host/a%20b/100%25",
    "file:///C:/My Documents/x",
]


@pytest.mark.behaviour("mcp.f12.addresses")
@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe"])
@pytest.mark.parametrize("uri", ESCAPES)
async def test_an_address_that_leaves_its_folder_is_denied(guarded: House, method: str, uri: str) -> None:
    got = await guarded.post(call(method, uri=uri))
    assert got.json["error"]["data"]["rules"] == ["protocol.resource-uri"]
    assert guarded.server.got == []


@pytest.mark.behaviour("mcp.f12.addresses")
@pytest.mark.parametrize("uri", FINE)
async def test_an_address_that_stays_passes_as_it_is(guarded: House, uri: str) -> None:
    assert (await guarded.post(call("resources/read", uri=uri))).status == 200
    assert guarded.server.got[0].body == call("resources/read", uri=uri)


@pytest.mark.behaviour("mcp.f12.addresses")
@pytest.mark.parametrize(
    "filter", [{"resourceSubscriptions": ["file:///x", "file:///a/../b"]}, {"toolsListChanged": True}]
)
async def test_so_is_a_subscription_to_one(guarded: House, filter: dict[str, object]) -> None:
    body = call("subscriptions/listen", modern=True, notifications=filter)
    got = await guarded.post(body, *mirrors("subscriptions/listen", None))
    assert (b"protocol.resource-uri" in got.body) is ("resourceSubscriptions" in filter)
    assert len(guarded.server.got) == ("resourceSubscriptions" not in filter)


@pytest.mark.behaviour("mcp.f12.content")
@pytest.mark.parametrize(
    ("content", "is_fine"),
    [
        ({"uri": "file:///x", "blob": "aGk="}, True),
        ({"uri": "file:///x", "blob": ""}, True),
        ({"uri": "file:///x", "text": "not base64"}, True),
        ({"uri": "file:///x", "blob": "aGk"}, False),
        ({"uri": "file:///x", "blob": "a-_k"}, False),
        ({"uri": "file:///x", "blob": "aGk=\n"}, False),
        ({"uri": "file:///x", "blob": "aGk=aGk="}, False),
        ({"uri": "file:///x", "blob": 1}, False),
        ({"uri": "file:///x/../y", "text": "t"}, False),
        ("no object", False),
    ],
)
async def test_binary_content_is_base64(guarded: House, content: object, is_fine: bool) -> None:
    answer = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": {"contents": [content]}})
    guarded.server.answer = plain(answer)
    got = await guarded.post(
        call("resources/read", modern=True, uri="file:///x"), *mirrors("resources/read", "file:///x")
    )
    if is_fine:
        assert got.body == answer
    else:
        assert got.json["error"]["data"]["rules"] == ["protocol.resource-content"]
