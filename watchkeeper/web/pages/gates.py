"""What a run of a playbook waits for a person with: exactly what will happen, and the person's word about it."""

from __future__ import annotations

import asyncio

from litestar import Response, get, post
from litestar.status_codes import HTTP_303_SEE_OTHER, HTTP_400_BAD_REQUEST, HTTP_403_FORBIDDEN, HTTP_409_CONFLICT

from watchkeeper.core.errors import Conflict, Denied, Invalid, Unavailable, WatchkeeperError
from watchkeeper.web.commands import link
from watchkeeper.web.pages.approvals import acting_of
from watchkeeper.web.playing import Playing
from watchkeeper.web.show import Console, PageRequest, console_of

_LIMIT = 8_192
STATUS: tuple[tuple[type[WatchkeeperError], int], ...] = (
    (Conflict, HTTP_409_CONFLICT),
    (Denied, HTTP_403_FORBIDDEN),
    (Invalid, HTTP_400_BAD_REQUEST),
)


@get("/gates/{gate_id:str}", sync_to_thread=True)
def one_gate(request: PageRequest) -> Response[str]:
    """Everything that is needed to decide."""
    return _page(request, "", "")


@post("/gates/{gate_id:str}/say", request_max_body_size=_LIMIT)
async def say(request: PageRequest) -> Response[str]:
    """Approve, decline, or say how it went, in the name of who is in. The guard saw that the form is ours."""
    form = await request.form()
    said = {name: str(form.get(name, "")) for name in ("choice", "comment", "binding")}
    name, port = request.path_params["gate_id"], playing_of(console_of(request))
    try:
        await asyncio.to_thread(port.say, acting_of(request), name, said)
    except (Conflict, Denied, Invalid) as error:
        response = await asyncio.to_thread(_page, request, told(error), said["comment"])
        response.status_code = next(status for kind, status in STATUS if isinstance(error, kind))
        return response
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": link("gates", name)})


def playing_of(console: Console) -> Playing:
    """Raises `Unavailable`."""
    if console.services.playing is None:
        raise Unavailable("playbooks are not at hand here", hint="see `watchkeeper playbooks list`")
    return console.services.playing


def told(error: WatchkeeperError) -> str:
    """An error in a line."""
    return f"{error.reason}. {error.hint}".rstrip(". ") + "."


def _page(request: PageRequest, failure: str, comment: str) -> Response[str]:
    console, name = console_of(request), request.path_params["gate_id"]
    is_live = request.query_params.get("live") == "1"
    whole = playing_of(console).gate(acting_of(request), name, effects=not is_live)
    return console.page(request, "gate", "Approval", whole=whole, gate=whole.gate, failure=failure, comment=comment)
