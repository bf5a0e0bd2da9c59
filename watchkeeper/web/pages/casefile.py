"""One incident: what happened, who was touched, what is to be done, and what people say and decide about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from litestar import Response, get, post
from litestar.status_codes import HTTP_303_SEE_OTHER, HTTP_400_BAD_REQUEST, HTTP_403_FORBIDDEN, HTTP_409_CONFLICT

from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound, Unavailable, WatchkeeperError
from watchkeeper.web.blast import drawn
from watchkeeper.web.casework import DISPOSITIONS, FORMATS, LINES, MARKS, STATUSES, Cases, place_of
from watchkeeper.web.commands import link
from watchkeeper.web.pages.approvals import acting_of
from watchkeeper.web.show import Console, PageRequest, console_of

_LIMIT = 65_536
_STATUS: tuple[tuple[type[WatchkeeperError], int], ...] = (
    (Conflict, HTTP_409_CONFLICT),
    (Denied, HTTP_403_FORBIDDEN),
    (Invalid, HTTP_400_BAD_REQUEST),
    (NotFound, HTTP_400_BAD_REQUEST),
)
_ANCHORS = {
    "note": "notes", "lesson": "lessons", "add_task": "tasks", "finish_task": "tasks", "reopen_task": "tasks",
    "change_task": "tasks", "link": "links", "unlink": "links",
}  # fmt: skip
_JSON = ("json", "application/json")
_FILES = {
    **dict.fromkeys(("stix", "veris", "ocsf"), _JSON),
    "pdf": ("pdf", "application/pdf"),
    "markdown": ("md", "text/markdown; charset=utf-8"),
}
"""Format → how a file's name ends, and its media type; the others are JSON lines."""
LINK_KINDS = ("server", "principal", "tool", "advisory", "hunt", "incident", "ticket", "fingerprint", "alert")


@dataclass(frozen=True)
class Refused:
    """Why a form was refused, and what it said."""

    why: str
    said: Mapping[str, str]

    @property
    def seen(self) -> int:
        """The revision that whoever sent it looked at."""
        text = self.said.get("revision", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


@get("/incidents/{incident_id:str}", sync_to_thread=True)
def one_incident(request: PageRequest) -> Response[str]:
    """Everything about it; `mark` and `page` in the address choose lines of its timeline."""
    return _page(request, None)


@post("/incidents/{incident_id:str}/act", request_max_body_size=_LIMIT)
async def act(request: PageRequest) -> Response[str]:
    """Decide, note, link, in the name of who is in. The guard has seen to it that the form is ours."""
    form = await request.form()
    said = {str(name): str(form.get(name, "")) for name in form}
    said |= {"alerts": "\n".join(str(one) for one in form.getall("alerts", []))} if "alerts" in said else {}
    incident, port = request.path_params["incident_id"], port_of(console_of(request))
    try:
        lead = await asyncio.to_thread(port.act, acting_of(request), incident, said)
    except (Conflict, Denied, Invalid, NotFound) as error:
        why = f"{error.reason}. {error.hint}".rstrip(". ") + "."
        response = await asyncio.to_thread(_page, request, Refused(why, said))
        response.status_code = next(status for kind, status in _STATUS if isinstance(error, kind))
        return response
    place = link("incidents", lead or incident) + (f"#{_ANCHORS[said['act']]}" if said["act"] in _ANCHORS else "")
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": place})


@get("/incidents/{incident_id:str}/export", sync_to_thread=True)
def export(request: PageRequest) -> Response[bytes]:
    """It as a file, in the format that the address names; that it was taken is recorded."""
    incident, form = request.path_params["incident_id"], request.query_params.get("format", "jsonl")
    made = port_of(console_of(request)).export(acting_of(request), incident, form)
    name = "".join(char for char in incident if char.isascii() and (char.isalnum() or char == "-"))[:64]
    ending, media = _FILES.get(form, ("jsonl", "application/x-ndjson"))
    headers = {"Content-Disposition": f'attachment; filename="{name}-{form}.{ending}"'}
    return Response(made, media_type=media, headers=headers)


def port_of(console: Console) -> Cases:
    """Raises `Unavailable`."""
    if console.services.cases is None:
        raise Unavailable("incidents are not at hand here", hint="see `watchkeeper incidents show`")
    return console.services.cases


def _page(request: PageRequest, refused: Refused | None) -> Response[str]:
    console, params = console_of(request), request.query_params
    place = place_of(request.path_params["incident_id"], params, refused.said if refused else None)
    whole = port_of(console).show(acting_of(request), place.incident, place, similar=params.get("live") != "1")
    incident = whole.file.incident
    return console.page(
        request,
        "incident",
        incident.number,
        whole=whole,
        incident=incident,
        place=place,
        drawing=drawn(whole.file, whole.orders),
        refused=refused,
        meanwhile=whole.since(refused.seen) if refused else (),
        marks=MARKS,
        lines=LINES,
        formats=FORMATS,
        dispositions=DISPOSITIONS,
        statuses=STATUSES,
        link_kinds=LINK_KINDS,
        me=acting_of(request).actor,
        phase_gap=lambda begin, end: end - begin if begin and end else None,
    )
