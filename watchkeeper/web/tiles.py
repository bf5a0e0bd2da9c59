"""The logs' tiles over HTTP, c2sp.org/tlog-tiles: reading only, for anybody, one prefix for each log.

Nothing here is secret but how much was recorded and when, so nobody has to say who they are; that is why it has a port
of its own, apart from the console. A tile never changes and says so to caches; a checkpoint may be kept for a moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, Protocol

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events.journal.tiles.layout import Tile, read_path

_log = logging.getLogger(__name__)
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_A_MOMENT = "public, max-age=2"
_TEXT = "text/plain; charset=utf-8"
_LONGEST = 200
"""Characters of a path; no tile's is longer."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Shown(Protocol):
    """One log's tiles, as far as they may be shown."""

    @property
    def checkpoint(self) -> bytes: ...

    @property
    def key(self) -> str: ...

    @property
    def failure(self) -> str:
        """Why nothing may be shown; empty when something may."""
        ...

    def read(self, tile: Tile) -> bytes | None: ...


class Answer:
    """Status, body, media type, how long it may be kept."""

    def __init__(self, status: int, body: bytes = b"", media: str = _TEXT, cache: str = "no-store") -> None:
        self.status = status
        self.body = body or f"{HTTPStatus(status).phrase.lower()}\n".encode()
        self.headers = {
            "content-type": media,
            "content-length": str(len(self.body)),
            "cache-control": cache,
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
        }
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.headers["allow"] = "GET, HEAD"


class TileApp:
    """The ASGI application. `logs` may gain entries while it runs."""

    def __init__(self, logs: Mapping[str, Shown]) -> None:
        self._logs = logs

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await asyncio.to_thread(self.answer, scope["method"], scope["path"])
            headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            body = b"" if scope["method"] == "HEAD" else answer.body
            await send({"type": "http.response.body", "body": body})

    def answer(self, method: str, path: str) -> Answer:
        """What a request gets; reads at most one file."""
        if method not in ("GET", "HEAD"):
            return Answer(405)
        if path == "/":
            return Answer(200, "".join(f"{name}\n" for name in sorted(self._logs)).encode() or b"\n")
        writer, _, rest = path.removeprefix("/").partition("/")
        log = self._logs.get(writer)
        if log is None or len(rest) > _LONGEST:
            return Answer(404)
        try:
            return _of_log(log, rest)
        except WatchkeeperError as error:
            _log.warning(error.reason)
            return Answer(503)


def _of_log(log: Shown, rest: str) -> Answer:
    if rest == "public.vkey":
        return Answer(200, log.key.encode(), cache=_FOR_A_MOMENT)
    if log.failure:  # two histories: no more is said until a person has looked
        return Answer(503, f"{log.failure}\n".encode())
    if rest == "checkpoint":
        return Answer(200, log.checkpoint, cache=_FOR_A_MOMENT) if log.checkpoint else Answer(503)
    tile = read_path(rest)
    data = log.read(tile) if tile is not None else None
    return Answer(404) if data is None else Answer(200, data, "application/octet-stream", _FOR_EVER)
