"""The authorization server of the tests keeps to the rules it is there to hold others to."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.gateway.authorization_grants import ACCESS_TOKEN, EXCHANGE
from tests.gateway.authorization_server import AuthorizationServer, new_key
from tests.gateway.certificates import Authority

HERE = "https://gateway.test/mcp"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def ask(url: str, form: dict[str, str] | None = None, tls: ssl.SSLContext | None = None) -> tuple[int, Any, str]:
    """Status, body, Location."""
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    handlers: list[Any] = [_NoRedirect(), urllib.request.ProxyHandler({})]
    opener = urllib.request.build_opener(*handlers, *([urllib.request.HTTPSHandler(context=tls)] if tls else []))
    try:
        with opener.open(url, data, timeout=5) as got:
            return got.status, json.loads(got.read()), ""
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            return error.code, json.loads(text) if text else None, error.headers.get("Location", "")


def token(server: AuthorizationServer, **form: str) -> tuple[int, Any]:
    return ask(f"{server.issuer}/token", {"client_id": "agent", "client_secret": "s", **form})[:2]


def authorize(server: AuthorizationServer, **more: str) -> dict[str, str]:
    query = {"response_type": "code", "client_id": "app", "redirect_uri": "http://127.0.0.1:9/back", "state": "x"}
    query |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": HERE} | more
    status, _, location = ask(f"{server.issuer}/authorize?{urllib.parse.urlencode(query)}")
    assert status == 302
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def redeem(server: AuthorizationServer, code: str, **more: str) -> tuple[int, Any]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "http://127.0.0.1:9/back"}
    return ask(f"{server.issuer}/token", form | {"client_id": "app", "code_verifier": VERIFIER} | more)[:2]


def test_it_describes_itself_in_both_ways(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    oauth = ask(server.base + "/.well-known/oauth-authorization-server")[1]
    assert oauth["issuer"] == server.issuer
    assert oauth == ask(server.base + "/.well-known/openid-configuration")[1]
    assert [key["kid"] for key in ask(oauth["jwks_uri"])[1]["keys"]] == [server.keys[-1].kid]


def test_an_issuer_with_a_path_is_described_below_the_well_known_name() -> None:
    with AuthorizationServer.running(path="/tenant") as server:
        assert ask(server.base + "/.well-known/oauth-authorization-server/tenant")[1]["issuer"] == server.issuer
        assert ask(server.issuer + "/jwks")[0] == 200


def test_a_code_is_redeemed_once_with_its_verifier(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    server.add_client("app", "", "http://127.0.0.1:9/back")
    back = authorize(server)
    assert (back["state"], back["iss"]) == ("x", server.issuer)
    status, got = redeem(server, back["code"])
    assert status == 200
    claims = server.read_token(got["access_token"])
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("ada", "app", HERE)
    assert redeem(server, back["code"])[1]["error"] == "invalid_grant"
    assert redeem(server, authorize(server)["code"], code_verifier="w" * 64)[1]["error"] == "invalid_grant"
    elsewhere = redeem(server, authorize(server)["code"], resource="https://other.test")
    assert elsewhere[1]["error"] == "invalid_target"
    assert authorize(server, code_challenge_method="plain")["error"] == "invalid_request"
    server.user = None
    assert authorize(server)["error"] == "access_denied"


def test_a_refresh_token_is_good_once(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    server.add_client("app", "", "http://127.0.0.1:9/back")
    first = redeem(server, authorize(server, scope="read")["code"])[1]
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_secret": ""}
    status, second = token(server, **form, client_id="app")
    assert status == 200
    assert server.read_token(second["access_token"])["aud"] == HERE
    assert token(server, **form, client_id="app")[0] == 400


def test_a_client_gets_a_token_of_its_own(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    server.add_client("agent", "s", claims={"tenant": "acme"})
    status, got = token(server, grant_type="client_credentials", resource=HERE, scope="read write")
    claims = server.read_token(got["access_token"])
    assert status == 200
    assert (claims["sub"], claims["aud"], claims["scope"], claims["tenant"]) == ("agent", HERE, "read write", "acme")
    assert token(server, grant_type="client_credentials", client_secret="wrong")[0] == 401
    server.known_resources = {HERE}
    other = token(server, grant_type="client_credentials", resource="https://other.test")
    assert other[1]["error"] == "invalid_target"


def test_a_token_is_exchanged_for_another_resource(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    server.add_client("agent", "s")
    form = {"grant_type": EXCHANGE, "subject_token_type": ACCESS_TOKEN, "resource": "https://upstream.test"}
    status, got = token(server, **form, subject_token=server.mint(audience=HERE, tenant="acme"))
    assert (status, got["issued_token_type"]) == (200, ACCESS_TOKEN)
    claims = server.read_token(got["access_token"])
    assert (claims["sub"], claims["aud"], claims["act"]) == ("ada", "https://upstream.test", {"sub": "agent"})
    assert claims["tenant"] == "acme"
    forged = server.mint(audience=HERE, key=new_key())
    assert token(server, **form, subject_token=forged)[1]["error"] == "invalid_grant"


def test_a_revoked_token_is_worthless(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    server.add_client("agent", "s")
    got = token(server, grant_type="client_credentials", resource=HERE)[1]["access_token"]
    ask(f"{server.issuer}/revoke", {"client_id": "agent", "client_secret": "s", "token": got})
    with pytest.raises(ValueError, match="revoked"):
        server.read_token(got)


def test_keys_rotate_and_it_comes_back_on_the_same_port(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    old = server.mint(audience=HERE)
    server.rotate()
    assert server.read_token(old)["sub"] == "ada"
    server.rotate(keep=0)
    assert len(server.jwks()["keys"]) == 1
    with pytest.raises(ValueError, match=r".+"):
        server.read_token(old)
    server.stop()
    with pytest.raises(urllib.error.URLError):
        ask(server.issuer + "/jwks")
    server.start()
    assert ask(server.issuer + "/jwks")[1] == server.jwks()


def test_it_serves_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with AuthorizationServer.running(tls=authority.serving()) as server:
        assert server.issuer.startswith("https://")
        assert ask(server.issuer + "/jwks", tls=authority.trusting())[0] == 200
