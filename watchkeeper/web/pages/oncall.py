"""On-call: who is called now and next, what was paged, what is handed over, and the dead-man's switch."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from litestar import Response, get, post
from litestar.status_codes import HTTP_303_SEE_OTHER, HTTP_400_BAD_REQUEST

from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from watchkeeper.web.pages.approvals import acting_of
from watchkeeper.web.pages.gates import STATUS, told
from watchkeeper.web.show import Console, PageRequest, console_of
from watchkeeper.web.standby import DAYS, Standby

_LIMIT = 8_192
_FIELDS = ("act", "incident", "rota", "person", "begins", "lasting", "reason", "override", "handover")


@get("/oncall", sync_to_thread=True)
def oncall(request: PageRequest) -> Response[str]:
    """Everything about it."""
    return _page(request, "", {})


@post("/oncall/act", request_max_body_size=_LIMIT)
async def act(request: PageRequest) -> Response[str]:
    """Take on, stand in, accept, keep quiet, pause, in the name of who is in. The guard saw that the form is ours."""
    form = await request.form()
    said = {name: str(form.get(name, "")) for name in _FIELDS if name in form}
    try:
        await asyncio.to_thread(_port(console_of(request)).act, acting_of(request), said)
    except (Conflict, Denied, Invalid, NotFound) as error:
        response = await asyncio.to_thread(_page, request, told(error), said)
        response.status_code = next((s for kind, s in STATUS if isinstance(error, kind)), HTTP_400_BAD_REQUEST)
        return response
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": "/oncall"})


def _port(console: Console) -> Standby:
    if console.services.standby is None:
        raise Unavailable("on-call is not at hand here", hint="see `watchkeeper oncall show`")
    return console.services.standby


def _page(request: PageRequest, failure: str, posted: Mapping[str, str]) -> Response[str]:
    console, acting = console_of(request), acting_of(request)
    whole = _port(console).show(acting)
    return console.page(
        request,
        "oncall",
        "On-call",
        whole=whole,
        standing=whole.standing,
        switch=whole.switch,
        failure=failure,
        posted=posted,
        days=DAYS,
        me=acting.actor,
    )
