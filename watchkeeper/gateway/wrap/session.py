"""The life of one wrapped server: both directions at once, each in order, until either side ends.

The client closes its side: the server's input is closed, what it still says is passed on, and then it and all it has
started is ended. The server ends: whoever waits is told, and so does this.
"""

from __future__ import annotations

import asyncio

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway import replies
from watchkeeper.gateway.upstream import UpstreamSilent
from watchkeeper.gateway.wrap.between import Between
from watchkeeper.gateway.wrap.inbox import Inbox
from watchkeeper.gateway.wrap.lines import Lines, Writer
from watchkeeper.gateway.wrap.towards_client import TowardsClient
from watchkeeper.gateway.wrap.towards_server import TowardsServer
from watchkeeper.protocol.errors import TIMED_OUT, UPSTREAM_FAILED

_LOOK = 0.5
"""Seconds between two looks for requests whose time is up."""


class Session:
    """One client and one server, from `run` to its end."""

    def __init__(self, between: Between, inbox: Inbox, lines: Lines, writer: Writer) -> None:
        self.was_left = False
        """Whether it was the client that left."""
        self._between = between
        self._child = between.child
        self._inbox = inbox
        self._lines = lines
        self._writer = writer
        self._from_client = TowardsServer(between)
        self._from_server = TowardsClient(between)

    async def run(self, stop: asyncio.Event) -> None:
        """Until one side ends, or `stop` is set. The server is ended in any case."""
        speaking = asyncio.create_task(self._client())
        listening = asyncio.create_task(self._server())
        others = [asyncio.create_task(self._watch()), asyncio.create_task(self._await_end())]
        others += [asyncio.create_task(_happens(event)) for event in (stop, self._writer.broken)]
        try:
            await asyncio.wait([speaking, listening, *others[2:]], return_when=asyncio.FIRST_COMPLETED)
            has_left = self.was_left = not listening.done()
            if has_left and speaking.done() and not stop.is_set():
                await self._finish(listening)
            await self._child.stop("the client closed its input" if has_left else self._child.reason)
            self._inbox.put(None)
            await asyncio.wait([listening], timeout=self._between.limits.finish)
        finally:
            self._from_client.stop()
            for task in (speaking, listening, *others):
                task.cancel()
            ended = await asyncio.gather(speaking, listening, *others, return_exceptions=True)
        await self._end_all()
        for failure in ended:
            if isinstance(failure, Exception):
                raise failure

    # -- the tasks

    async def _client(self) -> None:
        async for line in self._lines:
            await self._from_client.take(line)
        await self._from_client.rest()

    async def _server(self) -> None:
        while (message := await self._inbox.next()) is not None:
            await self._from_server.take(message)

    async def _await_end(self) -> None:
        await self._child.gone.wait()
        self._inbox.put(None)

    async def _watch(self) -> None:
        """Give up what takes too long; the server is told."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(_LOOK, self._between.limits.silence / 4, self._between.limits.ceiling / 4))
            for one in self._between.table.late(loop.time()):
                self._between.table.end(one.call.message.id)
                self._between.over(one, UpstreamSilent.code)
                text = "the server did not answer in time"
                await self._between.to_client(replies.failure(one.call.message, TIMED_OUT, text))
                params = {"requestId": one.call.message.id, "reason": "no answer in time"}
                note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
                try:
                    await self._child.write(msgspec.json.encode(note))
                except Unavailable:
                    continue  # it is gone, which `_server` notices

    async def _finish(self, listening: asyncio.Task[None]) -> None:
        """The client asks nothing more: let the server end by itself, and pass on what it still says."""
        self._child.end_input()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not listening.done():
            patience = self._between.limits.answers if len(self._between.table) else self._between.limits.finish
            left = begun + patience - loop.time()
            if left <= 0:
                return
            await asyncio.wait([listening], timeout=min(left, 0.1))

    async def _end_all(self) -> None:
        """The server is gone: everybody who waits is told. What a client that left was waiting for, it gave up."""
        await self._between.asking.close()
        ending = "cancelled" if self.was_left else "upstream_failed"
        for one in self._between.table.all():
            self._between.table.end(one.call.message.id)
            self._between.over(one, ending)
            text = f"{self._child.reason} before it had answered"
            await self._between.to_client(replies.failure(one.call.message, UPSTREAM_FAILED, text))


async def _happens(event: asyncio.Event) -> None:
    await event.wait()
