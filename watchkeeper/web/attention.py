"""Noticing that a client has gone while its search is being made: then nobody goes on searching for it."""

from __future__ import annotations

import asyncio

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage
from litestar.types.asgi_types import HTTPDisconnectEvent

from watchkeeper.core.patience import Patience, wait_with

_Said = HTTPReceiveMessage | WebSocketReceiveMessage
_SEARCHES = ("/events", "/conversations", "/api/events", "/api/conversations")


class Attention(ASGIMiddleware):
    """Listens for the connection's end; only where something is searched."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        first = await receive() if scope["path"].startswith(_SEARCHES) else None
        if first is None or first["type"] != "http.request" or first["more_body"]:
            await next_app(scope, receive if first is None else _again(first, receive), send)
            return
        patience, gone = Patience(), asyncio.Event()
        wait_with(patience)

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            patience.leave()
            gone.set()

        async def told() -> HTTPReceiveMessage:
            await gone.wait()
            return HTTPDisconnectEvent(type="http.disconnect")

        listening = asyncio.create_task(listen())
        try:
            await next_app(scope, _again(first, told), send)
        finally:
            listening.cancel()


def _again(first: _Said, rest: Receive) -> Receive:
    """Hands out the message that was taken, then the rest."""
    taken = [first]

    async def receive() -> _Said:
        return taken.pop() if taken else await rest()

    return receive
