"""Who may come in through one door: clients with tokens of ours, and whoever an accepted issuer vouches for.

Above: admission, which has the header and nothing else, and must not wait. Below: the clients of the settings, and the
issuers. A credential that was verified is remembered by its SHA-256 until it ends or its issuer's keys change, so that
the next request costs one look-up; what cannot be told from memory is settled by whoever may wait.

1. A verified token is good at this door only: another door asks for another audience (a token replayed elsewhere).
2. A credential bound to a certificate counts only with that certificate (a stolen token; RFC 8705).
3. A credential that is limited to some servers or lacks a scope is told so, and goes no further.
4. A token that was revoked here is refused from the next request on, remembered or not.
5. Whoever cannot be verified now is nobody, and few may wait for a verification (a flood of forged tokens).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.gateway.caller import AGENT, Caller
from watchkeeper.gateway.model import Refusal, Unsettled
from watchkeeper.gateway.oauth.elevation import Elevations
from watchkeeper.gateway.oauth.issuers import Issuers, IssuerSilent
from watchkeeper.gateway.oauth.resource import Resource
from watchkeeper.gateway.oauth.token import LONGEST, BadToken, fingerprint, looks_like_jwt
from watchkeeper.gateway.ports import Identities, Revoked
from watchkeeper.gateway.revocations.model import NOTHING, Barred
from watchkeeper.gateway.tls.peer import NOBODY, Peer
from watchkeeper.protocol import errors

MOST = 8192
"""Verified tokens remembered; then the one remembered longest is forgotten."""
_MOST_WAITING = 128
_UNKNOWN = "this bearer token is not known"
_REVOKED = "the token was revoked"
_BOUND = "this token is bound to a client certificate, which was not shown"


class Callers:
    """The callers of one route."""

    def __init__(
        self,
        resource: Resource,
        *,
        clients: Identities,
        issuers: Issuers | None,
        clock: Clock,
        elevations: Elevations,
        certificates: Mapping[str, str] | None = None,
        revoked: Revoked | None = None,
    ) -> None:
        self._server = resource.name
        self._clients = clients
        self._issuers = issuers
        self._clock = clock
        self._elevations = elevations
        self._certificates = {name: AGENT + client for name, client in (certificates or {}).items()}
        self._verified: dict[bytes, Caller] = {}
        self._revoked = revoked
        self._barred: Barred = NOTHING
        self._waiting = 0
        self.resource = resource
        self.audiences: frozenset[str] = frozenset()
        if issuers is not None:
            issuers.on_forget(self._forget)

    # what the door says of itself

    def answer_to(self, hosts: frozenset[str], port: int) -> None:
        """Take tokens issued for the door on this port, by any of these names."""
        plain = f":{80 if self.resource.scheme == 'http' else 443}"
        ours = {host for host in hosts if host.endswith(f":{port}")}
        ours |= {host.removesuffix(plain) for host in ours if host.endswith(plain)}
        self.audiences = self.resource.audiences(frozenset(ours))
        self._forget()

    @property
    def metadata_paths(self) -> frozenset[bytes]:
        """Paths whose answer is the resource's metadata; none when there is no authorization server to name."""
        return (
            frozenset(path.encode() for path in self.resource.metadata_paths) if self.resource.issuers else frozenset()
        )

    # memory only

    def known(self, authorization: bytes) -> Caller | None:
        """Who was seen before with this header and needs no further look; None says nothing."""
        caller = self._clients.caller_of(authorization)
        if caller is None and self._issuers is not None:
            token = _bearer(authorization)
            caller = self._remembered(token) if token else None
        return caller if caller is not None and self._is_plain(caller) else None

    def identify(self, authorization: bytes | None, host: str, peer: Peer = NOBODY) -> Caller | Refusal | Unsettled:
        """Who sends this `Authorization`, or shows this certificate; a refusal, or what has to be settled first."""
        if authorization is None:
            return self._by_certificate(peer, host)
        thumbprint = peer.thumbprint
        caller = self._clients.caller_of(authorization)
        if caller is None and self._issuers is not None:
            token = _bearer(authorization)
            caller = self._remembered(token) if token else None
            if caller is None and looks_like_jwt(token):
                return self._judge(self._issuers, token, host, thumbprint)
        if caller is None:
            return self._unauthenticated(host, _UNKNOWN)
        return self._limit(caller, host, thumbprint)

    def _by_certificate(self, peer: Peer, host: str) -> Caller | Refusal:
        """A certificate stands for a client of ours where the request brings no token."""
        if peer.expires <= self._clock.now():
            reason = "the client certificate has expired" if peer.thumbprint else "a bearer token is needed"
            return self._unauthenticated(host, reason, error="")
        for name in peer.names:
            caller = self._clients.named(self._certificates[name]) if name in self._certificates else None
            if caller is not None:
                caller = msgspec.structs.replace(caller, credential="certificate", thumbprint=peer.thumbprint)
                return self._limit(caller, host, peer.thumbprint)
        return self._unauthenticated(host, "the client certificate is nobody's here", error="")

    # waiting

    async def settle(self, unsettled: Unsettled) -> Caller | Refusal:
        """The caller, or why there is none, after asking the issuer."""
        token, host = unsettled.token, unsettled.host
        if self._issuers is None or self._waiting >= _MOST_WAITING:
            return _later("too many tokens wait to be verified")
        self._waiting += 1
        try:
            caller = await self._issuers.settle(token, self.audiences)
        except BadToken as error:
            return self._unauthenticated(host, error.reason)
        except IssuerSilent as error:
            return _later(error.reason)
        finally:
            self._waiting -= 1
        return self._accept(token, caller, host, unsettled.thumbprint)

    async def tried(self, token: bytes) -> Refusal | None:
        """Why this token lets nobody in now; None when it lets its owner in, be it for little.

        Judged as a request's would be, but for what it is bound or limited to.
        """
        known = self._clients.caller_of(b"Bearer " + token) or self._remembered(token)
        if known is not None:
            return None
        if self._issuers is None or not looks_like_jwt(token):
            return self._unauthenticated("", _UNKNOWN)
        if self._is_known_bad(token):
            return self._unauthenticated("", _REVOKED)
        try:
            caller = self._issuers.judge(token, self.audiences) or await self._issuers.settle(token, self.audiences)
        except BadToken as error:
            return self._unauthenticated("", error.reason)
        except IssuerSilent as error:
            return _later(error.reason)
        return self._unauthenticated("", _REVOKED) if self._is_barred(caller) else None

    # how it is told

    def _forget(self) -> None:
        self._verified.clear()

    def _judge(self, issuers: Issuers, token: bytes, host: str, thumbprint: bytes) -> Caller | Refusal | Unsettled:
        if self._is_known_bad(token):
            return self._unauthenticated(host, _REVOKED)
        try:
            caller = issuers.judge(token, self.audiences)
        except BadToken as error:
            return self._unauthenticated(host, error.reason)
        except IssuerSilent as error:
            return _later(error.reason)
        return Unsettled(token, host, thumbprint) if caller is None else self._accept(token, caller, host, thumbprint)

    def _accept(self, token: bytes, caller: Caller, host: str, thumbprint: bytes) -> Caller | Refusal:
        if self._is_barred(caller):
            return self._unauthenticated(host, _REVOKED, principal=caller.principal)
        if len(self._verified) >= MOST:
            del self._verified[next(iter(self._verified))]
        digest = hashlib.sha256(token).digest()
        self._verified[digest] = caller
        self._elevations.saw(self._server, caller, digest)
        return self._limit(caller, host, thumbprint)

    def _remembered(self, token: bytes) -> Caller | None:
        if self._revoked is not None and self._barred is not self._revoked.now:
            self._barred = self._revoked.now
            self._verified = {d: caller for d, caller in self._verified.items() if not self._is_barred(caller)}
        digest = hashlib.sha256(token).digest()
        caller = self._verified.get(digest)
        if caller is not None and caller.expires <= self._clock.now():
            del self._verified[digest]
            return None
        return caller

    def _is_known_bad(self, token: bytes) -> bool:
        """Whether it was revoked by its fingerprint; then nobody needs to be asked about it."""
        return self._revoked is not None and self._revoked.now.bars_signed(fingerprint(token))

    def _is_barred(self, caller: Caller) -> bool:
        if self._revoked is None or caller.mark is None:
            return False
        return self._revoked.now.bars(caller.principal, caller.mark)

    def _limit(self, caller: Caller, host: str, thumbprint: bytes) -> Caller | Refusal:
        if caller.thumbprint and caller.thumbprint != thumbprint:
            return self._unauthenticated(host, _BOUND, principal=caller.principal)
        return self.refusal_of(caller, host) or caller

    def refusal_of(self, caller: Caller, host: str = "") -> Refusal | None:
        """Why a verified caller may not use this server; without a `host` there is no door to point to."""
        if caller.servers is not None and self._server not in caller.servers:
            return Refusal(403, errors.FORBIDDEN, "this credential is not for this server", (), caller.principal)
        missing = self.missing(caller, self.resource.scopes)
        return self.lacking(caller, missing, self.resource.scopes, host) if missing else None

    def missing(self, caller: Caller, needed: tuple[str, ...]) -> tuple[str, ...]:
        """The scopes that are needed and not there."""
        return () if caller.scopes is None else tuple(scope for scope in needed if scope not in caller.scopes)

    def lacking(self, caller: Caller, missing: tuple[str, ...], needed: tuple[str, ...], host: str) -> Refusal:
        """403; with a challenge for everything that is needed if the caller can get it."""
        reason = f"the credential lacks the scope {' '.join(missing)}"
        if caller.credential != "jwt" or not host:
            return Refusal(403, errors.FORBIDDEN, reason, (), caller.principal)
        challenge = self.resource.challenge(
            self.resource.url(host), error="insufficient_scope", reason=reason, scopes=needed
        )
        return Refusal(403, errors.FORBIDDEN, reason, ((b"WWW-Authenticate", challenge),), caller.principal)

    def _is_plain(self, caller: Caller) -> bool:
        return (
            not caller.thumbprint
            and (caller.servers is None or self._server in caller.servers)
            and (caller.scopes is None or caller.scopes.issuperset(self.resource.scopes))
        )

    def _unauthenticated(self, host: str, reason: str, *, error: str = "invalid_token", principal: str = "") -> Refusal:
        challenge = self.resource.challenge(self.resource.url(host), error=error, reason=reason)
        return Refusal(401, errors.UNAUTHENTICATED, reason, ((b"WWW-Authenticate", challenge),), principal)


def _bearer(authorization: bytes) -> bytes:
    """The token of an `Authorization` header; empty when it has none."""
    scheme, _, token = authorization.partition(b" ")
    return token.strip(b" ") if len(token) <= LONGEST and scheme.lower() == b"bearer" else b""


def _later(reason: str) -> Refusal:
    return Refusal(503, errors.UNVERIFIABLE, reason, ((b"Retry-After", b"5"),))
