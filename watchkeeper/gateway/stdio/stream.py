"""A bounded queue of a child's messages for one client stream, and the server-sent events it becomes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from watchkeeper.gateway.stdio.replay import Place, Replay

_MAX_BYTES = 16_777_216
"""What may wait; a single message may be larger."""
_LOST = 128
_LOST_BYTES = 1_048_576
"""The same while nobody reads."""


class Stream:
    """Messages in order, then at most one last one. Putting never blocks: a slow client loses messages, not answers."""

    def __init__(self, limit: int, number: int = 0) -> None:
        self.number = number
        """By which its events are told from those of other streams of a session."""
        self.reader = 0
        """Who reads it now; an earlier reader gets nothing more."""
        self.is_lost = False
        """Nobody reads it just now; less is kept for somebody who may come back."""
        self.finished = False
        """Everything was read, its end too."""
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
        limit, most = (self._limit, _MAX_BYTES) if not self.is_lost else (min(self._limit, _LOST), _LOST_BYTES)
        too_much = self._waiting and self._held + len(message) > most
        if self.ended or too_much or len(self._waiting) >= limit:
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

    def take_over(self) -> int:
        """A new reader: its number. Whoever read before reads no more."""
        self.reader += 1
        self.is_lost = False
        self._news.set()
        return self.reader

    async def next(self, reader: int = 0) -> bytes | None:
        """The next message; None once only the end is left, at once and every time, or somebody else reads now."""
        while not self._waiting and not self.ended and reader == self.reader:
            self._news.clear()
            await self._news.wait()
        if not self._waiting or reader != self.reader:
            return None
        message = self._waiting.popleft()
        self._held -= len(message)
        return message


def event_of(message: bytes, event_id: bytes = b"") -> bytes:
    """One server-sent event around a message, which has no line break."""
    named = b"id: " + event_id + b"\n" if event_id else b""
    return named + b"event: message\ndata: " + message + b"\n\n"


class Events:
    """A stream as server-sent events. `first` has been taken from it already."""

    def __init__(
        self,
        stream: Stream,
        first: bytes | None,
        gone: Callable[[], None],
        replay: Replay | None = None,
        again: Iterable[tuple[Place, bytes]] = (),
    ) -> None:
        """`gone` is told that nobody reads any more, also when everything was read.

        With `replay` events have ids and are remembered; `again` are sent once more before anything else.
        """
        self._stream = stream
        self._reader = stream.reader
        self._first = first
        self._gone = gone
        self._replay = replay
        self._again = deque(again)
        self._done = False

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        if self._done:
            raise StopAsyncIteration
        if self._again:
            place, message = self._again.popleft()
            return event_of(message, place.id)
        return self._event(await self._next())

    async def _next(self) -> bytes:
        first, self._first = self._first, None
        if first is not None:
            return first
        message = await self._stream.next(self._reader)
        if message is None:
            self._done = True
            if self._reader == self._stream.reader:
                self._stream.finished = True
                message = self._stream.final
        if message is None:
            raise StopAsyncIteration
        return message

    def _event(self, message: bytes) -> bytes:
        return event_of(message, self._replay.note(self._stream.number, message).id if self._replay else b"")

    async def aclose(self) -> None:
        """The client is gone, or has read to the end."""
        self._done = True
        self._gone()
