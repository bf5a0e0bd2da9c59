"""The same inbox for programs: JSON, an operator's token, errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Request, Response, get, post

from watchkeeper.core.errors import Invalid
from watchkeeper.operators.model import Acting
from watchkeeper.web.show import console_of

_LIMIT = 8_192
ApiRequest = Request[Any, Any, Any]


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sent to decide."""

    choice: str
    reason: str = ""


@get("/api/approvals", sync_to_thread=True)
def list_approvals(request: ApiRequest) -> Response[bytes]:
    """Those in `state`, pending ones by default, `all` for all."""
    state = request.query_params.get("state", "pending")
    rows = console_of(request).services.inbox.list(_acting(request), "" if state == "all" else state)
    return _json({"approvals": rows})


@get("/api/approvals/{approval_id:str}", sync_to_thread=True)
def show_approval(request: ApiRequest) -> Response[bytes]:
    """One with all that is needed to decide."""
    whole = console_of(request).services.inbox.show(_acting(request), request.path_params["approval_id"])
    return _json(whole)


@post("/api/approvals/{approval_id:str}/decision", request_max_body_size=_LIMIT, status_code=200)
async def decide_approval(request: ApiRequest) -> Response[bytes]:
    """Approve or deny; `{"choice": "approve", "reason": "…"}`."""
    try:
        decision = msgspec.json.decode(await request.body(), type=Decision)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("the body is no decision", hint='send {"choice": "approve" or "deny", "reason": "…"}') from error
    inbox, approval_id = console_of(request).services.inbox, request.path_params["approval_id"]
    decided = await asyncio.to_thread(inbox.decide, _acting(request), approval_id, decision.choice, decision.reason)
    return _json(decided)


def _acting(request: ApiRequest) -> Acting:
    acting = request.scope["user"]
    assert isinstance(acting, Acting)
    return acting


def _json(value: object) -> Response[bytes]:
    return Response(msgspec.json.encode(value), media_type="application/json")
