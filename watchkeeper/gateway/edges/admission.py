"""Who comes in: everything that a request's head alone can decide, before a byte of its body is kept. Pure.

In this order, each with the attack it stops:
1. one `Host`, `Authorization`, `Content-Length`, `Mcp-*` …: two readers must not pick different ones (smuggling);
2. one framing: `Content-Length` or `chunked`, never both, in a version of HTTP that has it (smuggling);
3. `Host` and `Origin` are ours (DNS rebinding, cross-site requests);
4. the path and the method are MCP's: what we do not know is refused, never waved through;
5. it has not been here before (circles through ourselves);
6. a bearer token that is somebody's, or that its issuer may say is somebody's, for this route;
7. a body that everybody reads alike: JSON in UTF-8 whatever its parameters say, not compressed, not too long.
"""

from __future__ import annotations

from copy import copy
from functools import lru_cache

import msgspec

from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.callers import Callers
from watchkeeper.gateway.heads import Heads
from watchkeeper.gateway.hops import circle
from watchkeeper.gateway.model import Refusal, Request, Unsettled
from watchkeeper.gateway.tls.peer import NOBODY, Peer
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol import errors
from watchkeeper.protocol.headers import HOP_BY_HOP, nominated

_SINGLE = frozenset(
    {b"host", b"authorization", b"content-length", b"content-type", b"content-encoding", b"transfer-encoding"}
    | {b"origin", b"last-event-id", b"expect", b"connection"}
)
_STAYS_HERE = HOP_BY_HOP | {b"host", b"content-length", b"authorization", b"accept-encoding", b"expect"}
_VERBS = {b"POST": "POST", b"GET": "GET", b"DELETE": "DELETE"}
_VERSIONS = frozenset({"1.1", "1.0"})
_UTF_8 = frozenset({b"charset=utf-8", b'charset="utf-8"'})
_JSON = (b"Content-Type", b"application/json")


class Head(msgspec.Struct):
    """A request line and its headers, as parsed."""

    verb: bytes = b""
    target: bytes = b""
    version: str = "1.1"
    headers: list[tuple[bytes, bytes]] = []


class Known(msgspec.Struct, frozen=True):
    """A head that was let in before. Everything that is not in its bytes is looked up again."""

    authorization: bytes
    """Tokens are revoked."""
    request: Request


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What one port accepts."""

    path: bytes
    hosts: frozenset[bytes]
    origins: frozenset[bytes]
    max_body: int
    callers: Callers
    metadata_paths: frozenset[bytes] = frozenset()
    """Where anybody may read which authorization servers issue tokens for this route."""
    keeps_credential: bool = False
    """The route's upstream needs the client's credential."""
    hop: bytes = b""
    """What the port's route calls itself in `Via`."""
    known: Heads[Known]
    """Of these rules only: with others a head may come to something else."""


def known_request(head: bytes, length: int, rules: Rules) -> Request | None:
    """The request of a head that these rules have let in before, if they would again; see `gateway.heads`."""
    known = rules.known.get(head)
    if known is None or length > rules.max_body:
        return None
    caller = rules.callers.known(known.authorization)
    if caller is None:
        return None
    request = copy(known.request)
    request.principal, request.caller = caller.principal, caller
    return request


def keep_known(head: bytes, request: Request, authorization: bytes, rules: Rules) -> None:
    """Let `known_request` know a head; `request` is what `admit` made of it."""
    if authorization and request.detour is None:
        rules.known.keep(head, Known(authorization, request))


def admit(head: Head, rules: Rules, peer: Peer = NOBODY) -> Request | Refusal:
    """The request without its body, or why it is turned away; `peer` is what the client showed in the handshake."""
    known: dict[bytes, bytes] = {}
    mirrors: dict[bytes, bytes] = {}
    forward: list[tuple[bytes, bytes]] = []
    for pair in head.headers:
        trait = _trait(pair[0])
        name = trait.name
        if trait.is_single and name in known:
            return _malformed(f"the {name.decode('ascii', 'replace')} header is doubled")
        if trait.imitates:
            return _malformed("a header imitates a protected one with an underscore")
        known[name] = pair[1]
        if trait.is_forwarded:
            forward.append(pair)
            if trait.is_mirror:
                mirrors[name] = pair[1]
    early: Request | Refusal | None = _framing(known, head.version) or _network(known, rules)
    early = early or _metadata(head, known, rules) or _endpoint(head, rules)
    if early is not None:
        return early
    if b"via" in known and (why := circle(head.headers, rules.hop)):
        return Refusal(508, errors.LOOP, why)
    host = known[b"host"].decode("ascii").lower()
    seen = rules.callers.identify(known.get(b"authorization"), host, peer)
    if isinstance(seen, Refusal):
        return seen
    refusal = _body(head.verb, known, rules, seen.principal if isinstance(seen, Caller) else "")
    if refusal is not None:
        return refusal
    for name in nominated(known[b"connection"]) if b"connection" in known else ():
        if _is_protected(name):
            return _malformed("the Connection header names a protected header")
        forward = [pair for pair in forward if pair[0].lower() != name]
    request = _request(head, known, forward, mirrors, seen, resource=rules.callers.resource.url(host))
    if rules.keeps_credential and isinstance(request, Request) and _is_issued(seen):
        request.credential = Secret(known[b"authorization"].decode("latin-1"))
    return request


def _is_issued(seen: Caller | Unsettled) -> bool:
    """Whether this is an access token of an authorization server: a token of ours is a key to us, and no server's."""
    return isinstance(seen, Unsettled) or seen.credential == "jwt"


