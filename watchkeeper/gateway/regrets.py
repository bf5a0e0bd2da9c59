"""Telling a server of the older era what its client cannot: that its request was withheld, or that time is up.

Only servers of the older era send requests; a withheld one is answered in the client's place, on the client's session,
with a JSON-RPC error. A call that took too long is cancelled in the same way; in the newer era closing the connection
says that already.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.model import Request
from watchkeeper.gateway.upstream import Headers, Inbound, Upstream
from watchkeeper.protocol.errors import DENIED_BY_POLICY, error_body
from watchkeeper.protocol.message import Message, parse_message

AT_ONCE = 32
"""Answers under way; a server that asks faster is left to wait."""
SECONDS = 10.0

_KEPT = frozenset({b"mcp-session-id", b"mcp-protocol-version"})
_log = logging.getLogger(__name__)


class Regrets:
    """One route's."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, request: Request, asked: Message) -> None:
        """Answer `asked`, which came on the stream that `request` opened. Returns at once."""
        text = "the gateway withheld this request: a policy does not allow it"
        self._post(request, error_body(asked.id, DENIED_BY_POLICY, text))

    def give_up(self, request: Request, message: Message) -> None:
        """Tell the server that nobody waits for its answer to `message` any more. Returns at once.

        To a server of the older era the end of a connection says nothing (MCP basic/utilities/cancellation).
        """
        params = {"requestId": message.id, "reason": "the time for this request is over"}
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        self._post(request, msgspec.json.encode(note))

    def _post(self, request: Request, body: bytes) -> None:
        if len(self._tasks) >= AT_ONCE:
            return
        headers: Headers = [pair for pair in request.headers if pair[0].lower() in _KEPT]
        headers += [(b"Content-Type", b"application/json"), (b"Accept", b"application/json, text/event-stream")]
        message, principal = parse_message(body), request.principal
        inbound = Inbound("POST", headers, body, message, principal, "legacy", request.session, request.credential)
        task = asyncio.get_running_loop().create_task(self._send(inbound))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, inbound: Inbound) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                out = await self._upstream.send(inbound)
            if out.cancel is not None:
                out.cancel()
        except (TimeoutError, Unavailable) as error:
            _log.info("a server was not told what it should know: %s", error)
