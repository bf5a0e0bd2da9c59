"""Who a conversation is held with: a process that we started, or a server behind a legacy event stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from watchkeeper.protocol.message import Message

Receive = Callable[[Message], None]


class Peer(Protocol):
    """One server, for one conversation. It begins with `open`, and is over once it is `gone`."""

    gone: asyncio.Event
    """Set when no more messages come."""
    reason: str
    """Why, once it is gone."""

    @property
    def label(self) -> str:
        """What a log calls it."""
        ...

    async def open(self, receive: Receive) -> None:
        """Begin; `receive` gets every message. Raises `Unavailable`."""
        ...

    async def write(self, message: bytes) -> None:
        """Send one message. Raises `UpstreamFailed`, `UpstreamSilent`."""
        ...

    async def stop(self, reason: str) -> None:
        """End it, as often as one likes; returns when that is done."""
        ...
