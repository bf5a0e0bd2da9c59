"""Tokens by client credentials and by exchange, from a real authorization server, for a server that checks them."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.authorization_grants import Answer
from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.certificates import Authority
from tests.gateway.conftest import House, RawServer, call, mirrors, post
from tests.gateway.credentials.conftest import CANARY, Checking, Make, everything_told
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.credentials.accredited import Accredited
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.issued import ClientCredentials, Minutes, Purpose, TokenExchange
from watchkeeper.gateway.credentials.issuer import Issuers, places
from watchkeeper.gateway.credentials.model import CredentialFailed, OAuthClient, TokenRefused
from watchkeeper.gateway.credentials.resource import canonical_resource, covers

LISTING = call("tools/list")


class AnyToken:
    """Whoever brings an access token, as the edge has verified it."""

    def caller_of(self, authorization: bytes) -> Caller | None:
        return Caller(principal="user:ada", credential="jwt") if authorization.startswith(b"Bearer ") else None


@pytest.fixture
async def own(
    make_house: Make,
    purpose: Purpose,
    endpoint: TokenEndpoint,
    minutes: Minutes,
    clock: ManualClock,
    checking: Checking,
) -> House:
    """A gateway that comes as itself."""
    credential = ClientCredentials(purpose, endpoint, minutes, clock)
    return await make_house(wrap=lambda upstream: Accredited("srv", upstream, credential))


@pytest.fixture
async def exchanging(
    make_house: Make,
    purpose: Purpose,
    endpoint: TokenEndpoint,
    minutes: Minutes,
    clock: ManualClock,
    checking: Checking,
) -> House:
    """A gateway that comes on behalf of its client's user."""
    credential = TokenExchange(purpose, endpoint, minutes, clock)
    return await make_house(
        wrap=lambda upstream: Accredited("srv", upstream, credential), keeps_credential=True, identities=AnyToken()
    )


def token_requests(issuer: AuthorizationServer) -> list[dict[str, str]]:
    return [seen.fields for seen in issuer.asked if seen.path == "/token"]


@pytest.mark.behaviour("credentials.client-credentials")
async def test_the_server_gets_a_token_of_ours_that_is_for_it(
    own: House, checking: Checking, authorization_server: AuthorizationServer, resource: str
) -> None:
    assert (await own.post(call())).status == 200
    assert checking.claims[0] | {"aud": resource, "client_id": "gateway", "scope": "read write"} == checking.claims[0]
    [asked] = token_requests(authorization_server)
    assert asked == {"grant_type": "client_credentials", "resource": resource, "scope": "read write"}
    [event] = own.events("gateway.credential")
    assert (event.kind, event.server, event.body["issuer"]) == (
        "gateway.credential.obtained",
        "srv",
        authorization_server.issuer,
    )


@pytest.mark.behaviour("credentials.cached")
async def test_a_token_is_used_until_shortly_before_its_end(
    own: House, authorization_server: AuthorizationServer, clock: ManualClock
) -> None:
    for _ in range(3):
        assert (await own.post(LISTING)).status == 200
    assert len(token_requests(authorization_server)) == 1
    clock.advance(269 * SECOND)
    await own.post(LISTING)
    assert len(token_requests(authorization_server)) == 1
    clock.advance(2 * SECOND)  # 29 of its 300 seconds are left
    await own.post(LISTING)
    assert len(token_requests(authorization_server)) == 2


