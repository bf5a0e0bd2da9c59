"""An access token's text to a caller, or why not. Pure: keys and time are handed in.

Obligations, and what each one stops:

1. A bound on size, one spelling, strict JSON without doubled members (two readers, two meanings; exhaustion).
2. The algorithm is one that the settings allow for this issuer, and the key is one of that issuer's own. What the
   header says about keys (`jku`, `jwk`, `x5u`, `x5c`) is not read, and a `crit` nobody understands is refused.
3. The token is an access token by its `typ` (an ID token or a logout token shown as one).
4. It was issued by that issuer for this route and for nobody else (a token stolen at, or passed on by, another
   resource), and is neither expired nor of the future.
5. Who it names is a visible, bounded name, in a tenant that is one.
6. What binds it to a key is checked (RFC 8705), and where it cannot be (RFC 9449) the token is refused.

A reason is fit for the client; it never repeats what the token said.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from jwt import PyJWK, PyJWS
from jwt.exceptions import InvalidTokenError

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Untrusted
from watchkeeper.gateway.caller import NAME, Caller, TokenMark, issued_principal, marks_of
from watchkeeper.gateway.oauth.settings import IssuerSettings
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.json import read_strictly

LONGEST = 8192
"""Bytes of a token that we look at."""
_LONGEST_NAME = 256
_SHAPE = re.compile(rb"[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}")
_LATEST = 1 << 40
"""Seconds since the epoch beyond which a time is no time."""
_MOST_SCOPES = 256
_MOST_GROUPS = 256
_jws = PyJWS()


class BadToken(Untrusted):
    """This token opens nothing; the reason is fit for whoever sent it."""

    code = "bad_token"


class Unverified(msgspec.Struct, frozen=True):
    """What a token says of itself before anybody vouches for it: enough to find the key, and good for nothing else."""

    text: bytes
    algorithm: str
    kid: str
    type: str
    issuer: str


def looks_like_jwt(token: bytes) -> bool:
    """Whether this is in the form of a signed token."""
    return len(token) <= LONGEST and token.count(b".") == 2 and _SHAPE.fullmatch(token) is not None


def fingerprint(token: bytes) -> str:
    """By what a token is known whatever its signature is rewritten to: SHA-256 (hex) of what its issuer signed."""
    return hashlib.sha256(token.rpartition(b".")[0]).hexdigest()


def claims_of(token: bytes) -> dict[str, Any]:
    """What a token that `looks_like_jwt` claims, whoever signed it. Raises `BadToken`."""
    return _object(token.split(b".")[1])


def claimed_expiry(token: bytes) -> int:
    """When a token that `looks_like_jwt` says that it ends, microseconds since the epoch. Raises `BadToken`."""
    expires = _moment(claims_of(token), "exp")
    if expires is None:
        raise BadToken("the token never expires")
    return expires


def read_unverified(token: bytes) -> Unverified:
    """Header and issuer of a token that `looks_like_jwt`. Raises `BadToken`."""
    first, second, _ = token.split(b".")
    header, claims = _object(first), _object(second)
    if "crit" in header:
        raise BadToken("the token asks for an extension that is not understood here")
    if not all(isinstance(header.get(name, ""), str) for name in ("alg", "kid", "typ")):
        raise BadToken("the token's header is not in order")
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise BadToken("the token does not say who issued it")
    kind = header.get("typ", "").lower().removeprefix("application/")
    return Unverified(token, header.get("alg", ""), header.get("kid", ""), kind, issuer)


def check_header(token: Unverified, issuer: IssuerSettings) -> None:
    """Raises `BadToken` when no key could make this token acceptable."""
    if token.algorithm not in issuer.algorithms:
        raise BadToken("the token is signed in a way that is not accepted")
    if token.type not in {kind.lower().removeprefix("application/") for kind in issuer.token_types}:
        raise BadToken("the token is not an access token by its type (typ)")
    if len(token.kid) > _LONGEST_NAME:
        raise BadToken("the token's header is not in order")


def verify(
    token: Unverified, key: PyJWK, issuer: IssuerSettings, *, name: str, audiences: frozenset[str], now: int
) -> Caller:
    """The caller that a token names; `name` is the issuer's in the settings. Raises `BadToken`."""
    try:
        _jws.decode(token.text, key, algorithms=[token.algorithm])
    except (InvalidTokenError, ValueError, TypeError) as error:
        raise BadToken("the token's signature does not verify") from error
    claims = _object(token.text.split(b".")[1])
    if claims.get("iss") != issuer.url:
        raise BadToken("the token was issued by somebody else")
    _check_audience(claims.get("aud"), issuer, audiences)
    leeway = round(issuer.leeway_seconds * SECOND)
    expires = _check_times(claims, leeway, now)
    tenant, groups, scopes = _tenant(claims, issuer), _groups(claims, issuer.groups_claim), _scopes(claims, issuer)
    return Caller(
        principal=issued_principal(name, _name(claims, issuer.principal_claim), tenant),
        tenant=tenant,
        groups=groups,
        scopes=scopes,
        marks=marks_of(groups, scopes, tenant),
        credential="jwt",
        client=_client(claims),
        expires=min(expires, now + round(issuer.keys_seconds * SECOND)),
        thumbprint=_thumbprint(claims.get("cnf")),
        mark=TokenMark(name, _id(claims), fingerprint(token.text), max(0, (_moment(claims, "iat") or 0) - leeway)),
    )


