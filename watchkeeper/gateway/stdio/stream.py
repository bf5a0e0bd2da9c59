"""A bounded queue of a child's messages for one client stream, and the server-sent events it becomes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

_MAX_BYTES = 16_777_216
"""What may wait; a single message may be larger."""


class Stream:
    """Messages in order, then at most one last one. Putting never blocks: a slow client loses messages, not answers."""

    def __init__(self, limit: int) -> None:
        self.ended = False
        self.final: bytes | None = None
        """The answer or error that ends the stream; None while it is open, and when it ended without."""
        self.dropped = 0
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._limit = limit
        self._news = asyncio.Event()

    def put(self, message: bytes) -> bool:
        """Queue a message. Returns whether there was room."""
        too_much = self._waiting and self._held + len(message) > _MAX_BYTES
        if self.ended or too_much or len(self._waiting) >= self._limit:
            self.dropped += 1
            return False
        self._waiting.append(message)
        self._held += len(message)
        self._news.set()
        return True

    def end(self, final: bytes | None = None) -> None:
        """Nothing comes after this. A second end is ignored."""
        if not self.ended:
            self.ended, self.final = True, final
            self._news.set()

    def drain(self) -> list[bytes]:
        """Take out everything that waits."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._held = 0
        return waiting

    async def next(self) -> bytes | None:
        """The next message; None once only the end is left, at once and every time."""
        while not self._waiting and not self.ended:
            self._news.clear()
            await self._news.wait()
        if not self._waiting:
            return None
        message = self._waiting.popleft()
        self._held -= len(message)
        return message


def event_of(message: bytes) -> bytes:
    """One server-sent event around a message, which has no line break."""
    return b"event: message\ndata: " + message + b"\n\n"


class Events:
    """A stream as server-sent events. `first` has been taken from it already."""

    def __init__(self, stream: Stream, first: bytes | None, gone: Callable[[], None]) -> None:
        """`gone` is told that nobody reads any more, also when everything was read."""
        self._stream = stream
        self._first = first
        self._gone = gone
        self._done = False

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        if self._done:
            raise StopAsyncIteration
        message, self._first = self._first, None
        if message is None:
            message = await self._stream.next()
        if message is None:
            self._done, message = True, self._stream.final
        if message is None:
            raise StopAsyncIteration
        return event_of(message)

    async def aclose(self) -> None:
        """The client is gone, or has read to the end."""
        self._done = True
        self._gone()
