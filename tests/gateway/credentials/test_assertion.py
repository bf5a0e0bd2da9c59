"""Signed assertions in place of a secret, judged by a real authorization server."""

from __future__ import annotations

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc.jwk import import_key

from tests.gateway.authorization_server import AuthorizationServer
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.credentials.assertion import check_key, signed
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.issuer import Issuers
from watchkeeper.gateway.credentials.model import CredentialFailed, OAuthClient, TokenRefused

KEYS = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}
FIELDS = [("grant_type", "client_credentials"), ("resource", "https://mcp.example")]


def pem(key: object) -> Secret:
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())  # type: ignore[attr-defined]


@pytest.fixture
def now() -> ManualClock:
    """The real time, which the authorization server looks at."""
    return ManualClock(time.time_ns() // 1000)


@pytest.mark.behaviour("credentials.private-key-jwt")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
async def test_a_client_may_sign_in_place_of_a_secret(
    alg: str, authorization_server: AuthorizationServer, fetcher: Fetcher, now: ManualClock
) -> None:
    key = KEYS[alg]()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    registered = authorization_server.add_client("gateway")
    registered.public_key = import_key(public, "EC" if alg == "ES256" else "RSA")
    endpoint = TokenEndpoint(fetcher, Issuers(fetcher, now), now)
    client = OAuthClient(authorization_server.issuer, "gateway", key=pem(key), key_id="k1")
    for _ in range(2):  # each assertion is another one
        assert (await endpoint.ask(client, FIELDS)).access
    asked = authorization_server.asked[-1]
    claims = jwt.decode(asked.fields["client_assertion"], options={"verify_signature": False})
    assert (claims["aud"], claims["exp"] - claims["iat"]) == (authorization_server.issuer, 60)
    assert "authorization" not in asked.headers
    assert "client_secret" not in asked.fields
    with pytest.raises(TokenRefused):
        await endpoint.ask(OAuthClient(authorization_server.issuer, "gateway", key=pem(KEYS["ES256"]())), FIELDS)
    authorization_server.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_basic"]
    now.advance(3600 * SECOND)
    with pytest.raises(CredentialFailed, match="private_key_jwt"):
        await endpoint.ask(client, FIELDS)


@pytest.mark.behaviour("credentials.private-key-jwt")
@pytest.mark.parametrize("alg", sorted(KEYS))
def test_the_algorithm_follows_from_the_key(alg: str, clock: ManualClock) -> None:
    key = KEYS[alg]()
    client = OAuthClient("https://as.example", "gateway", key=pem(key), key_id="k1")
    header = jwt.get_unverified_header(signed(client, clock.now()))
    assert (header["alg"], header["kid"]) == (alg, "k1")
    if alg == "RS256":
        assert jwt.get_unverified_header(signed(client, clock.now(), ["PS256"]))["alg"] == "PS256"


@pytest.mark.behaviour("credentials.private-key-jwt")
def test_a_key_that_cannot_sign_is_told_by_its_setting() -> None:
    small, strange = rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256K1())
    other = dsa.generate_private_key(2048)
    for key in (pem(small), pem(strange), pem(other), Secret("canary"), Secret("-----BEGIN PRIVATE KEY-----")):
        with pytest.raises(Misconfigured, match=r"servers\.x\.oauth\.client_key") as told:
            check_key("servers.x.oauth.client_key", key)
        assert "canary" not in told.value.reason + told.value.hint
