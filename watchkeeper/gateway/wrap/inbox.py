"""A server's messages on their way to be judged; a server that is ahead of its client is made to wait."""

from __future__ import annotations

import asyncio
from collections import deque

from watchkeeper.gateway.stdio.child import Child
from watchkeeper.protocol.message import Message

_MOST_WAITING = 1024
_MOST_BYTES = 8_388_608


class Inbox:
    """Messages in order, then the end."""

    def __init__(self) -> None:
        self._waiting: deque[Message | None] = deque()
        self._held = 0
        self._news = asyncio.Event()
        self.child: Child | None = None
        self._is_held = False

    def put(self, message: Message | None) -> None:
        """From the child's output, in order; None is the end."""
        self._waiting.append(message)
        self._held += len(message.raw) if message is not None else 0
        self._news.set()
        if self.child is not None and not self._is_held and self._is_full():
            self._is_held = True
            self.child.hold()

    async def next(self) -> Message | None:
        """The next message; None when there will be none."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        message = self._waiting.popleft()
        self._held -= len(message.raw) if message is not None else 0
        if self._is_held and not self._is_full():
            self._is_held = False
            assert self.child is not None
            self.child.go_on()
        return message

    def _is_full(self) -> bool:
        return len(self._waiting) > _MOST_WAITING or self._held > _MOST_BYTES
