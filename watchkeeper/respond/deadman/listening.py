"""The outside half: another host hears an installation's heartbeat, and pages when it stops.

Obligations, and the attack each one stops:
1. A ping is signed over its id, time and body by the installation's own secret: nobody keeps a dead host alive.
2. Its counter is higher than any before, also after a restart, and its time young: a recorded ping is worth nothing.
3. A request is small, quick and one of few: whoever reaches the port cannot keep the listener from hearing.
4. Maintenance that a ping announces is bounded: a silenced installation does not stay silent for ever.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import Conflict, Invalid, Untrusted, WatchkeeperError
from watchkeeper.respond.deadman.outbox import SwitchBox
from watchkeeper.respond.deadman.pausing import LONGEST
from watchkeeper.respond.deadman.watching import Seen
from watchkeeper.respond.webhooks.signing import Keys, verify

LONGEST_PING = 4096
"""Bytes of a ping's body."""
_LONGEST_HEAD = 8192
_WITHIN = 5.0
_MOST = 64
_STRANGER = (b"\0" * 32,)
"""The key of no installation, so that an unknown name takes as long as a wrong signature."""
_STATUS = {401: "Unauthorized", 400: "Bad Request", 409: "Conflict", 204: "No Content", 404: "Not Found"}


class Ping(msgspec.Struct, frozen=True):
    """A heartbeat."""

    name: str
    counter: int
    time: int
    """Seconds since 1970."""
    silent: tuple[str, ...] = ()
    """What the installation itself found silent."""
    paused_until: int = 0
    """Seconds since 1970; 0 when nothing is paused."""


@dataclass
class _Heard:
    at: float
    paused_until: float = 0.0


class Listening:
    """Whose pings came when."""

    def __init__(
        self, keys: Mapping[str, Keys], box: SwitchBox, clock: Clock, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`now` is a clock that only runs forward, in seconds."""
        self._keys = dict(keys)
        self._box = box
        self._clock = clock
        self._now = now
        self._heard: dict[str, _Heard] = {}

    def hear(self, headers: Mapping[str, str], body: bytes) -> Ping:
        """Take a ping. Raises `Invalid`, `Untrusted`, `Conflict` for a replay."""
        try:
            ping = msgspec.json.decode(body, type=Ping)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Invalid("this is no ping", hint="see docs/concepts/deadman.md") from error
        stamp, signature = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "")
        keys, now = self._keys.get(ping.name, _STRANGER), self._clock.now() // SECOND
        verify(keys, headers.get("webhook-id", ""), stamp, signature, body, now=now)
        if ping.name not in self._keys:
            raise Untrusted("the signature is not the one of this installation")
        if not self._box.advance(f"heard.{ping.name}", ping.counter):
            raise Conflict("this ping came before", hint="send each once, its counter higher each time")
        pause = min(max(0, ping.paused_until - now), LONGEST)
        self._heard[ping.name] = _Heard(self._now(), self._now() + pause if pause else 0.0)
        return ping

    def look(self, patience: float, every: float) -> dict[str, Seen]:
        """What can be said of each installation now; `every` is how often somebody looks, in seconds."""
        now, seen = self._now(), {}
        for name in self._keys:
            heard = self._heard.get(name)
            if heard is not None and now < heard.paused_until:
                seen[name] = Seen(None, "maintenance was announced", patience)
            elif heard is not None and now - heard.at <= every:
                seen[name] = Seen(True, "", patience)
            else:
                seen[name] = Seen(False, "no heartbeat comes from there", patience)
        return seen


Hear = Callable[[Mapping[str, str], bytes], Awaitable[int]]
"""Headers and body of a POST, to the status of the answer."""


async def answer(
    hear: Hear, gate: asyncio.Semaphore, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One connection, one request."""
    try:
        if gate.locked():
            return
        async with gate, asyncio.timeout(_WITHIN):
            status = await _one(hear, reader)
            writer.write(f"HTTP/1.1 {status} {_STATUS[status]}\r\n".encode())
            writer.write(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
    except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # whoever sends no request in time gets no answer
    finally:
        writer.close()


async def _one(hear: Hear, reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    verb, path, *_ = [*head[0].split(" "), "", ""]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    length = headers.get("content-length", "")
    if verb != "POST" or path.partition("?")[0] != "/ping":
        return 404
    if not (length.isascii() and length.isdigit()) or int(length) > LONGEST_PING or "transfer-encoding" in headers:
        return 400
    return await hear(headers, await reader.readexactly(int(length)))


def status_of(error: WatchkeeperError) -> int:
    """What a refusal is answered with."""
    return {Untrusted.code: 401, Conflict.code: 409}.get(error.code, 400)


async def serve(hear: Hear, host: str, port: int, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    """Listen; the caller closes the server."""
    gate = asyncio.Semaphore(_MOST)
    return await asyncio.start_server(
        lambda reader, writer: answer(hear, gate, reader, writer),
        host,
        port,
        limit=_LONGEST_HEAD,
        ssl=tls,
    )
