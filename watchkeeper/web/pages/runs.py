"""Playbooks and their runs: what there is, what one would do, how each step of a run stands, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post
from litestar.status_codes import HTTP_303_SEE_OTHER, HTTP_400_BAD_REQUEST

from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound
from watchkeeper.web.commands import link
from watchkeeper.web.pages.approvals import acting_of
from watchkeeper.web.pages.event import readable
from watchkeeper.web.pages.gates import STATUS, playing_of, told
from watchkeeper.web.playing import PAGE, RUN_STATES, Asked, run_place_of
from watchkeeper.web.show import Known, PageRequest, console_of, known, listed
from watchkeeper.web.stages import staged

_LIMIT = 32_768
_LONGEST = 500
"""Characters of an input."""


@get("/runs", sync_to_thread=True)
def runs(request: PageRequest) -> Response[str]:
    """The list; its address says which part of it."""
    console, place = console_of(request), run_place_of(request.query_params)
    acting, offset = acting_of(request), (place.number - 1) * PAGE
    found = known(lambda: playing_of(console).runs(acting, place.asked, offset), None)
    return console.page(request, "runs", "Runs", found=found, place=place, states=RUN_STATES, size=PAGE)


@get("/runs/{run_id:str}", sync_to_thread=True)
def one_run(request: PageRequest) -> Response[str]:
    """One run, step by step."""
    return _run(request, "")


@post("/runs/{run_id:str}/cancel", request_max_body_size=_LIMIT)
async def cancel(request: PageRequest) -> Response[str]:
    """End it before its next step, in the name of who is in."""
    form = await request.form()
    name, port, reason = request.path_params["run_id"], playing_of(console_of(request)), str(form.get("reason", ""))
    try:
        await asyncio.to_thread(port.cancel, acting_of(request), name, reason, undo=form.get("undo") == "1")
    except (Conflict, Denied, Invalid) as error:
        response = await asyncio.to_thread(_run, request, told(error))
        response.status_code = next(status for kind, status in STATUS if isinstance(error, kind))
        return response
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": link("runs", name)})


@get("/playbooks", sync_to_thread=True)
def playbooks(request: PageRequest) -> Response[str]:
    """Those that may be due, with what each may contain and whom it asks."""
    console = console_of(request)
    rows = listed(lambda: playing_of(console).playbooks(acting_of(request)))
    return console.page(request, "playbooks", "Playbooks", rows=rows)


@get("/playbooks/{name:str}", sync_to_thread=True)
def one_playbook(request: PageRequest) -> Response[str]:
    """One of them; with `incident` in the address, what it would do about that one. Nothing is done."""
    return _playbook(request, _asked(request.query_params), "")


@post("/playbooks/{name:str}/run", request_max_body_size=_LIMIT)
async def have_run(request: PageRequest) -> Response[str]:
    """Have it run for an incident; whatever it must ask for, it asks for as ever."""
    form = await request.form()
    asked = _asked({str(field): str(value) for field, value in form.multi_items()})
    name, port = request.path_params["name"], playing_of(console_of(request))
    try:
        run = await asyncio.to_thread(port.have_run, acting_of(request), name, asked)
    except (Conflict, Denied, Invalid, NotFound) as error:
        response = await asyncio.to_thread(_playbook, request, asked, told(error))
        response.status_code = next((s for kind, s in STATUS if isinstance(error, kind)), HTTP_400_BAD_REQUEST)
        return response
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": link("runs", run)})


def _run(request: PageRequest, failure: str) -> Response[str]:
    console = console_of(request)
    whole = playing_of(console).run(acting_of(request), request.path_params["run_id"])
    return console.page(
        request,
        "run",
        "Run",
        whole=whole,
        run=whole.run,
        stages=staged(whole),
        failure=failure,
        readable=readable,
    )


def _asked(said: Mapping[str, str]) -> Asked:
    """What an address or a form asks for; an input stands in it as `i.NAME`, and counts where something is said."""
    inputs = {name[2:]: value[:_LONGEST] for name, value in said.items() if name.startswith("i.") and value.strip()}
    return Asked(said.get("incident", "").strip()[:64], said.get("reason", ""), inputs)


def _playbook(request: PageRequest, asked: Asked, failure: str) -> Response[str]:
    console, acting, name = console_of(request), acting_of(request), request.path_params["name"]
    port = playing_of(console)
    whole = port.playbook(acting, name)
    tried: Known[Any] | None = None
    if asked.incident:
        try:
            tried = known(lambda: port.dry_run(acting, name, asked.incident, asked.inputs), None)
        except Invalid as error:
            tried = Known(None, told(error))
    return console.page(
        request,
        "playbook",
        whole.line.playbook.title,
        whole=whole,
        line=whole.line,
        asked=asked,
        tried=tried,
        failure=failure,
    )
