"""What is done with hunts: schedule, escalate a row, draft a rule from rows, keep one of one's own.

Every form is ours (the guard has seen to it), is done in the name of who is in, and comes back with its answers and the
reason where it is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from litestar import Response, get, post
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_303_SEE_OTHER,
    HTTP_400_BAD_REQUEST,
    HTTP_403_FORBIDDEN,
    HTTP_409_CONFLICT,
)

from watchkeeper.core.errors import Conflict, Denied, Invalid, WatchkeeperError
from watchkeeper.detect.hunts.writing import FIELDS, compose
from watchkeeper.web.commands import link
from watchkeeper.web.detection import Asked, Drafted, Wish
from watchkeeper.web.pages.approvals import acting_of
from watchkeeper.web.pages.hunts import LONGEST, port_of, shown
from watchkeeper.web.show import PageRequest, console_of

_LIMIT = 131_072
_LARGE = 524_288
"""Of a hunt's text, with what a form makes of its letters."""
_ROWS = 200
_STATUS: tuple[tuple[type[WatchkeeperError], int], ...] = (
    (Conflict, HTTP_409_CONFLICT),
    (Denied, HTTP_403_FORBIDDEN),
    (Invalid, HTTP_400_BAD_REQUEST),
)


@post("/hunts/{name:str}/schedule", request_max_body_size=_LIMIT)
async def schedule(request: PageRequest) -> Response[str]:
    """Let the watch run it, with these parameters."""
    form, wish = await _form(request)
    port, acting, asked = port_of(console_of(request)), acting_of(request), _asked(request, form)
    wanted = Wish(wish.get("every", "")[:20], wish.get("alert", "")[:20])
    return await _done(request, form, lambda: port.schedule(acting, asked, wanted))


@post("/hunts/{name:str}/unschedule", request_max_body_size=_LIMIT)
async def unschedule(request: PageRequest) -> Response[str]:
    """Let the watch run it no more."""
    form, _ = await _form(request)
    port, acting, name = port_of(console_of(request)), acting_of(request), request.path_params["name"]
    return await _done(request, form, lambda: port.unschedule(acting, name))


@post("/hunts/{name:str}/remove", request_max_body_size=_LIMIT)
async def remove(request: PageRequest) -> Response[str]:
    """Forget one of one's own; its schedule ends with it."""
    form, _ = await _form(request)
    port, acting, name = port_of(console_of(request)), acting_of(request), request.path_params["name"]
    try:
        await asyncio.to_thread(port.remove, acting, name)
    except (Conflict, Denied, Invalid) as error:
        return await _refused(request, error, lambda why: shown(request, form, wanted=False, failure=why))
    return _to("/hunts")


@post("/hunts/{name:str}/escalate", request_max_body_size=_LIMIT)
async def escalate(request: PageRequest) -> Response[str]:
    """One row becomes an alert, with a note."""
    form, wish = await _form(request)
    port, acting, asked = port_of(console_of(request)), acting_of(request), _asked(request, form)
    said = {"level": wish.get("level", "")[:20], "note": wish.get("note", "")[:4000]}

    def act() -> dict[str, str]:
        return {"raised": port.escalate(acting, asked, wish.get("row", "")[:64], said)}

    return await _done(request, form, act)


@post("/hunts/{name:str}/draft", request_max_body_size=_LIMIT, status_code=HTTP_200_OK)
async def draft(request: PageRequest) -> Response[str]:
    """A rule from the chosen rows: shown, or, when it is what was shown, as a file."""
    form, wish = await _form(request)
    port, acting, asked = port_of(console_of(request)), acting_of(request), _asked(request, form)
    rows = list(dict.fromkeys(str(one)[:64] for one in (await request.form()).getall("row", [])))[:_ROWS]
    level = wish.get("level", "")[:20]
    try:
        drafted = await asyncio.to_thread(port.draft, acting, asked, rows, level)
    except (Conflict, Denied, Invalid) as error:
        return await _refused(request, error, lambda why: shown(request, form, wanted=True, failure=why))
    if wish.get("file") == drafted.digest:
        return _file(drafted)
    console = console_of(request)
    row = await asyncio.to_thread(port.show, asked.hunt)
    values = {"row": row, "drafted": drafted, "form": form, "rows": rows, "level": level, "back": {**form, "run": "1"}}
    changed = bool(wish.get("file"))
    return await asyncio.to_thread(
        lambda: console.page(request, "hunt_draft", "A drafted rule", changed=changed, **values)
    )


