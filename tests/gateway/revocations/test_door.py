"""Revoked tokens at a real door: real tokens of a real authorization server, over real sockets."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.conftest import House, begin, call, post, read_message
from tests.gateway.test_oauth import Scene, issuers_of
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid
from watchkeeper.events import Journal
from watchkeeper.gateway.custody.tokens import TRY, TokenDoors
from watchkeeper.gateway.oauth.token import fingerprint
from watchkeeper.gateway.revocations.book import Revocations
from watchkeeper.gateway.revocations.model import Wanted, What
from watchkeeper.gateway.service import Gateway

REVOKED = "the token was revoked"
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def book(database: Database, journal: Journal) -> Revocations:
    return Revocations(database, journal, SystemClock())


@pytest.fixture
async def scene(
    make_house: Callable[..., Awaitable[House]], authorization_server: AuthorizationServer, book: Revocations
) -> Scene:
    issuers = issuers_of(authorization_server, leeway_seconds=0.0)
    return Scene(await make_house(issuers=issuers, revoked=book), authorization_server, issuers)


@pytest.fixture
def unheard(make_house: Callable[..., Awaitable[House]]) -> Callable[[Scene], Awaitable[Gateway]]:
    """Another gateway, which never heard of its issuer's keys."""

    async def make(scene: Scene) -> Gateway:
        other = await make_house(issuers=issuers_of(scene.server))
        return other.gateway

    return make


def revoke(book: Revocations, what: What, name: str) -> str:
    return book.revoke(Wanted(what, name), by="operator:eve", reason="stolen", key=name).id


def malleated(token: str) -> str:
    """The same token with the other signature that verifies: (r, n - s)."""
    said, _, signature = token.rpartition(".")
    data = base64.urlsafe_b64decode(signature + "==")
    r, s = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
    assert decode_dss_signature(encode_dss_signature(r, s)) == (r, s)
    other = r.to_bytes(32, "big") + (P256 - s).to_bytes(32, "big")
    return f"{said}.{base64.urlsafe_b64encode(other).rstrip(b'=').decode()}"


@pytest.mark.behaviour("revocations.refused-at-the-next-request")
async def test_a_session_under_way_is_refused_at_its_next_request_and_others_go_on(
    scene: Scene, book: Revocations
) -> None:
    token, other = scene.token(jti="stolen"), scene.token(jti="good")
    assert (await scene.send(other)).status == 200
    session = await begin(scene.house, token=f"Bearer {token}".encode())
    async with scene.house.connect() as (reader, writer):

        async def ask() -> Any:
            writer.write(post(call(), session, port=scene.house.port, token=f"Bearer {token}".encode()))
            return await read_message(reader, is_answer=True)

        assert [(await ask()).status, (await ask()).status] == [200, 200]
        revoke(book, What.ID, "corp/stolen")
        refused = await ask()
    assert refused.status == 401
    assert f'error="invalid_token", error_description="{REVOKED}"' in refused.header("www-authenticate")
    await scene.refused(token, REVOKED)
    assert (await scene.send(other)).status == 200


@pytest.mark.behaviour("revocations.by-what-was-signed")
async def test_a_revoked_token_does_not_come_back_with_another_signature(scene: Scene, book: Revocations) -> None:
    token = scene.token()
    again = malleated(token)
    assert again != token
    assert (await scene.send(again)).status == 200, "both spellings verify, which is what the test is about"
    revoke(book, What.TOKEN, fingerprint(token.encode()))
    await scene.refused(token, REVOKED)
    await scene.refused(again, REVOKED)


@pytest.mark.behaviour("revocations.not-before")
async def test_everything_of_a_principal_is_refused_but_what_is_issued_later(scene: Scene, book: Revocations) -> None:
    now = SystemClock().now() // 1_000_000
    old, bob = scene.token(iat=now - 5), scene.token(sub="bob", iat=now - 5)
    assert (await scene.send(old)).status == 200
    entry = book.revoke(
        Wanted(What.PRINCIPAL, "agent:corp/ada", before=(now - 2) * 1_000_000),
        by="operator:eve",
        reason="stolen",
        key="k",
    )
    await scene.refused(old, REVOKED)
    await scene.refused(scene.token(iat=now - 2), REVOKED)
    await scene.refused(scene.token(iat=None), REVOKED)
    assert (await scene.send(scene.token(iat=now - 1))).status == 200
    assert (await scene.send(bob)).status == 200
    book.lift(entry.id, by="operator:eve", reason="found")
    assert (await scene.send(old)).status == 200


@pytest.mark.behaviour("revocations.probed-at-the-door")
async def test_a_token_is_tried_at_the_live_doors_and_nothing_of_it_is_kept(
    scene: Scene, book: Revocations, unheard: Callable[[Scene], Awaitable[Gateway]]
) -> None:
    room = TokenDoors(book, scene.house.gateway)
    ask, token = room.answers[TRY], scene.token()
    assert (await ask({"token": token}))["taken"] == ("srv",)
    revoke(book, What.TOKEN, fingerprint(token.encode()))
    assert await ask({"token": token}) == {"taken": (), "refused": {"srv": REVOKED}, "doubt": {}}
    assert (await ask({"token": scene.token(exp=1)}))["refused"] == {"srv": "the token has expired"}
    assert (await ask({"token": "token-of-alice"}))["taken"] == ("srv",)
    assert (await ask({"token": "wk_nobody"}))["refused"] == {"srv": "this bearer token is not known"}
    for bad in ("", "two words", "a" * 9000, "é"):
        with pytest.raises(Invalid):
            await ask({"token": bad})
    scene.server.failing = 503
    asked = await TokenDoors(book, await unheard(scene)).answers[TRY]({"token": scene.token()})
    assert (asked["taken"], list(asked["doubt"])) == ((), ["srv"])
    assert scene.house.events("gateway.caller.verified") == []
    assert scene.house.server.got == []
    assert token not in str(scene.house.events(""))