@pytest.mark.behaviour("credentials.one-request-at-a-time")
async def test_many_calls_wait_for_one_token_request_and_a_client_that_leaves_does_not_stop_it(
    own: House, authorization_server: AuthorizationServer
) -> None:
    arrived, released = threading.Event(), threading.Event()
    answer = authorization_server.answer

    def held(method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        if target == "/token":
            arrived.set()
            released.wait(10)
        return answer(method, target, headers, body)

    authorization_server.answer = held  # type: ignore[method-assign]
    async with own.connect() as (_, writer):
        listing = call("tools/list", modern=True)
        writer.write(post(listing, *mirrors("tools/list", None), port=own.port))
        assert await asyncio.to_thread(arrived.wait, 10)
    waiting = [asyncio.create_task(own.post(call("tools/list", id=n))) for n in range(20)]
    released.set()
    assert {(await task).status for task in waiting} == {200}
    assert len(token_requests(authorization_server)) == 1


@pytest.mark.behaviour("credentials.renewed-on-401")
async def test_a_refused_token_is_replaced_once_for_what_may_be_sent_again(
    own: House, checking: Checking, authorization_server: AuthorizationServer, clock: ManualClock
) -> None:
    await own.post(LISTING)
    authorization_server.issued[-1].revoked = True
    clock.advance(15 * SECOND)
    assert (await own.post(LISTING)).status == 200
    assert len(token_requests(authorization_server)) == 2
    authorization_server.issued[-1].revoked = True
    clock.advance(15 * SECOND)
    before = len(checking.tokens)
    failed = await own.post(call())  # a call is not sent twice, but the next one has a new token
    assert (failed.status, failed.json["error"]["code"], len(checking.tokens) - before) == (502, 50200, 1)
    assert (await own.post(call())).status == 200


@pytest.mark.behaviour("credentials.renewed-on-401")
async def test_a_server_that_refuses_every_token_does_not_make_us_ask_for_one_each_time(
    own: House, checking: Checking, authorization_server: AuthorizationServer
) -> None:
    checking.refuses = True
    for _ in range(5):
        assert (await own.post(LISTING)).status == 502
    assert len(token_requests(authorization_server)) <= 3


@pytest.mark.behaviour("credentials.issuer-spared")
async def test_a_failing_issuer_is_left_alone_for_a_moment(
    own: House, authorization_server: AuthorizationServer, clock: ManualClock, server: RawServer
) -> None:
    authorization_server.failing = 503
    for _ in range(4):
        got = await own.post(LISTING)
        assert (got.status, got.json["error"]["code"]) == (502, 50200)
    assert len(authorization_server.asked) == 1
    assert server.got == []
    authorization_server.failing = 0
    clock.advance(2 * SECOND)
    assert (await own.post(LISTING)).status == 200


@pytest.mark.behaviour("credentials.used-to-the-end")
async def test_while_the_issuer_is_out_of_reach_a_token_is_used_to_its_end_but_not_after_a_refusal(
    own: House, authorization_server: AuthorizationServer, clock: ManualClock
) -> None:
    await own.post(LISTING)
    clock.advance(280 * SECOND)
    authorization_server.failing = 503
    for _ in range(2):
        assert (await own.post(LISTING)).status == 200
    authorization_server.failing = 0
    authorization_server.clients["gateway"].secret = "another one by now"
    clock.advance(2 * SECOND)
    refused = await own.post(LISTING)
    assert (refused.status, "invalid_client" in refused.json["error"]["message"]) == (502, True)
    authorization_server.failing = 503
    clock.advance(20 * SECOND)
    assert (await own.post(LISTING)).status == 502


@pytest.mark.behaviour("credentials.token-exchange")
async def test_the_clients_token_is_exchanged_for_one_that_is_for_the_server(
    exchanging: House, checking: Checking, authorization_server: AuthorizationServer, resource: str
) -> None:
    inbound = authorization_server.mint(audience="http://gateway.example/mcp", sub="ada")
    for _ in range(2):
        assert (await exchanging.post(call(), token=f"Bearer {inbound}".encode())).status == 200
    assert inbound not in checking.tokens
    claims = checking.claims[0]
    assert (claims["sub"], claims["aud"], claims["act"]) == ("ada", resource, {"sub": "gateway"})
    [asked] = token_requests(authorization_server)
    assert (asked["subject_token"], asked["resource"]) == (inbound, resource)
    [event] = exchanging.events("gateway.credential")
    assert event.actor == "user:ada"


@pytest.mark.behaviour("credentials.exchange-per-client")
async def test_two_clients_never_share_an_exchanged_token(
    exchanging: House, checking: Checking, authorization_server: AuthorizationServer
) -> None:
    for who in ("ada", "bob", "ada"):
        inbound = authorization_server.mint(audience="http://gateway.example/mcp", sub=who)
        await exchanging.post(call(), token=f"Bearer {inbound}".encode())
    assert [claims["sub"] for claims in checking.claims] == ["ada", "bob", "ada"]


@pytest.mark.behaviour("credentials.token-exchange")
async def test_a_token_that_the_issuer_will_not_exchange_is_an_error_and_reaches_no_server(
    exchanging: House, authorization_server: AuthorizationServer, server: RawServer
) -> None:
    got = await exchanging.post(call(), token=b"Bearer not-a-token-of-the-issuer")
    assert (got.status, got.json["error"]["code"]) == (502, 50200)
    assert "invalid_grant" in got.json["error"]["message"]
    assert server.got == []


@pytest.mark.behaviour("credentials.not-shown")
async def test_neither_secret_nor_token_is_in_any_event_log_or_error(
    own: House, exchanging: House, authorization_server: AuthorizationServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    inbound = authorization_server.mint(audience="http://gateway.example/mcp")
    header = f"Bearer {inbound}".encode()
    answers = [await own.post(call()), await exchanging.post(call(), token=header)]
    authorization_server.clients["gateway"].secret = "another one by now"
    for issued in authorization_server.issued:
        issued.revoked = True
    answers += [await own.post(LISTING), await exchanging.post(LISTING, token=header)]
    told = everything_told(own, caplog) + "".join(got.body.decode() + repr(got.headers) for got in answers)
    secrets = [CANARY, inbound, *(issued.access_token for issued in authorization_server.issued)]
    assert [secret for secret in secrets if secret in told] == []
    assert "invalid_client" in told


@pytest.mark.behaviour("credentials.issuer-is-itself")
@pytest.mark.parametrize("issuer", ["https://other.example", "", None])
async def test_metadata_that_names_another_issuer_is_not_believed_and_gets_no_secret(
    issuer: str | None, own: House, authorization_server: AuthorizationServer, server: RawServer
) -> None:
    authorization_server.metadata["issuer"] = issuer
    assert (await own.post(call())).status == 502
    assert token_requests(authorization_server) == []
    assert server.got == []


@pytest.mark.behaviour("credentials.endpoints-fetched-safely")
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/token", "https://169.254.169.254/token", "file:///etc/passwd", "https://a@b/token"]
)
async def test_metadata_that_points_inside_is_refused(
    url: str, endpoint: TokenEndpoint, purpose: Purpose, authorization_server: AuthorizationServer
) -> None:
    for member in ("token_endpoint", "revocation_endpoint", "registration_endpoint", "authorization_endpoint"):
        authorization_server.metadata = {member: url}
        with pytest.raises(CredentialFailed):
            await endpoint.issuers.of(purpose.client.issuer)


@pytest.mark.behaviour("credentials.client-authentication")
async def test_a_client_authenticates_as_its_issuer_asks(
    endpoint: TokenEndpoint, purpose: Purpose, authorization_server: AuthorizationServer, clock: ManualClock
) -> None:
    fields = [("grant_type", "client_credentials"), *purpose.fields]
    awkward = OAuthClient(authorization_server.issuer, "a:b c", Secret("p%/+ä:"))
    authorization_server.add_client("a%3Ab+c", "x")
    await endpoint.ask(purpose.client, fields)
    assert "authorization" in authorization_server.asked[-1].headers
    with pytest.raises(TokenRefused) as refused:
        await endpoint.ask(awkward, fields)
    assert refused.value.error == "invalid_client"
    authorization_server.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    clock.advance(3600 * SECOND)
    await endpoint.ask(purpose.client, fields)
    assert authorization_server.asked[-1].fields["client_secret"] == CANARY
    authorization_server.metadata["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
    clock.advance(3600 * SECOND)
    with pytest.raises(CredentialFailed, match="no way of ours"):
        await endpoint.ask(purpose.client, fields)


@pytest.mark.behaviour("credentials.answers-read-strictly")
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"access_token": "a"},
        {"access_token": "a", "token_type": "mac"},
        {"access_token": "a\r\nX: y", "token_type": "Bearer"},
        {"access_token": "a b", "token_type": "Bearer"},
        {"access_token": "", "token_type": "Bearer"},
        {"access_token": "a", "token_type": "Bearer", "expires_in": -1},
        {"access_token": "a", "token_type": "Bearer", "expires_in": "soon"},
        {"access_token": "a", "token_type": "Bearer", "expires_in": 1e99},
        {"access_token": "a", "token_type": "Bearer", "expires_in": "nan"},
        [],
    ],
)
def test_an_answer_that_holds_no_bearer_token_is_none(said: Any, endpoint: TokenEndpoint) -> None:

    with pytest.raises(CredentialFailed):
        endpoint._token(msgspec.json.encode(said))