@get("/hunts/new-hunt")
async def blank(request: PageRequest) -> Response[str]:
    """A form for a hunt of one's own, or, with `edit`, for another wording of one that is kept.

    No hunt can have this name: it has a dash. Raises `NotFound`.
    """
    name = request.query_params.get("edit", "")[:80]
    said = {}
    if name:
        text = await asyncio.to_thread(port_of(console_of(request)).text, name)
        said = {"name": name, "yaml": text, "force": "1"}
    return await asyncio.to_thread(_writing, request, said, "")


@post("/hunts/new-hunt", request_max_body_size=_LARGE)
async def save(request: PageRequest) -> Response[str]:
    """Keep it, from the fields or from its text."""
    said = {str(name): str(value) for name, value in (await request.form()).multi_items()}
    port, acting, name = port_of(console_of(request)), acting_of(request), said.get("name", "").strip()[:80]

    def act() -> None:
        text = said["yaml"].replace("\r\n", "\n") if said.get("yaml", "").strip() else compose(said)
        port.save(acting, name, text, force=said.get("force") == "1")

    try:
        await asyncio.to_thread(act)
    except (Conflict, Denied, Invalid) as error:
        return await _refused(request, error, lambda why: _writing(request, said, why))
    return _to(link("hunts", name))


def _writing(request: PageRequest, said: dict[str, str], failure: str) -> Response[str]:
    console = console_of(request)
    kept = {field: said.get(field, "") for field in (*FIELDS, "yaml", "force")}
    may_keep = port_of(console).may_keep(acting_of(request))
    return console.page(request, "hunt_new", "A hunt of your own", said=kept, failure=failure, may_keep=may_keep)


async def _form(request: PageRequest) -> tuple[dict[str, str], dict[str, str]]:
    """What a run of the hunt is asked by, as in its address, and the rest. Raises `NotFound`."""
    said = {str(name): str(value) for name, value in (await request.form()).multi_items()}
    row = await asyncio.to_thread(port_of(console_of(request)).show, request.path_params["name"])
    asked = {f"p.{name}": said.get(f"p.{name}", "")[:LONGEST] for name in row.hunt.parameters}
    return asked | {"since": said.get("since", "")[:20]}, {n: v for n, v in said.items() if not n.startswith("p.")}


def _asked(request: PageRequest, form: dict[str, str]) -> Asked:
    said = {name.removeprefix("p."): value for name, value in form.items() if name.startswith("p.")}
    return Asked(request.path_params["name"], said, form["since"])


async def _done(request: PageRequest, form: dict[str, str], act: Callable[[], dict[str, str] | None]) -> Response[str]:
    """Do it, then see the hunt again by the address that it was run by."""
    try:
        more = await asyncio.to_thread(act)
    except (Conflict, Denied, Invalid) as error:
        return await _refused(request, error, lambda why: shown(request, form, wanted=False, failure=why))
    query = {**form, "run": "1", **more} if more else form
    return _to(link("hunts", request.path_params["name"], **query))


async def _refused(
    request: PageRequest, error: WatchkeeperError, page: Callable[[str], Response[str]]
) -> Response[str]:
    response = await asyncio.to_thread(page, f"{error.reason}. {error.hint}".rstrip(". ") + ".")
    response.status_code = next(status for kind, status in _STATUS if isinstance(error, kind))
    return response


def _file(drafted: Drafted) -> Response[str]:
    headers = {"Content-Disposition": f'attachment; filename="{drafted.name}"'}
    return Response(drafted.text, media_type="application/yaml", headers=headers)


def _to(address: str) -> Response[str]:
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": address})
