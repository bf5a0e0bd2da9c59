"""Checklist F5: a form never asks for a secret, and an address that a person is to open is one that can be trusted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import MODERN, House, call, mirrors, plain, stream
from tests.gateway.duties.conftest import MakeGuarded
from watchkeeper.gateway.duties.elicitation import FORM, LINK, asks_for_secret, flaw_in, is_look_alike
from watchkeeper.protocol.message import CAPABILITIES_KEY, VERSION_KEY

ABLE = {"elicitation": {"form": {}, "url": {}}}
GOOD = "https://accounts.lakes.test/connect?state=8f14e45f&elicitation=550e8400"


def form(message: str = "Which one?", **fields: Any) -> dict[str, Any]:
    return {"message": message, "requestedSchema": {"type": "object", "properties": fields}}


TEXT = {"type": "string"}


@pytest.mark.behaviour("mcp.f5.form-asks-no-secret")
@pytest.mark.parametrize(
    "asked",
    [
        form(password=TEXT),
        form(githubToken=TEXT),
        form(API_KEY=TEXT),
        form(x={"type": "string", "title": "Client secret"}),
        form(cvv={"type": "integer"}),
        form(pin={"type": "string"}),
        form(value={"type": "string", "description": "Paste your access token here"}),
        form("Please enter your pass\u200bword to go on.", value=TEXT),
        form("Please enter your p\u0430ssword to go on.", value=TEXT),
        form("Bitte geben Sie Ihr Passwort ein.", wert=TEXT),
        form("请输入您的密码", v=TEXT),
        form("Введите пароль", v=TEXT),
        form(v={"title": "Seed phrase"}),
    ],
)
def test_a_form_that_asks_for_a_secret_is_known(asked: dict[str, Any]) -> None:
    assert asks_for_secret(asked)


@pytest.mark.behaviour("mcp.f5.form-asks-no-secret")
@pytest.mark.parametrize(
    "asked",
    [
        form(),
        form("Reset the password of ada?", confirm={"type": "boolean"}),
        form("Which branch?", branch=TEXT, max_tokens={"type": "integer"}),
        form("Which secret shall be rotated?", which={"type": "string", "enum": ["a", "b"]}),
        form("Your name and mail address, please.", name=TEXT, email={"type": "string", "format": "email"}),
        form("Pin this message?", note=TEXT),
        form("Tell me more. The key is to be short.", keyword=TEXT, shopping_pins=TEXT),
        {"message": "x", "requestedSchema": "none"},
    ],
)
def test_a_form_that_asks_for_none_is_left_alone(asked: dict[str, Any]) -> None:
    assert not asks_for_secret(asked)


def flaw(url: object, *, is_local: bool = False) -> str:
    return flaw_in(url, is_local=is_local, has_personal=lambda data: b"@lakes.test" in data)


@pytest.mark.behaviour("mcp.f5.url-can-be-trusted")
@pytest.mark.parametrize(
    "url",
    [
        "http://accounts.lakes.test/",
        "http://127.0.0.1:8080/callback",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://user:pw@lakes.test/",
        "https://lakes.test/?access_token=abc",
        "https://lakes.test/#token=abc",
        "https://lakes.test/?who=ada%40lakes.test",
        "https://lakes.test\\@evil.test/",
        "https://lakes.test/\u202e",
        "https:///nowhere",
        "https://[::1",
        "",
        7,
    ],
)
def test_an_address_that_nobody_should_open_is_known(url: object) -> None:
    assert flaw(url)


def test_an_address_on_this_host_is_for_servers_that_are_started_here() -> None:
    assert flaw("http://127.0.0.1:8080/callback", is_local=True) == ""
    assert flaw("http://localhost.lakes.test/", is_local=True) == "is not https"
    assert flaw(GOOD) == ""


@pytest.mark.parametrize(
    ("url", "expected"), [(GOOD, False), ("https://xn--pple-43d.test/", True), ("https://\u0430pple.test/", True)]
)
def test_letters_that_could_be_others_are_noticed(url: str, expected: bool) -> None:
    assert is_look_alike(url) is expected


async def asked_in(house: House, where: str, params: dict[str, Any]) -> Any:
    """What the client gets when a server asks for this, in each of the places where it can."""
    one = {"method": "elicitation/create", "params": params}
    if where == "request":
        note = msgspec.json.encode({"jsonrpc": "2.0", "id": 9, **one})
        done = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})
        house.server.answer = stream(b"data: " + note + b"\n\n", b"data: " + done + b"\n\n")
        return await house.post(call())
    if where == "error":
        error = {"code": -32042, "message": "sign in", "data": {"elicitations": [params]}}
        house.server.answer = plain(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "error": error}))
        return await house.post(call())
    result = {"resultType": "input_required", "inputRequests": {"a": one}}
    house.server.answer = plain(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": result}))
    body = call("tools/call", name="echo", arguments={}, _meta={VERSION_KEY: MODERN, CAPABILITIES_KEY: ABLE})
    return await house.post(body, *mirrors())


@pytest.mark.behaviour("mcp.f5.form-asks-no-secret")
@pytest.mark.parametrize("where", ["request", "result"])
async def test_a_form_that_asks_for_a_secret_never_reaches_the_client(guarded: House, where: str) -> None:
    got = await asked_in(guarded, where, form(password=TEXT))
    assert b"requestedSchema" not in got.body
    kinds = ("gateway.request", "gateway.message")
    assert any(FORM in str(event.body) for kind in kinds for event in guarded.events(kind))
    fine = await asked_in(guarded, where, form(branch=TEXT))
    assert b"requestedSchema" in fine.body


@pytest.mark.behaviour("mcp.f5.url-can-be-trusted")
@pytest.mark.parametrize("where", ["request", "result", "error"])
async def test_an_address_passes_whole_or_not_at_all(guarded: House, where: str) -> None:
    link = {"mode": "url", "message": "Sign in", "url": GOOD, "elicitationId": "e1"}
    assert GOOD.encode() in (await asked_in(guarded, where, link)).body
    for url in ("http://lakes.test/", "https://lakes.test/?card=4929537387197180"):
        got = await asked_in(guarded, where, link | {"url": url})
        assert url.encode() not in got.body
    assert any(
        LINK in str(event.body) for kind in ("gateway.request", "gateway.message") for event in guarded.events(kind)
    )


@pytest.mark.behaviour("mcp.f5.look-alikes-flagged")
async def test_an_address_in_other_letters_is_noticed_and_recorded(make_guarded: MakeGuarded) -> None:
    house = await make_guarded()
    got = await asked_in(house, "result", {"mode": "url", "message": "Sign in", "url": "https://xn--pple-43d.test/"})
    assert b"xn--pple" in got.body
    (event,) = house.events("gateway.request")
    assert [finding["label"] for finding in event.body["findings"]] == ["look_alike_address"]
