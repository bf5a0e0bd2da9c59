"""The door for other systems: a signed decision comes in, and what became of it goes out. No cookie, no token."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Request, Response, post

from watchkeeper.web.show import console_of

_LIMIT = 8_192
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


@post("/hooks/approvals/{name:str}", request_max_body_size=_LIMIT, status_code=200)
async def hear(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Decide as the message says, if its webhook has signed it."""
    headers = {name: request.headers.get(name, "") for name in _HEADERS}
    body = await request.body()
    door = console_of(request).services.hooks
    held = await asyncio.to_thread(door.hear, request.path_params["name"], headers, body)
    told = {"approval": held.id, "state": held.state}
    return Response(msgspec.json.encode(told), media_type="application/json")


@post("/hooks/integrations/{name:str}", request_max_body_size=_LIMIT, status_code=200)
async def reply(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Take an acknowledgement, an end or a comment, if its integration has signed it."""
    headers = {name: request.headers.get(name, "") for name in _HEADERS}
    body = await request.body()
    door = console_of(request).services.hooks
    told = await asyncio.to_thread(door.reply, request.path_params["name"], headers, body)
    return Response(msgspec.json.encode(told), media_type="application/json")
