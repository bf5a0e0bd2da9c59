"""A message of our own to a server, in somebody's session or for a principal, past every order.

Only for what ends something (`tasks/cancel`, `DELETE`) or looks whether it has ended. No answer is passed on.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.listing import answer_in
from watchkeeper.gateway.upstream import Headers, Inbound, Upstream
from watchkeeper.protocol.eras import MODERN
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.message import CAPABILITIES_KEY, CLIENT_KEY, VERSION_KEY, Message, parse_message

SECONDS = 3.0
"""How long a server may take to answer one."""
_OVER = frozenset({"completed", "failed", "cancelled"})


class Errand:
    """On behalf of one principal at one server: in its session, or, without one, in the modern era."""

    def __init__(self, upstream: Upstream, principal: str, session: str = "") -> None:
        self._upstream = upstream
        self._principal = principal
        self._session = session
        self._numbers = itertools.count(1)

    async def cancel(self, task: str) -> bool:
        """Whether the server says that a task is over now."""
        answer = await self._ask("tasks/cancel", {"taskId": task})
        return answer is not None or await self.is_over(task)

    async def is_over(self, task: str) -> bool:
        """Whether the server says that a task has ended, however."""
        answer = await self._ask("tasks/get", {"taskId": task})
        if answer is None:
            return False
        result = msgspec.json.decode(answer.result)
        status = result.get("status") if isinstance(result, dict) else None
        return status in _OVER

    async def leave(self) -> str:
        """End the session at its server; empty when it is ended, else what the server did instead."""
        try:
            async with asyncio.timeout(SECONDS):
                out = await self._upstream.send(self._inbound("DELETE", None))
        except TimeoutError:
            return "the server did not answer DELETE in time"
        except Unavailable as error:
            return error.reason
        if out.cancel is not None:
            out.cancel()
        return "" if out.status < 300 or out.status == 404 else f"the server answered DELETE with {out.status}"

    async def _ask(self, method: str, params: dict[str, Any]) -> Message | None:
        if not self._session:
            meta = {VERSION_KEY: MODERN[-1], CLIENT_KEY: {"name": "watchkeeper", "version": "0"}, CAPABILITIES_KEY: {}}
            params = params | {"_meta": meta}
        body = {"jsonrpc": "2.0", "id": f"wk-end-{next(self._numbers)}", "method": method, "params": params}
        asked = parse_message(msgspec.json.encode(body))
        try:
            async with asyncio.timeout(SECONDS):
                return await answer_in(await self._upstream.send(self._inbound("POST", asked)), asked)
        except (TimeoutError, Unavailable, BadMessage, msgspec.MsgspecError):
            return None

    def _inbound(self, verb: str, asked: Message | None) -> Inbound:
        headers: Headers = []
        if asked is not None:
            headers = [(b"Content-Type", b"application/json"), (b"Accept", b"application/json, text/event-stream")]
        if self._session:
            headers.append((b"Mcp-Session-Id", self._session.encode("latin-1")))
        elif asked is not None:
            headers += [(b"MCP-Protocol-Version", MODERN[-1].encode()), (b"Mcp-Method", asked.method.encode())]
        era = "legacy" if self._session else "modern"
        body = asked.raw if asked is not None else b""
        return Inbound(verb, headers, body, asked, self._principal, era, self._session, None)
