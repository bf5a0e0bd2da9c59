"""Live traffic."""

from __future__ import annotations

from urllib.parse import urlencode

from litestar import Response, get

from watchkeeper.web.model import TrafficQuery
from watchkeeper.web.show import PageRequest, console_of, listed

OUTCOMES = ("allow", "modify", "ask", "deny", "refused", "stopped")
_FIELD = 200


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
