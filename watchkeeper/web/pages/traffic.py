"""Live traffic, and one event in full."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from litestar import Response, get

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.web.model import TrafficQuery
from watchkeeper.web.show import PageRequest, console_of, listed

OUTCOMES = ("allow", "modify", "ask", "deny", "refused", "stopped")
_FIELD = 200
_SHOWN = frozenset({"findings", "arguments", "result", "answer", "rules", "reason", "duration_us", "method"})


@get("/traffic", sync_to_thread=True)
def traffic(request: PageRequest) -> Response[str]:
    """The table, filtered."""
    console = console_of(request)
    query = query_of(request)
    events = listed(lambda: console.services.traffic.recent(query))
    filters = {"server": query.server, "outcome": query.outcome, "text": query.text}
    older = ""
    if len(events.value) == query.limit:
        older = "?" + urlencode({**{k: v for k, v in filters.items() if v}, "before": events.value[-1].time})
    return console.page(
        request,
        "traffic",
        "Traffic",
        events=events,
        query=query,
        older=older,
        servers=listed(console.services.servers.servers),
        outcomes=OUTCOMES,
    )


@get("/events/{event_id:str}", sync_to_thread=True)
def one_event(request: PageRequest) -> Response[str]:
    """One event: everything that was recorded, where it lies, and how to prove it."""
    console = console_of(request)
    found = console.services.traffic.find(request.path_params["event_id"])
    body = {key: value for key, value in found.event.body.items() if key not in _SHOWN}
    return console.page(
        request,
        "event",
        "Event",
        event=found.event,
        position=found,
        arguments=readable(found.event.body.get("arguments")),
        result=readable(found.event.body.get("result")),
        rest={key: value if isinstance(value, str) else readable(value) for key, value in body.items()},
    )


def query_of(request: PageRequest) -> TrafficQuery:
    """The filters of the URL; what makes no sense is ignored."""
    params = request.query_params
    outcome = params.get("outcome", "")
    before = params.get("before", "")
    return TrafficQuery(
        server=params.get("server", "")[:_FIELD],
        outcome=outcome if outcome in OUTCOMES else "",
        text=params.get("text", "")[:_FIELD],
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else 0,
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
