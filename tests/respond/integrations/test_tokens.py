"""Tokens of a real authorization server: ended there, and asked about; what is no answer proves nothing."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.authorization_server import AuthorizationServer
from tests.respond.integrations.conftest import ground
from tests.respond.integrations.servers import Request, elsewhere
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import Secret
from watchkeeper.respond.errands import NotTaken, Rejected
from watchkeeper.respond.integrations import IntegrationSettings
from watchkeeper.respond.integrations.tokens import Tokens
from watchkeeper.respond.ports import TokenIssuer

PASSWORD = "s3cret+/:%"


@pytest.fixture
def server() -> Iterator[AuthorizationServer]:
    with AuthorizationServer.running() as server:
        server.add_client("watchkeeper", secret=PASSWORD)
        yield server


def tokens(base: str, host: str, password: str = PASSWORD, **settings: Any) -> TokenIssuer:
    how = {"url": f"{base}/revoke", "introspect_url": f"{base}/introspect", "username": "watchkeeper"} | settings
    made = IntegrationSettings(type="tokens", secret="env:ISSUER", **how)
    return Tokens("issuer", made, ground(f"http://{host}", ISSUER=password))


def issued(server: AuthorizationServer) -> str:
    fields = {"grant_type": "client_credentials", "client_id": "watchkeeper", "client_secret": PASSWORD}
    request = urllib.request.Request(f"{server.issuer}/token", urllib.parse.urlencode(fields).encode())
    with urllib.request.urlopen(request) as answer:
        token: str = json.load(answer)["access_token"]
    return token


def host_of(server: AuthorizationServer) -> str:
    return server.issuer.partition("://")[2].partition("/")[0]


@pytest.mark.behaviour("integrations.tokens")
def test_a_token_is_ended_where_it_was_issued_and_the_server_says_so(server: AuthorizationServer) -> None:
    one, token, other = tokens(server.issuer, host_of(server)), Secret(issued(server)), Secret(issued(server))
    assert one.is_active(token) is True
    one.revoke(token)
    assert (one.is_active(token), one.is_active(other)) == (False, True)
    one.revoke(token)  # once more changes nothing
    one.revoke(Secret("unknown"))
    assert one.is_active(Secret("unknown")) is False


@pytest.mark.behaviour("integrations.tokens")
def test_a_client_that_is_not_let_in_is_an_error_without_a_secret(server: AuthorizationServer) -> None:
    token = Secret(issued(server))
    with pytest.raises(Rejected) as caught:
        tokens(server.issuer, host_of(server), "wrong-one").revoke(token)
    assert "invalid_client" in caught.value.reason
    assert "wrong-one" not in caught.value.reason
    assert tokens(server.issuer, host_of(server)).is_active(token) is True


@pytest.mark.behaviour("integrations.lies")
@pytest.mark.parametrize("answer", [b"<html>", {"active": "false"}, {}, [], {"active": None}, b""])
def test_what_is_no_answer_about_a_token_proves_nothing(answer: Any) -> None:
    with elsewhere(lambda _: (200, answer)) as there:
        assert tokens(there.url, there.host).is_active(Secret("t")) is None
        assert tokens(there.url, there.host, introspect_url="").is_active(Secret("t")) is None


@pytest.mark.behaviour("integrations.secrets")
def test_a_token_that_is_repeated_in_an_error_is_not_told(server: AuthorizationServer) -> None:
    def echo(request: Request) -> tuple[int, Any]:
        return 400, {"error": "unsupported_token_type", "body": request.body.decode()}

    with elsewhere(echo) as there, pytest.raises(Rejected) as caught:
        tokens(there.url, there.host).revoke(Secret("hot-token"))
    assert "hot-token" not in caught.value.reason
    with elsewhere(lambda _: (503, b"", {"Retry-After": "3"})) as there, pytest.raises(NotTaken) as later:
        tokens(there.url, there.host).revoke(Secret("hot-token"))
    assert later.value.after == 3


def test_what_cannot_be_asked_is_refused(server: AuthorizationServer) -> None:
    with pytest.raises(Misconfigured):
        tokens("http://issuer.example", "x.example")
    with pytest.raises(Misconfigured):
        tokens(server.issuer, host_of(server), username="")
    with pytest.raises(Rejected):
        tokens(server.issuer, host_of(server)).revoke(Secret("t"), "id_token")
    with pytest.raises(Rejected):
        tokens(server.issuer, host_of(server)).revoke(Secret(""))
