"""Taking records over HTTP: OTLP/HTTP at `/v1/traces` and `/v1/logs`, lines and OCSF at `/records`. An ASGI app.

1. A bearer token names the source; without a known one nothing is read (forged facts).
2. A body is bounded, packed and unpacked (exhaustion by a packed bomb).
3. The answer comes when the events are durable; what was refused is said with its number, so that the sender can tell.
4. Who sends too fast, or while nothing can be recorded, is told to come back (429, 503 with Retry-After).
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.events.ingest.formats.otlp import LOGS, TRACES, read_json, read_protobuf
from watchkeeper.events.ingest.lines import Lines
from watchkeeper.events.ingest.model import Malformed, Reader
from watchkeeper.events.ingest.pace import Pace
from watchkeeper.events.ingest.recorder import Intake, Tally

_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_SIGNALS = {"/v1/traces": TRACES, "/v1/logs": LOGS}
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Door:
    """A source that sends over HTTP."""

    def __init__(self, intake: Intake, reader: Reader, pace: Pace, *, is_otlp: bool) -> None:
        self.intake = intake
        self.reader = reader
        self.pace = pace
        self.is_otlp = is_otlp


class _Refused(Exception):
    def __init__(self, status: int, why: str, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after


class Receiver:
    """The application. Belongs to one event loop."""

    def __init__(
        self, doors: Mapping[str, Door], durable: Callable[[int], Awaitable[None]], *, largest: int, longest: int
    ) -> None:
        """`doors` by token; `durable` waits for an event's index."""
        self._doors = {hashlib.sha256(token.encode()).digest(): door for token, door in doors.items()}
        self._durable = durable
        self._largest = largest
        self._longest = longest

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            door = self._door(headers)
            body = await self._answer(door, scope, headers, kind, receive)
            await _reply(send, 200, body, _PROTOBUF if kind == _PROTOBUF else _JSON)
        except _Refused as error:
            await _reply(send, error.status, _said(str(error)), _JSON, error.retry_after)
        except Unavailable as error:
            await _reply(send, 503, _said(error.reason), _JSON, 1.0)

    def _door(self, headers: Mapping[str, str]) -> Door:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        door = self._doors.get(hashlib.sha256(token.strip().encode("utf-8", "replace")).digest())
        if scheme.lower() != "bearer" or door is None:
            raise _Refused(401, "no token of a source; see [ingest.sources] in the settings")
        return door

    async def _answer(
        self, door: Door, scope: Mapping[str, Any], headers: Mapping[str, str], kind: str, receive: Receive
    ) -> bytes:
        path = scope["path"].rstrip("/")
        is_otlp = path in _SIGNALS
        if not is_otlp and path != "/records":
            raise _Refused(404, "traces go to /v1/traces, log records to /v1/logs, lines to /records; metrics nowhere")
        if is_otlp != door.is_otlp:
            raise _Refused(404, f"{door.intake.name} sends {'OTLP to /v1/…' if door.is_otlp else 'lines to /records'}")
        if scope["method"] != "POST":
            raise _Refused(405, "records are sent by POST")
        if is_otlp and kind not in (_PROTOBUF, _JSON):
            raise _Refused(415, f"OTLP comes as {_PROTOBUF} or {_JSON}")
        if wait := door.pace.seconds_to_wait(time.monotonic()):
            raise _Refused(429, "more than this source may send in a second", wait)
        data = await self._body(headers, receive)
        if is_otlp:
            return await self._take_otlp(door, _SIGNALS[path], data, kind)
        return await self._take_lines(door, data)

    async def _take_otlp(self, door: Door, signal: str, data: bytes, kind: str) -> bytes:
        try:
            batch = read_protobuf(signal, data) if kind == _PROTOBUF else read_json(signal, data)
        except Malformed as error:
            door.intake.tally.refuse(str(error))
            raise _Refused(400, str(error)) from error
        door.pace.spend(len(batch.observations) + batch.passed_over)
        last = door.intake.take(batch.observations)
        door.intake.tally.passed_over += batch.passed_over
        if last is not None:
            await self._durable(last)
        return b"" if kind == _PROTOBUF else b'{"partialSuccess":{}}'

    async def _take_lines(self, door: Door, data: bytes) -> bytes:
        before = msgspec.convert(msgspec.to_builtins(door.intake.tally), Tally)
        lines, last, count = Lines(0, self._longest), None, 0
        found = [*lines.feed(data), *filter(None, (lines.last(),))]
        for line in found:
            index = door.intake.take_line(door.reader, line)
            last, count = (last if index is None else index), count + 1
        left = door.intake.take(door.reader.end())
        last = last if left is None else left
        door.pace.spend(count)
        now = msgspec.convert(msgspec.to_builtins(door.intake.tally), Tally)  # before others get a turn while we wait
        if last is not None:
            await self._durable(last)
        refused = {
            why: n - before.refused.get(why, 0) for why, n in now.refused.items() if n > before.refused.get(why, 0)
        }
        told = {"taken": now.taken - before.taken, "doubled": now.doubled - before.doubled, "refused": refused}
        if refused and sum(refused.values()) == count:
            raise _Refused(400, f"no line could be read: {', '.join(refused)}")
        return msgspec.json.encode(told | {"passed_over": now.passed_over - before.passed_over})

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        encoding = headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", "gzip", "deflate"):
            raise _Refused(415, "bodies come plain, or packed by gzip or deflate")
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refused(400, "the sender left")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._largest:
                raise _Refused(413, f"more than {self._largest} bytes; send smaller batches")
            if not message.get("more_body"):
                break
        return self._unpacked(b"".join(parts), encoding)

    def _unpacked(self, data: bytes, encoding: str) -> bytes:
        if encoding == "identity":
            return data
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            plain = unpack.decompress(data, self._largest)
        except zlib.error as error:
            raise _Refused(400, "the body does not unpack") from error
        if unpack.unconsumed_tail or not unpack.eof:
            is_large = bool(unpack.unconsumed_tail)
            raise _Refused(413 if is_large else 400, "too large unpacked" if is_large else "the body is cut off")
        return plain


def _said(why: str) -> bytes:
    return msgspec.json.encode({"message": why})


async def _reply(send: Send, status: int, body: bytes, kind: str, retry_after: float = 0.0) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    if retry_after:
        headers.append((b"retry-after", str(max(1, round(retry_after))).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
