"""Which signatures prove who signed, and which public keys can check them. No I/O.

1. Only asymmetric algorithms: `none` is no signature, and with an HMAC whoever can check can also forge, which a public
   key taken for a shared secret makes everybody (CVE-2015-9235 and its kin).
2. An algorithm goes with one kind of key, whatever the token says (algorithm confusion).
3. No key that is too short, is meant for encryption, or was published with its private half.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jwt import PyJWK
from jwt.exceptions import InvalidKeyError, PyJWKError

ASYMMETRIC: Mapping[str, tuple[str, str]] = {
    "RS256": ("RSA", ""),
    "RS384": ("RSA", ""),
    "RS512": ("RSA", ""),
    "PS256": ("RSA", ""),
    "PS384": ("RSA", ""),
    "PS512": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Algorithm → key type and curve."""
_SHORTEST_RSA = 2048
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


def key_for(jwk: Mapping[str, Any], algorithm: str) -> PyJWK | None:
    """The key of a JWK for one algorithm; None when it is not for that."""
    kind, curve = ASYMMETRIC[algorithm]
    if jwk.get("kty") != kind or (curve and jwk.get("crv") != curve):
        return None
    if jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig" or _PRIVATE & jwk.keys():
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key = PyJWK(dict(jwk), algorithm)
    except (InvalidKeyError, PyJWKError, KeyError, TypeError, ValueError):
        return None
    size: int = getattr(key.key, "key_size", 0)
    return None if kind == "RSA" and size < _SHORTEST_RSA else key
