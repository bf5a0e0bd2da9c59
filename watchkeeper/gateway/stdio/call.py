"""One open request of a conversation, as far as it has come."""

from __future__ import annotations

import asyncio

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.stdio.stream import Stream
from watchkeeper.protocol.message import Message


class Call:
    """One open request."""

    def __init__(self, number: int, request: Message, stream: Stream, *, streams: bool, ceiling: float) -> None:
        self.number = number
        self.request = request
        self.stream = stream
        self.streams = streams
        """Whether the client takes messages before the answer."""
        self.ceiling = ceiling
        self.client_id = b""
        self.token = b""
        self.wants_log = False
        self.timer: asyncio.TimerHandle | None = None
        self.failure: Unavailable | None = None
