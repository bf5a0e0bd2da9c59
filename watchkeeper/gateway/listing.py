"""Knowing a tool before it is called: a listing asked for on behalf of a client that did not ask for one.

Only listings pin definitions. When a call names a tool that was never listed, its server is asked for its tools with
the caller's own session and version, and the guard looks at them first. If that fails, policy decides about a tool it
does not know.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Any

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.model import Request, Route
from watchkeeper.gateway.ports import Guard
from watchkeeper.gateway.upstream import Inbound, Outbound, Upstream
from watchkeeper.protocol import sse
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.message import Message, parse_message

METHOD = "tools/list"
MAX_PAGES = 50
SECONDS = 10.0
PAUSE = 1.0
"""Seconds between two listings for calls to tools that stay unknown."""

_log = logging.getLogger(__name__)


class _Page(msgspec.Struct, rename="camel"):
    next_cursor: str | None = None


class _Params(msgspec.Struct):
    meta: dict[str, Any] | None = msgspec.field(name="_meta", default=None)


class Introduction:
    """One route's listings of its own accord, one at a time."""

    def __init__(self, route: Route, upstream: Upstream, guard: Guard) -> None:
        self._route = route
        self._upstream = upstream
        self._guard = guard
        self._counter = itertools.count(1)
        self._lock = asyncio.Lock()
        self._last = float("-inf")

    async def make(self, request: Request, message: Message, era: str) -> None:
        """Have the guard see the server's tools. Never raises but for cancellation: failing changes nothing."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if (
                not self._guard.needs_listing(self._route, request.principal, message)
                or loop.time() - self._last < PAUSE
            ):
                return
            try:
                async with asyncio.timeout(SECONDS):
                    await self._list(request, message, era)
            except (TimeoutError, Unavailable, BadMessage, msgspec.MsgspecError) as error:
                _log.info("the tools of %s could not be listed before a call: %s", self._route.name, error)
            finally:
                self._last = loop.time()

    async def _list(self, request: Request, message: Message, era: str) -> None:
        meta = msgspec.json.decode(message.params, type=_Params).meta if message.params else None
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            asked = parse_message(_body(f"wk-{next(self._counter)}", meta, cursor))
            out = await self._upstream.send(_inbound(request, asked, era))
            answer = await _answer_in(out, asked)
            if answer is None:
                return
            await self._guard.on_listing(self._route, request.principal, asked, answer, request.marks)
            following = msgspec.json.decode(answer.result, type=_Page).next_cursor
            if following is None or following == cursor:
                return
            cursor = following


def _body(request_id: str, meta: dict[str, Any] | None, cursor: str | None) -> bytes:
    params: dict[str, Any] = {}
    if meta is not None:
        params["_meta"] = {name: value for name, value in meta.items() if name != "progressToken"}
    if cursor is not None:
        params["cursor"] = cursor
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "method": METHOD, "params": params})


def _inbound(request: Request, asked: Message, era: str) -> Inbound:
    headers = [pair for pair in request.headers if not _repeats_the_call(pair[0].lower())]
    if era == "modern":
        headers.append((b"Mcp-Method", METHOD.encode()))
    return Inbound("POST", headers, asked.raw, asked, request.principal, era, request.session, request.credential)


def _repeats_the_call(name: bytes) -> bool:
    return name in (b"mcp-method", b"mcp-name", b"last-event-id") or name.startswith(b"mcp-param-")


async def _answer_in(out: Outbound, asked: Message) -> Message | None:
    """The response to `asked`; None when the server gave an error or something else."""
    try:
        if out.status != 200:
            return None
        if out.events is None:
            answer = parse_message(out.body)
            return answer if answer.kind == "response" and answer.id == asked.id else None
        async for raw in out.events:
            data = sse.read_fields(raw).data
            if not data:
                continue
            message = parse_message(data)
            if message.id == asked.id and message.kind in ("response", "error"):
                return message if message.kind == "response" else None
        return None
    finally:  # also when time is up, or the client gone: nobody else knows of this stream
        if out.cancel is not None:
            out.cancel()