@pytest.mark.behaviour("credentials.client-credentials")
async def test_an_issuer_with_a_certificate_of_ones_own_authority_is_asked_over_tls(
    tmp_path: Path, clock: ManualClock, resource: str
) -> None:
    authority = Authority(tmp_path)
    with AuthorizationServer.running(tls=authority.serving(), path="/tenant") as issuer:
        issuer.add_client("gateway", CANARY)
        client = OAuthClient(issuer.issuer, "gateway", Secret(CANARY))
        fields = [("grant_type", "client_credentials"), ("resource", resource)]
        for ca_file, is_trusted in ((str(authority.path), True), ("", False)):
            settings = FetchSettings(allow_hosts=(f"127.0.0.1:{issuer.port}",), ca_file=ca_file)
            fetcher = Fetcher(settings)
            endpoint = TokenEndpoint(fetcher, Issuers(fetcher, clock), clock)
            if is_trusted:
                assert (await endpoint.ask(client, fields)).access
                continue
            with pytest.raises(CredentialFailed, match="not trusted"):
                await endpoint.ask(client, fields)


@pytest.mark.behaviour("credentials.metadata-places")
async def test_metadata_is_looked_for_where_mcp_says(fetcher: Fetcher, clock: ManualClock) -> None:
    assert places("https://as.example") == [
        "https://as.example/.well-known/oauth-authorization-server",
        "https://as.example/.well-known/openid-configuration",
    ]
    assert places("https://as.example/tenant/one/") == [
        "https://as.example/.well-known/oauth-authorization-server/tenant/one",
        "https://as.example/.well-known/openid-configuration/tenant/one",
        "https://as.example/tenant/one/.well-known/openid-configuration",
    ]


@pytest.mark.behaviour("credentials.resource")
def test_a_resource_has_one_form_and_covers_what_lies_below_it() -> None:
    assert canonical_resource("HTTPS://MCP.Example:443/Mcp/") == "https://mcp.example/Mcp"
    assert canonical_resource("http://[::1]:8000") == "http://[::1]:8000"
    assert covers("https://mcp.example", "https://mcp.example/a")
    assert covers("https://mcp.example/a/", "https://mcp.example/a")
    for wrong in ("https://other.example", "http://mcp.example", "https://mcp.example:444", "https://mcp.example/ab"):
        assert not covers(wrong, "https://mcp.example/a")
    assert not covers("https://mcp.example/a/b", "https://mcp.example/a")
