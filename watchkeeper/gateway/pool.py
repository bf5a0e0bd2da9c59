"""HTTP servers behind the gateway: kept-alive connections, one call on each at a time.

A kept-alive connection can close just as a call is written on it, and then nobody knows whether the call was carried
out. The rules, conservative on purpose:

1. A message that changes nothing (listings, reads, pings, GET, DELETE) is sent again, once, on a fresh connection, and
   only if the old one was re-used and not a byte of an answer had come.
2. Everything else is never sent twice. It takes a connection used within the last second or a fresh one, which makes
   the race rare; when it happens all the same, the client is told that the call may have been carried out.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlsplit

from watchkeeper.core.tls import host_trust
from watchkeeper.gateway.bounds import MANY, UNBOUNDED, Bounds
from watchkeeper.gateway.fuse import Fuse
from watchkeeper.gateway.heads import Heads
from watchkeeper.gateway.hops import via
from watchkeeper.gateway.link import Answered, Broken, KnownHead, Limits, Link
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.upstream import Headers, Inbound, Outbound, UpstreamFailed, UpstreamSilent
from watchkeeper.gateway.waiting import Waiting

FRESH_SECONDS = 1.0
"""A connection used within so many seconds is trusted with a message that must not be sent twice."""
MAX_IDLE = 64
"""Idle connections kept to one server."""
MOST_RENDERED = 1024
"""Lists of headers kept as bytes, too."""

_REPEATABLE = frozenset(
    {"ping", "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"}
    | {"resources/read", "prompts/get", "completion/complete", "tasks/get", "tasks/list", "tasks/result"}
)
_ENDLESS = frozenset({"subscriptions/listen"})
Failure = TypeVar("Failure", UpstreamFailed, UpstreamSilent)


class HttpUpstream:
    """One MCP server at one URL."""

    def __init__(
        self,
        url: str,
        settings: GatewaySettings,
        *,
        headers: Mapping[str, str] | None = None,
        hop: str = "",
        fuse: Fuse | None = None,
        bounds: Bounds = UNBOUNDED,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._where = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
        self._host = parts.hostname or ""
        self._tls = (tls or host_trust()) if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._target = target.encode()
        fixed = _fixed_headers(parts.netloc, headers or {})
        self._line = b" " + self._target + b" HTTP/1.1\r\n" + fixed
        self._post = b"POST" + self._line
        self._last = via(hop)
        self._replaced = frozenset(name.lower().encode() for name in headers or {})
        self._settings = settings
        self._bounded = Limits(settings.answer_seconds, settings.stream_idle_seconds, settings.ceiling_seconds)
        self._endless = Limits(settings.answer_seconds, NEVER_STALE, NEVER_STALE)
        self._idle: deque[Link] = deque()
        self._links: set[Link] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._known: Heads[KnownHead] = Heads()
        self._rendered: dict[int, tuple[Headers, bytes]] = {}
        self.fuse = fuse if fuse is not None else Fuse(f"the server at {self._where}")
        self._most_links = bounds.connections or MANY
        self._connecting = 0
        what = f"all {bounds.connections} connections to {self._where} are in use"
        self._waiting: Waiting[Link | None] = Waiting(bounds.waiting, bounds.wait_seconds, what, self._pass_on)

    def begin(self, inbound: Inbound, answered: Answered) -> Link | None:
        """`send` without waiting, where a connection is at hand; None where there is none, and nothing was done."""
        if self.fuse or self._waiting:
            return None
        link = self._take(NEVER_STALE if is_repeatable(inbound) else FRESH_SECONDS)
        if link is not None:
            link.begin(self._render(inbound), self._limits(inbound), answered)
        return link

    async def recover(self, inbound: Inbound, error: Broken) -> Outbound:
        """After `begin` was told that its connection broke: send once more what may be sent twice, else raise."""
        with self.fuse.watching(inbound.principal) as watched:
            return watched.of(await self._again(inbound, error))

    async def send(self, inbound: Inbound) -> Outbound:
        """One message out, one answer or stream back."""
        with self.fuse.watching(inbound.principal) as watched:
            return watched.of(await self._send(inbound))

    async def _send(self, inbound: Inbound) -> Outbound:
        link = None if self._waiting else self._take(NEVER_STALE if is_repeatable(inbound) else FRESH_SECONDS)
        if link is None:
            link = await self._fresh()
        is_reused = link.since > 0
        try:
            return await link.call(self._render(inbound), self._limits(inbound))
        except Broken as error:
            if is_reused:
                return await self._again(inbound, error)
            raise self._broken(error, is_repeatable(inbound)) from error

    async def _again(self, inbound: Inbound, error: Broken) -> Outbound:
        repeatable = is_repeatable(inbound)
        if error.late or not (repeatable and error.untouched):
            raise self._broken(error, repeatable) from error
        return await self._send_once(await self._fresh(), inbound)

    async def _send_once(self, link: Link, inbound: Inbound) -> Outbound:
        try:
            return await link.call(self._render(inbound), self._limits(inbound))
        except Broken as error:
            raise self._broken(error, is_repeatable(inbound)) from error

    async def close(self) -> None:
        """Cut every connection."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for link in list(self._links):
            link.abort()
        self._idle.clear()

    def renew(self) -> None:
        """See `Renews`."""
        while self._idle:
            self._idle.popleft().abort()

    def standing(self) -> dict[str, Any]:
        """See `Stands`."""
        return {
            "breakers": self.fuse.standing(),
            "connections": len(self._links),
            "idle": len(self._idle),
            "waiting": len(self._waiting),
        }

    # -- connections

    def _take(self, max_age: float) -> Link | None:
        now = monotonic()  # the event loop's own clock, without asking for the loop
        while self._idle:
            link = self._idle.pop()  # the one used last
            if link.usable and now - link.since <= min(max_age, self._settings.keepalive_seconds):
                return link
            if not link.usable or now - link.since > self._settings.keepalive_seconds:
                link.abort()
                continue
            self._idle.append(link)
            return None
        return None

    async def _fresh(self) -> Link:
        """A connection that may carry anything: a new one, or, where there may be no more, the next that is free."""
        if not self._waiting and self._has_place():
            self._connecting += 1
        elif (link := await self._waiting.turn()) is not None and link.usable:
            return link
        elif link is not None:  # it ended in the moment it was handed over, and what it leaves is ours
            self._connecting += 1
        try:
            link = await self._connect()
        except BaseException:
            self._leave_place()
            raise
        self._connecting -= 1
        return link

    def _has_place(self) -> bool:
        if len(self._links) + self._connecting >= self._most_links and self._idle:
            stale = self._idle.popleft()  # it has rested for too long for this call, and its place is needed
            self._links.discard(stale)
            stale.abort()
        return len(self._links) + self._connecting < self._most_links

    def _leave_place(self) -> None:
        """A place for a connection that was ours is the next one's."""
        if not self._waiting.hand(None):
            self._connecting -= 1

    async def _connect(self) -> Link:
        loop = asyncio.get_running_loop()
        if self._sweeper is None:
            self._sweeper = loop.create_task(self._sweep())
        options: dict[str, Any] = {"ssl": self._tls, "server_hostname": self._host} if self._tls else {}
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                _, link = await loop.create_connection(
                    lambda: Link(self._give_back, self._forget, self._settings.max_answer_bytes, self._known),
                    self._host,
                    self._port,
                    **options,
                )
        except TimeoutError as error:
            raise _unreached(
                UpstreamSilent(f"the server at {self._where} did not accept a connection in time")
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise _unreached(
                UpstreamFailed(
                    f"the certificate of the server at {self._where} is not trusted: {error.verify_message}",
                    hint="correct its url, or have this host trust the issuer",
                )
            ) from error
        except (OSError, ssl.SSLError) as error:
            raise _unreached(
                UpstreamFailed(f"the server at {self._where} cannot be reached", hint="start it, or correct its url")
            ) from error
        self._links.add(link)
        return link

    def _forget(self, link: Link) -> None:
        """A connection has ended."""
        if link in self._links:
            self._links.remove(link)
            if self._waiting:
                self._connecting += 1
                self._leave_place()

    def _pass_on(self, link: Link | None) -> None:
        """What somebody was handed who has gone."""
        if link is None:
            self._leave_place()
        else:
            self._give_back(link)

    def _give_back(self, link: Link) -> None:
        if self._waiting and self._waiting.hand(link):
            return
        if len(self._idle) < MAX_IDLE:
            self._idle.append(link)
        else:
            link.abort()

    async def _sweep(self) -> None:
        s = self._settings
        pause = min(0.5, min(s.answer_seconds, s.stream_idle_seconds, s.ceiling_seconds, s.keepalive_seconds) / 4)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(pause)
            now = loop.time()
            while self._idle and now - self._idle[0].since > s.keepalive_seconds:
                self._idle.popleft().abort()
            for link in list(self._links):
                link.check(now)
            self.fuse.forget()

    # -- one call

    def _render(self, inbound: Inbound) -> bytes:
        if inbound.verb != "POST":
            return b"%b%b%b\r\n" % (inbound.verb.encode(), self._line, self._end_to_end(inbound))
        body = inbound.body
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (self._post, self._end_to_end(inbound), len(body), body)

    def _end_to_end(self, inbound: Inbound) -> bytes:
        """The client's headers as bytes; those of a head that comes again are the same list again."""
        headers = inbound.headers
        known = self._rendered.get(id(headers))
        if known is not None and known[0] is headers:
            return known[1]
        kept = headers
        if self._replaced:
            kept = [pair for pair in headers if pair[0].lower() not in self._replaced]
        rendered = b"".join([b"%b: %b\r\n" % pair for pair in kept]) + self._last
        if len(self._rendered) >= MOST_RENDERED:
            self._rendered.clear()
        self._rendered[id(headers)] = (headers, rendered)
        return rendered

    def _limits(self, inbound: Inbound) -> Limits:
        if inbound.verb == "GET" or (inbound.message is not None and inbound.message.method in _ENDLESS):
            return self._endless
        return self._bounded

    def _broken(self, error: Broken, repeatable: bool) -> UpstreamFailed | UpstreamSilent:
        if error.late:
            return UpstreamSilent(f"the server at {self._where} did not answer in time")
        doubt = "" if repeatable else "; the call may have been carried out, and was not sent again"
        return UpstreamFailed(f"the server at {self._where} {error.reason}{doubt}")


NEVER_STALE = float("inf")


def _unreached(error: Failure) -> Failure:
    error.reached = False
    return error


def is_repeatable(inbound: Inbound) -> bool:
    """Whether sending this a second time changes nothing."""
    if inbound.message is None:
        return True
    return inbound.message.kind == "request" and inbound.message.method in _REPEATABLE


def _fixed_headers(netloc: str, extra: Mapping[str, str]) -> bytes:
    headers: Headers = [(b"Host", netloc.rpartition("@")[2].encode()), (b"Accept-Encoding", b"identity")]
    headers += [(name.encode(), value.encode()) for name, value in extra.items()]
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers)
