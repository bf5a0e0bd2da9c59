"""Who sends a request, as far as a verified credential says. No I/O.

A principal's name says where it comes from, so that nobody can take another's: `agent:NAME` is a client of our own,
`agent:ISSUER/SUBJECT` comes from an authorization server, and a tenant other than the default stands in front,
`agent:TENANT:NAME`. Whatever is kept under a principal's name is therefore kept apart by tenant, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

import msgspec

AGENT = "agent:"
DEFAULT = "default"
"""The tenant of whoever belongs to none."""
NEVER = 1 << 62
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""What names a client, a group, a tenant or an issuer."""
_PLAIN = "!$&'()*+,;=:@"
"""Characters of a subject that stay as they are, beside letters, digits and `_.-~`."""


class TokenMark(msgspec.Struct, frozen=True):
    """What a token of an authorization server can be named by when it is revoked."""

    issuer: str
    """By its name in the settings."""
    id: str
    """Its `jti`; empty when it has none."""
    fingerprint: str
    """SHA-256 (hex) of what its issuer signed."""
    issued: int
    """When it can have been issued at the earliest, microseconds since the epoch; 0 when it does not say."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """One verified credential's owner and limits."""

    principal: str
    tenant: str = DEFAULT
    groups: tuple[str, ...] = ()
    scopes: frozenset[str] | None = None
    """None when the credential is not limited by scopes."""
    servers: frozenset[str] | None = None
    """The routes it may use; None for all."""
    credential: str = "token"
    """`token` (minted here), `jwt` (of an authorization server) or `certificate`."""
    client: str = ""
    """The OAuth client that sends it; no name of a person."""
    expires: int = NEVER
    """When it ends, or when it must be looked at again: microseconds since the epoch."""
    thumbprint: bytes = b""
    """SHA-256 of the client certificate it is bound to (RFC 8705), or that it is."""

    mark: TokenMark | None = None
    """Of a token of an authorization server."""
    marks: tuple[str, ...] = ()
    """What policies may ask for as groups; see `marks_of`."""


def marks_of(groups: Iterable[str], scopes: Iterable[str] = (), tenant: str = DEFAULT) -> tuple[str, ...]:
    """Groups, a tenant's as `TENANT:GROUP`; `scope:NAME` of each scope; `tenant:NAME`.

    A colon inside a group's name is encoded, so that none passes for a scope, or for another tenant's group.
    """
    plain = (group.replace("%", "%25").replace(":", "%3A") for group in groups)
    said = sorted(_in_tenant(tenant) + group for group in plain)
    said += sorted(f"scope:{scope}" for scope in scopes)
    return (*said, f"tenant:{tenant}") if tenant != DEFAULT else tuple(said)


def local_principal(name: str, tenant: str = DEFAULT) -> str:
    """A client of our own."""
    return AGENT + _in_tenant(tenant) + name


def issued_principal(issuer: str, subject: str, tenant: str = DEFAULT) -> str:
    """A subject of an authorization server; what could mislead a reader is percent-encoded."""
    return f"{AGENT}{_in_tenant(tenant)}{issuer}/{quote(subject, safe=_PLAIN)}"


@lru_cache(maxsize=4096)
def tenant_of(principal: str) -> str:
    """The tenant that a principal's name says."""
    name = principal.removeprefix(AGENT) if principal.startswith(AGENT) else ""
    tenant, colon, _ = name.partition("/")[0].partition(":")
    return tenant if colon else DEFAULT


def _in_tenant(tenant: str) -> str:
    return "" if tenant == DEFAULT else f"{tenant}:"
