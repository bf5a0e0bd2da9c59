"""One event for good: what was recorded, where it lies, its proof, what happened around it, what it is part of."""

from __future__ import annotations

from functools import partial

import msgspec
from litestar import Response, get

from watchkeeper.core.clock import SECOND, to_iso
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events.ocsf import to_ocsf
from watchkeeper.events.search.conversation import left_out
from watchkeeper.web import searching
from watchkeeper.web.model import Neighbours
from watchkeeper.web.searching import Place
from watchkeeper.web.show import PageRequest, console_of, known

_AROUND = 6
_REACH = 15 * 60 * SECOND
_SHOWN = frozenset({"findings", "arguments", "result", "answer", "rules", "reason", "duration_us", "method", "capture"})


@get("/events/{event_id:str}", sync_to_thread=True)
def one_event(request: PageRequest) -> Response[str]:
    """One event: everything that was recorded, where it lies, and how to prove it."""
    console = console_of(request)
    found = console.services.events.find(request.path_params["event_id"])
    event = found.event
    body = {key: value for key, value in event.body.items() if key not in _SHOWN}
    since, until = to_iso(max(0, event.time - _REACH)), to_iso(max(0, event.time) + _REACH)
    return console.page(
        request,
        "event",
        "Event",
        event=event,
        position=found,
        place=Place("", since, until),
        pivots=searching.pivots(event),
        missing=left_out(event),
        ocsf=readable(to_ocsf(event)),
        around=known(partial(console.services.events.around, found, _AROUND), Neighbours()),
        arguments=readable(event.body.get("arguments")),
        result=readable(event.body.get("result")),
        rest={key: value if isinstance(value, str) else readable(value) for key, value in body.items()},
    )


@get("/events/{event_id:str}/proof", sync_to_thread=True)
def proof(request: PageRequest) -> Response[bytes]:
    """The proof that it was recorded, for anybody with `verifier.py`."""
    event_id = request.path_params["event_id"]
    made = console_of(request).services.events.proof(event_id)
    name = "".join(char for char in event_id if char.isascii() and (char.isalnum() or char == "-"))[:64]
    headers = {"Content-Disposition": f'attachment; filename="proof-{name}.json"'}
    return Response(made, media_type="application/json", headers=headers)


@get("/conversations/{key:str}", sync_to_thread=True)
def conversation(request: PageRequest) -> Response[str]:
    """A session told: who asked, what the verdict was, what came back, who decided."""
    console = console_of(request)
    key = request.path_params["key"]
    return console.page(
        request, "conversation", "Conversation", whole=console.services.events.conversation(key), key=key
    )


def readable(value: object) -> str:
    """JSON, indented, for the eye; text that is no JSON as it is."""
    if value in ("", b"", None):
        return ""
    try:
        raw = value.encode() if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str)
        return msgspec.json.format(raw, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeError, WatchkeeperError):
        return str(value)
