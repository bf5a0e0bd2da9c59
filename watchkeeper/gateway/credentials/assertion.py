"""Authenticating to an issuer by a signed assertion in place of a secret (RFC 7523, `private_key_jwt`).

1. `aud` is the issuer itself and nothing else (an assertion that another server could present).
2. An assertion lives for a minute and has an id of its own (replay).
3. The algorithm follows from the key, and is asymmetric.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.credentials.model import OAuthClient

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
METHOD = "private_key_jwt"
_LIFE = 60
_LEAST_RSA = 2048
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def check_key(setting: str, key: Secret) -> None:
    """Raises `Misconfigured`, naming the setting, when this is no key that can sign an assertion."""
    if key:
        _load(setting, key)


def signed(client: OAuthClient, now: int, accepted: Sequence[str] = ()) -> str:
    """An assertion that we are this client, for its issuer; `accepted` are algorithms that the issuer names."""
    private = _load("client_key", client.key)
    claims = {"iss": client.id, "sub": client.id, "aud": client.issuer, "jti": secrets.token_urlsafe(24)}
    at = now // SECOND
    headers = {"kid": client.key_id} if client.key_id else None
    return jwt.encode(claims | {"iat": at, "exp": at + _LIFE}, private, _algorithm(private, accepted), headers)


def _load(setting: str, key: Secret) -> Key:
    try:
        private = load_pem_private_key(key.reveal().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    is_small = isinstance(private, rsa.RSAPrivateKey) and private.key_size < _LEAST_RSA
    is_strange = isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name not in _CURVES
    if not isinstance(private, Key) or is_small or is_strange:
        raise Misconfigured(
            f"{setting}: there is no private key that we can sign with", hint="RSA of 2048 bits, EC or Ed25519, in PEM"
        )
    return private


def _algorithm(key: Key, accepted: Sequence[str]) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    return "PS256" if "PS256" in accepted and "RS256" not in accepted else "RS256"
