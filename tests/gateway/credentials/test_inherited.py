"""The client's own credential: stripped everywhere, passed on where the settings say so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.gateway.conftest import TOKEN, House, RawServer, call, plain, post
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.credentials.accredited import Accredited
from watchkeeper.gateway.credentials.inherited import PassThrough
from watchkeeper.gateway.credentials.static import Static
from watchkeeper.gateway.upstream import Inbound, Outbound, Upstream

MINTED = b"Bearer wk_minted-by-us"
Make = Callable[..., Awaitable[House]]


def passing(upstream: Upstream) -> Upstream:
    return Accredited("srv", upstream, PassThrough("srv"))


class Known:
    """Anybody who has a credential, verified as the test says."""

    def __init__(self, credential: str = "jwt") -> None:
        self._credential = credential

    def caller_of(self, authorization: bytes) -> Caller | None:
        return Caller(principal="agent:alice", credential=self._credential)


@pytest.mark.behaviour("credentials.pass-through-by-setting")
async def test_the_clients_credential_passes_exactly_as_it_came_and_only_where_a_route_says_so(
    make_house: Make, server: RawServer
) -> None:
    house = await make_house(wrap=passing, keeps_credential=True, identities=Known())
    other = await make_house(identities=Known())
    for where in (house, house, other):  # the second time its head is known
        assert (await where.post(call())).status == 200
    assert [got.header("authorization") for got in server.got] == [TOKEN.decode(), TOKEN.decode(), None]


@pytest.mark.behaviour("credentials.ours-are-not-handed-on")
@pytest.mark.parametrize(
    ("token", "credential"),
    [
        (MINTED, "token"),
        (b"Bearer anything", "token"),
        (b"Bearer anything", "certificate"),
        (MINTED, "jwt"),
        (b"bearer   wkkey_abc", "jwt"),
        (b"Basic YWxpY2U6eHl6", "jwt"),
    ],
)
async def test_a_token_that_we_minted_is_a_key_to_us_and_is_handed_to_no_server(
    token: bytes, credential: str, make_house: Make, server: RawServer
) -> None:
    house = await make_house(wrap=passing, keeps_credential=True, identities=Known(credential))
    got = await house.post(call(), token=token)
    assert (got.status, got.json["error"]["code"]) == (200, 40302)
    assert token.split()[-1].decode() not in got.body.decode() + repr(house.events(""))
    assert server.connections == 0


@pytest.mark.behaviour("credentials.challenges-stay-here")
async def test_a_servers_challenge_is_about_us_and_does_not_reach_the_client(
    make_house: Make, server: RawServer
) -> None:
    house = await make_house(wrap=passing, keeps_credential=True, identities=Known())
    challenge = 'WWW-Authenticate: Bearer resource_metadata="https://attacker.example/x"\r\n'
    server.answer = plain(b"{}", status="401 Unauthorized", headers=challenge)
    refused = await house.post(call())
    assert (refused.status, refused.header("www-authenticate"), len(server.got)) == (502, None, 1)
    assert "did not accept the credential" in refused.json["error"]["message"]
    server.answer = plain(
        b"{}", status="403 Forbidden", headers='WWW-Authenticate: Bearer error="insufficient_scope"\r\n'
    )
    assert "does not cover this" in (await house.post(call())).json["error"]["message"]
    server.answer = plain(b'{"a":1}', status="403 Forbidden", headers=challenge)
    passed = await house.post(call())
    assert (passed.status, passed.header("www-authenticate"), passed.body) == (403, None, b'{"a":1}')


@pytest.mark.behaviour("credentials.challenges-stay-here")
async def test_a_challenge_to_static_headers_stays_here_too(make_house: Make, server: RawServer) -> None:
    house = await make_house(wrap=lambda upstream: Accredited("srv", upstream, Static()))
    assert (await house.post(call())).status == 200
    server.answer = plain(b"{}", status="401 Unauthorized", headers="WWW-Authenticate: Bearer\r\n")
    refused = await house.post(call("tools/list"))
    assert (refused.status, refused.header("www-authenticate"), len(server.got)) == (502, None, 2)


@pytest.mark.behaviour("credentials.no-proxy")
@pytest.mark.parametrize("path", ["/authorize", "/token", "/register", "/callback", "/mcp/authorize"])
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_the_gateway_is_no_authorization_server_and_lends_nobody_its_client(
    path: str, verb: str, house: House, server: RawServer
) -> None:
    for one in (path, "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
        assert (await house.send(post(b"{}", port=house.port, path=one, verb=verb))).status == 404
    assert server.connections == 0


class Watching:
    """Keeps what an upstream was handed."""

    def __init__(self, upstream: Upstream) -> None:
        self.seen: list[Inbound] = []
        self._upstream = upstream

    async def send(self, inbound: Inbound) -> Outbound:
        self.seen.append(inbound)
        return await self._upstream.send(inbound)

    async def close(self) -> None:
        await self._upstream.close()


@pytest.mark.behaviour("credentials.not-shown")
@pytest.mark.parametrize("keeps", [True, False])
async def test_a_credential_is_kept_where_it_is_needed_and_shown_nowhere(
    keeps: bool, make_house: Make, server: RawServer
) -> None:
    watching: list[Watching] = []

    def watch(upstream: Upstream) -> Upstream:
        watching.append(Watching(passing(upstream) if keeps else upstream))
        return watching[0]

    house = await make_house(wrap=watch, keeps_credential=keeps, identities=Known())
    assert (await house.post(call())).status == 200
    [inbound] = watching[0].seen
    assert (inbound.credential is not None) is keeps
    assert "token-of-alice" not in repr(inbound) + repr(house.events(""))
