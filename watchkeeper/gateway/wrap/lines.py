"""Lines of a descriptor in and out, each by a thread of its own: a pipe, a file and a terminal are served alike.

The descriptors stay blocking, for whoever started us may share them. What may wait on the way is bounded both ways: a
client that does not read its answers is waited for, and so is a server that does not read its requests.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque

_CHUNK = 65_536
_AHEAD = 256
"""Lines read before anybody took them."""
_BEHIND = 4_194_304
"""Bytes that may wait to be written."""


class Lines:
    """The lines of a descriptor, in order. `async for` until its end."""

    def __init__(self, handle: int, limit: int) -> None:
        self._handle = handle
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._read: deque[bytes | None] = deque()
        self._news = asyncio.Event()
        self._room = threading.Semaphore(_AHEAD)
        self._is_over = False
        threading.Thread(target=self._run, name="lines-in", daemon=True).start()

    def __aiter__(self) -> Lines:
        return self

    async def __anext__(self) -> bytes:
        """The next line without its end; one beyond the limit comes as one byte more than the limit, the rest of it
        forgotten."""
        while not self._read:
            if self._is_over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        line = self._read.popleft()
        if line is None:
            self._is_over = True
            raise StopAsyncIteration
        self._room.release()
        return line

    # -- the thread

    def _run(self) -> None:
        partial = bytearray()
        try:
            while data := os.read(self._handle, _CHUNK):
                *lines, rest = data.split(b"\n")
                for line in lines:
                    self._give(bytes(partial + line)[: self._limit + 1])
                    partial.clear()
                partial += rest[: self._limit + 1 - len(partial)]
        except OSError:
            pass  # the other side is gone in a less orderly way
        self._give(bytes(partial) or None)
        if partial:
            self._give(None)

    def _give(self, line: bytes | None) -> None:
        self._room.acquire()
        try:
            self._loop.call_soon_threadsafe(self._take, line)
        except RuntimeError:
            return  # the loop is closed: nobody wants lines any more

    def _take(self, line: bytes | None) -> None:
        self._read.append(line)
        self._news.set()


class Writer:
    """Writes to a descriptor, in order, without holding up the loop."""

    def __init__(self, handle: int) -> None:
        self.broken = asyncio.Event()
        """Set when nobody reads any more."""
        self._handle = handle
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._is_closing = False
        self._room = asyncio.Event()
        self._room.set()
        self._thread = threading.Thread(target=self._run, name="lines-out", daemon=True)
        self._thread.start()

    async def write(self, data: bytes) -> None:
        """Hand bytes over; waits while too much is on its way. What nobody will read is dropped."""
        with self._lock:
            self._waiting.append(data)
            self._held += len(data)
            if self._held > _BEHIND:
                self._room.clear()
            self._lock.notify()
        if not self._room.is_set():
            await self._room.wait()

    def offer(self, data: bytes) -> bool:
        """Hand bytes over that may be lost: dropped while too much is on its way. Whether they were taken."""
        with self._lock:
            if self._held > _BEHIND:
                return False
            self._waiting.append(data)
            self._held += len(data)
            self._lock.notify()
        return True

    async def close(self, within: float) -> None:
        """Write what waits, for so long at most."""
        with self._lock:
            self._is_closing = True
            self._lock.notify()
        await asyncio.to_thread(self._thread.join, within)

    # -- the thread

    def _run(self) -> None:
        while data := self._next():
            try:
                self._write(data)
            except OSError:
                self._tell(self.broken)
                self._tell(self._room)
                return
            with self._lock:
                self._held -= len(data)
                has_room = self._held <= _BEHIND
            if has_room and not self._room.is_set():
                self._tell(self._room)

    def _next(self) -> bytes:
        with self._lock:
            while not self._waiting and not self._is_closing:
                self._lock.wait()
            data = b"".join(self._waiting)
            self._waiting.clear()
        return data

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]

    def _tell(self, event: asyncio.Event) -> None:
        try:
            self._loop.call_soon_threadsafe(event.set)
        except RuntimeError:
            return  # the loop is closed: nobody waits