def _check_audience(said: object, issuer: IssuerSettings, audiences: frozenset[str]) -> None:
    named = {said} if isinstance(said, str) else set(_texts(said) or ())
    accepted = frozenset(issuer.audiences) or audiences
    if not named & accepted:
        raise BadToken("the token was issued for another resource")
    if named - accepted - set(issuer.other_audiences):
        raise BadToken("the token was issued for other resources, too")


def _check_times(claims: Mapping[str, Any], leeway: int, now: int) -> int:
    expires = _moment(claims, "exp")
    if expires is None:
        raise BadToken("the token never expires")
    if expires + leeway <= now:
        raise BadToken("the token has expired")
    for claim in ("nbf", "iat"):
        moment = _moment(claims, claim)
        if moment is not None and moment - leeway > now:
            raise BadToken("the token is not valid yet")
    return expires + leeway


def _moment(claims: Mapping[str, Any], claim: str) -> int | None:
    if claim not in claims:
        return None
    value = claims[claim]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise BadToken(f"the token's {claim} is no time")
    return int(value * SECOND)


def _name(claims: Mapping[str, Any], claim: str) -> str:
    value = claims.get(claim)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        raise BadToken(f"the token does not name a principal ({claim})")
    return value


def _tenant(claims: Mapping[str, Any], issuer: IssuerSettings) -> str:
    if not issuer.tenant_claim:
        return issuer.tenant
    value = claims.get(issuer.tenant_claim)
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise BadToken(f"the token does not name a tenant ({issuer.tenant_claim})")
    return value


def _client(claims: Mapping[str, Any]) -> str:
    value = claims.get("client_id", claims.get("azp", ""))
    return value[:_LONGEST_NAME] if isinstance(value, str) else ""


def _id(claims: Mapping[str, Any]) -> str:
    value = claims.get("jti", "")
    return value if isinstance(value, str) else ""


def _scopes(claims: Mapping[str, Any], issuer: IssuerSettings) -> frozenset[str]:
    said = claims.get(issuer.scope_claim, "")
    words = said.split() if isinstance(said, str) else _texts(said) or []
    if len(words) > _MOST_SCOPES:
        raise BadToken("the token has too many scopes")
    return closed(words, issuer.implies)


def closed(scopes: list[str], implies: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The scopes and whatever they include."""
    known, open_ones = set(scopes), list(scopes)
    while open_ones:
        for scope in implies.get(open_ones.pop(), ()):
            if scope not in known:
                known.add(scope)
                open_ones.append(scope)
    return frozenset(known)


def _groups(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    said = _texts(claims.get(claim, [])) if claim else []
    if said is None or len(said) > _MOST_GROUPS:
        raise BadToken(f"the token's {claim} are no groups")
    return tuple(sorted(set(said)))


def _thumbprint(confirmation: object) -> bytes:
    if confirmation is None:
        return b""
    if not isinstance(confirmation, dict) or set(confirmation) != {"x5t#S256"}:
        raise BadToken("the token is bound to a key in a way that is not checked here")
    value = confirmation["x5t#S256"]
    thumbprint = _decoded(value.encode()) if isinstance(value, str) else b""
    if len(thumbprint) != 32:
        raise BadToken("the token is bound to a certificate that cannot be")
    return thumbprint


def _texts(value: object) -> list[str] | None:
    return value if isinstance(value, list) and all(isinstance(one, str) for one in value) else None


def _object(part: bytes) -> dict[str, Any]:
    try:
        value = read_strictly(_decoded(part))
    except BadMessage as error:
        raise BadToken("the token is not in order") from error
    if not isinstance(value, dict):
        raise BadToken("the token is not in order")
    return value


def _decoded(part: bytes) -> bytes:
    """Base64url without padding, in its one spelling."""
    try:
        data = base64.b64decode(part + b"=" * (-len(part) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadToken("the token is not in order") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part:
        raise BadToken("the token is not in order")
    return data
