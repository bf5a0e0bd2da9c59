"""Asking the wrapped server something of our own, beside the client's requests: its tools, before one is called."""

from __future__ import annotations

import asyncio

from watchkeeper.gateway.stdio.child import Child
from watchkeeper.gateway.upstream import Inbound, Outbound, UpstreamFailed
from watchkeeper.gateway.wrap.table import Id, Table
from watchkeeper.protocol.message import Message


class Asking:
    """An upstream for our own requests only."""

    def __init__(self, child: Child, table: Table) -> None:
        self._child = child
        self._table = table
        self._waiting: dict[tuple[type, Id], asyncio.Future[Message]] = {}

    async def send(self, inbound: Inbound) -> Outbound:
        """The answer to a request of ours. Raises `UpstreamFailed`."""
        message = inbound.message
        assert message is not None
        assert message.id is not None
        key = (type(message.id), message.id)
        if key in self._waiting or self._table.knows(message.id):
            raise UpstreamFailed("a request of the client's has this id")
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        try:
            await self._child.write(message.raw)
            return Outbound(200, [], (await future).raw)
        finally:
            self._waiting.pop(key, None)

    async def close(self) -> None:
        """Nobody waits any more."""
        for future in self._waiting.values():
            future.cancel()

    def take(self, answer: Message) -> bool:
        """Whether an answer is to a request of ours."""
        if answer.id is None:
            return False
        future = self._waiting.get((type(answer.id), answer.id))
        if future is None:
            return False
        if not future.done():
            future.set_result(answer)
        return True
