"""The events of one answer on their way from a connection to whoever reads them: in order, and bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from watchkeeper.protocol.sse import Splitter

MAX_WAITING = 64
"""Events held for a client that reads slowly, before the server is made to wait."""
MAX_WAITING_BYTES = 4_194_304
"""The same in bytes; one event may be larger."""


class Source(Protocol):
    """The connection that the events come from."""

    def read_again(self) -> None:
        """The client has caught up."""
        ...

    def abort(self) -> None:
        """Nobody reads on."""
        ...


class EventStream:
    """The events of one answer, in order, as an asynchronous iterator."""

    def __init__(self, source: Source, longest: int) -> None:
        self.waiting: deque[bytes] = deque()
        self.held = 0
        """Bytes that wait."""
        self.paused = False
        self._source = source
        self._splitter = Splitter(longest)
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._error: Exception | None = None

    @property
    def is_full(self) -> bool:
        """Whether the server must wait until the client has caught up."""
        return len(self.waiting) > MAX_WAITING or self.held > MAX_WAITING_BYTES

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> bytes:
        while not self.waiting:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        event = self.waiting.popleft()
        self.held -= len(event)
        if self.paused and len(self.waiting) < MAX_WAITING // 2 and self.held <= MAX_WAITING_BYTES // 2:
            self.paused = False
            self._source.read_again()
        return event

    def feed(self, data: bytes) -> None:
        """Bytes of the stream. Raises `TooLong`."""
        events = self._splitter.feed(data)
        self.waiting.extend(events)
        self.held += sum(map(len, events))
        self._wake()

    def end(self) -> None:
        """The server ended the stream properly."""
        if rest := self._splitter.flush():
            self.waiting.append(rest)
            self.held += len(rest)
        self._ended = True
        if self.paused:
            self.paused = False
            self._source.read_again()
        self._wake()

    def fail(self, error: Exception) -> None:
        """The stream broke off; what came before it is still delivered."""
        self._error = error
        self._wake()

    def cancel(self) -> None:
        """Nobody reads on: close the connection unless the stream has ended."""
        if not self._ended and self._error is None:
            self._source.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
