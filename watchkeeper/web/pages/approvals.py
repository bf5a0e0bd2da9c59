"""Approvals: the inbox of calls and runs that wait for a person, and one call in full."""

from __future__ import annotations

import asyncio

from litestar import Response, get, post
from litestar.status_codes import HTTP_303_SEE_OTHER, HTTP_403_FORBIDDEN, HTTP_409_CONFLICT

from watchkeeper.core.errors import Conflict, Denied
from watchkeeper.operators.model import Acting
from watchkeeper.web.commands import link
from watchkeeper.web.operators import Operator
from watchkeeper.web.pages.event import readable
from watchkeeper.web.show import Known, PageRequest, console_of, known, listed

STATES = ("pending", "granted", "consumed", "denied", "expired", "voided")
_LIMIT = 8_192


@get("/approvals", sync_to_thread=True)
def approvals(request: PageRequest) -> Response[str]:
    """What waits, or waited, in one state; what waits is shown first."""
    console = console_of(request)
    wanted = request.query_params.get("state", "pending")
    wanted = wanted if wanted in (*STATES, "all") else "pending"
    state, acting = "" if wanted == "all" else wanted, acting_of(request)
    rows = listed(lambda: console.services.inbox.list(acting, state))
    playing = console.services.playing
    gates = listed(lambda: playing.gates(acting)) if playing is not None and wanted in ("pending", "all") else Known(())
    total = known(playing.waiting, 0).value if playing is not None else 0
    return console.page(
        request, "approvals", "Approvals", rows=rows, gates=gates, total=total, wanted=wanted, states=STATES
    )


@get("/approvals/{approval_id:str}", sync_to_thread=True)
def one_approval(request: PageRequest) -> Response[str]:
    """Everything that is needed to decide."""
    return _page(request, "")


@post("/approvals/{approval_id:str}/decision", request_max_body_size=_LIMIT)
async def decide(request: PageRequest) -> Response[str]:
    """Approve or deny, in the name of who is in. The guard has seen to it that the form is one of ours."""
    form = await request.form()
    choice, reason = str(form.get("choice", "")), str(form.get("reason", ""))
    approval_id, inbox = request.path_params["approval_id"], console_of(request).services.inbox
    try:
        await asyncio.to_thread(inbox.decide, acting_of(request), approval_id, choice, reason)
    except (Conflict, Denied) as error:
        response = await asyncio.to_thread(_page, request, error.reason)
        response.status_code = HTTP_409_CONFLICT if isinstance(error, Conflict) else HTTP_403_FORBIDDEN
        return response
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": link("approvals", approval_id)})


def acting_of(request: PageRequest) -> Acting:
    """Who is in."""
    operator = request.scope["user"]
    assert isinstance(operator, Operator)
    return operator.acting


def _page(request: PageRequest, failure: str) -> Response[str]:
    console = console_of(request)
    whole = console.services.inbox.show(acting_of(request), request.path_params["approval_id"])
    arguments = readable(whole.held.arguments)
    return console.page(request, "approval", "Approval", whole=whole, arguments=arguments, failure=failure)