def _request(
    head: Head,
    known: dict[bytes, bytes],
    forward: list[tuple[bytes, bytes]],
    mirrors: dict[bytes, bytes],
    seen: Caller | Unsettled,
    *,
    resource: str,
) -> Request | Refusal:
    try:
        version = mirrors.pop(b"mcp-protocol-version", b"").decode("ascii")
        session = mirrors.pop(b"mcp-session-id", b"").decode("ascii")
    except UnicodeDecodeError:
        return _malformed("a header of MCP is not ASCII")
    if not session.isprintable() or " " in session:
        return _malformed("the session id is not visible ASCII")
    if b"last-event-id" in known and head.verb == b"POST":  # only GET resumes; nobody owns what else would be replayed
        forward = [pair for pair in forward if pair[0].lower() != b"last-event-id"]
    request = Request(
        verb=_VERBS[head.verb],
        headers=forward,
        principal="",
        version=version,
        session=session,
        mirrors=mirrors,
        trace=known[b"traceparent"].decode("latin-1")[:128] if b"traceparent" in known else "",
    )
    request.resource = resource
    if isinstance(seen, Caller):
        request.principal, request.caller = seen.principal, seen
    else:
        request.detour = seen
    return request


class _Trait(msgspec.Struct, frozen=True):
    """What a header's name alone says."""

    name: bytes
    """In lower case."""
    is_single: bool
    is_mirror: bool
    is_forwarded: bool
    imitates: bool


@lru_cache(maxsize=1024)
def _trait(name: bytes) -> _Trait:
    name = name.lower()
    imitates = b"_" in name and _is_protected(name.replace(b"_", b"-"))
    return _Trait(name, _is_protected(name), name.startswith(b"mcp-"), name not in _STAYS_HERE, imitates)


def _is_protected(name: bytes) -> bool:
    return name in _SINGLE or name.startswith(b"mcp-")


def _malformed(reason: str) -> Refusal:
    return Refusal(400, errors.INVALID_REQUEST, reason)


def _framing(known: dict[bytes, bytes], version: str) -> Refusal | None:
    if version not in _VERSIONS:
        return _malformed("this is not HTTP/1.1 as we read it")
    coding = known.get(b"transfer-encoding")
    if coding is not None:
        if b"content-length" in known or version == "1.0":
            return _malformed("a request has a length or, since HTTP/1.1, is chunked; not both")
        if coding.strip().lower() != b"chunked":
            return _malformed("the only transfer coding accepted is chunked")
    length = known.get(b"content-length")
    if length is not None and not length.isdigit():
        return _malformed("the content length is no number")
    if known.get(b"expect", b"100-continue").lower() != b"100-continue":
        return Refusal(417, errors.INVALID_REQUEST, "the only expectation met is 100-continue")
    return None


def _network(known: dict[bytes, bytes], rules: Rules) -> Refusal | None:
    host = known.get(b"host")
    if host is None:
        return _malformed("the Host header is missing")
    if host.lower() not in rules.hosts:
        return Refusal(403, errors.FORBIDDEN, "this host name is not served here; see gateway.allowed_hosts")
    origin = known.get(b"origin")
    if origin is not None and origin.lower() not in rules.origins:
        return Refusal(403, errors.FORBIDDEN, "this origin is not allowed; see gateway.allowed_origins")
    return None


def _endpoint(head: Head, rules: Rules) -> Refusal | None:
    if head.target != rules.path:
        return Refusal(404, errors.NOT_FOUND, "there is no such endpoint here")
    if head.verb not in _VERBS:
        allow = ((b"Allow", b"POST, GET, DELETE"),)
        return Refusal(405, errors.METHOD_NOT_ALLOWED, "this method is not served here", allow)
    return None


def _metadata(head: Head, known: dict[bytes, bytes], rules: Rules) -> Request | Refusal | None:
    """What anybody may read: which authorization servers issue tokens for this route (RFC 9728)."""
    if head.target not in rules.metadata_paths:
        return None
    if head.verb != b"GET":
        allow = ((b"Allow", b"GET"),)
        return Refusal(405, errors.METHOD_NOT_ALLOWED, "this method is not served here", allow)
    if known.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in known:
        return _malformed("this method has no body")
    body = rules.callers.resource.metadata(known[b"host"].decode("ascii").lower())
    answer = Outbound(200, [_JSON, (b"Cache-Control", b"max-age=60")], body)
    return Request(verb="GET", headers=[], principal="", detour=answer)


def _body(verb: bytes, known: dict[bytes, bytes], rules: Rules, principal: str) -> Refusal | None:
    if verb != b"POST":
        if known.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in known:
            return Refusal(400, errors.INVALID_REQUEST, "this method has no body", (), principal)
        return None
    media, _, parameters = known.get(b"content-type", b"").lower().partition(b";")
    if media.strip() != b"application/json" or (b"charset" in parameters and parameters.strip() not in _UTF_8):
        reason = "a message is sent as application/json, in UTF-8"
        return Refusal(415, errors.UNSUPPORTED_MEDIA, reason, (), principal)
    if known.get(b"content-encoding", b"identity").lower() != b"identity":
        return Refusal(415, errors.UNSUPPORTED_MEDIA, "a compressed message is not accepted", (), principal)
    length = known.get(b"content-length", b"0")
    if len(length) > 18 or int(length) > rules.max_body:
        return Refusal(413, errors.TOO_LARGE, "the message is too large; see gateway.max_body_bytes", (), principal)
    return None
