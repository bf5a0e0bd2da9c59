"""Knowing a definition before it is used: listings asked for on behalf of a client that did not ask for one.

Only listings pin definitions. When a call names a tool that was never listed, or comes after its server said that its
list changed, the server is asked for its list with the caller's own session and version, and the guard looks at it
first. If that fails, policy decides about a tool that it does not know, and the settings about a change that nobody
saw. When the last look is merely old, or many calls ago, the call goes on and the look is taken beside it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Any

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.lookout.freshness import LISTED_BY
from watchkeeper.gateway.model import Request, Route
from watchkeeper.gateway.ports import Guard
from watchkeeper.gateway.upstream import Inbound, Outbound, Upstream
from watchkeeper.inspection.fingerprints import definitions_in
from watchkeeper.protocol import sse
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.message import Message, parse_message

METHOD = "tools/list"
MAX_PAGES = 50
SECONDS = 10.0
PAUSE = 1.0
"""Seconds between two listings for calls to tools that stay unknown, or after one that failed."""

_log = logging.getLogger(__name__)


class _Page(msgspec.Struct, rename="camel"):
    next_cursor: str | None = None


class _Params(msgspec.Struct):
    meta: dict[str, Any] | None = msgspec.field(name="_meta", default=None)


class Introduction:
    """One route's listings of its own accord, one at a time."""

    def __init__(self, route: Route, upstream: Upstream, guard: Guard, prefix: str = "wk-") -> None:
        """`prefix` begins the ids of its requests: two that ask in one session have different ones."""
        self.shown: dict[tuple[str, str], str] = {}
        """(kind, name) → fingerprint, of the last list that was asked for."""
        self._prefix = prefix
        self.standing = guard.freshness.of(route.name)
        self._route = route
        self._upstream = upstream
        self._guard = guard
        self._freshness = guard.freshness
        self._counter = itertools.count(1)
        self._lock = asyncio.Lock()
        self._not_before = float("-inf")
        self._beside: asyncio.Task[None] | None = None

    async def make(self, request: Request, message: Message, era: str) -> None:
        """Have the guard see what this call uses. Never raises but for cancellation: failing changes nothing."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if not self._guard.needs_listing(self._route, request.principal, message, request.session):
                return
            if loop.time() < self._not_before:
                return
            method = LISTED_BY.get(message.method, METHOD)
            is_done = await self._look(request, message, era, method)
            if not is_done or self._guard.needs_listing(self._route, request.principal, message, request.session):
                self._not_before = loop.time() + PAUSE

    def beside(self, request: Request, message: Message, era: str) -> None:
        """The same without waiting, for the tools; nothing when one is under way."""
        self.standing.later()
        if self._beside is None or self._beside.done():
            self._beside = asyncio.get_running_loop().create_task(self._beside_the_call(request, message, era))

    async def look_again(self, request: Request, message: Message, era: str) -> bool:
        """Have the guard see the tools as the caller is shown them now; whether it saw all of them."""
        async with self._lock:
            return await self._look(request, message, era, METHOD)

    async def _beside_the_call(self, request: Request, message: Message, era: str) -> None:
        await self.look_again(request, message, era)

    async def _look(self, request: Request, message: Message, era: str, method: str) -> bool:
        """Whether the guard saw all of the list."""
        known = self._freshness.news.get((self._route.name, message.method), 0)
        try:
            async with asyncio.timeout(SECONDS):
                is_seen = await self._list(request, message, era, method)
        except (TimeoutError, Unavailable, BadMessage, msgspec.MsgspecError) as error:
            _log.info("%s of %s could not be asked for: %s", method, self._route.name, error)
            return False
        if is_seen and LISTED_BY.get(message.method) == method:
            self._freshness.looked(self._route.name, method, known)
        return is_seen

    async def _list(self, request: Request, message: Message, era: str, method: str) -> bool:
        meta = msgspec.json.decode(message.params, type=_Params).meta if message.params else None
        cursor: str | None = None
        self.shown = {}
        for _ in range(MAX_PAGES):
            asked = parse_message(_body(f"{self._prefix}{next(self._counter)}", method, meta, cursor))
            out = await self._upstream.send(_inbound(request, asked, era))
            answer = await answer_in(out, asked)
            if answer is None:
                return False
            ruling = await self._guard.on_listing(self._route, request.principal, asked, answer, request.marks)
            if ruling.has_failed:
                return False
            self.shown |= {(d.kind, d.name): d.fingerprint for d in definitions_in(method, answer.result)}
            following = msgspec.json.decode(answer.result, type=_Page).next_cursor
            if following is None:
                return True
            if following == cursor:
                return False
            cursor = following
        return False


def _body(request_id: str, method: str, meta: dict[str, Any] | None, cursor: str | None) -> bytes:
    params: dict[str, Any] = {}
    if meta is not None:
        params["_meta"] = {name: value for name, value in meta.items() if name != "progressToken"}
    if cursor is not None:
        params["cursor"] = cursor
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def _inbound(request: Request, asked: Message, era: str) -> Inbound:
    headers = [pair for pair in request.headers if not _repeats_the_call(pair[0].lower())]
    if era == "modern":
        headers.append((b"Mcp-Method", asked.method.encode()))
    return Inbound("POST", headers, asked.raw, asked, request.principal, era, request.session, request.credential)


def _repeats_the_call(name: bytes) -> bool:
    return name in (b"mcp-method", b"mcp-name", b"last-event-id") or name.startswith(b"mcp-param-")


async def answer_in(out: Outbound, asked: Message) -> Message | None:
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
