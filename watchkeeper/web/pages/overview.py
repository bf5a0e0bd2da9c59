"""The first screen: what is running, what was stopped, what is open, and whether the memory is sound."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get

from watchkeeper.web.model import Activity, Bucket, IncidentRow, TrafficQuery
from watchkeeper.web.show import PageRequest, console_of, known, listed

_CHART_WIDTH = 720
_CHART_HEIGHT = 206


@get("/", sync_to_thread=True)
def overview(request: PageRequest) -> Response[str]:
    """Everything at a glance."""
    console = console_of(request)
    services = console.services
    activity = known(services.traffic.activity, Activity())
    return console.page(
        request,
        "overview",
        "Overview",
        activity=activity,
        bars=bars(activity.value.buckets),
        denials=listed(lambda: services.traffic.recent(TrafficQuery(outcome="stopped", limit=5))),
        incidents=listed(lambda: pressing(services.incidents.list())),
        orders=listed(services.orders.all),
        servers=listed(services.servers.servers),
        pins=known(lambda: {s.name: services.servers.pins(s.name) for s in services.servers.servers()}, {}),
        suspended=known(services.journal.suspended, ""),
        writers=listed(services.journal.writers),
        lake=known(services.journal.lake, None),
        notifications=listed(services.notifications.recent),
    )


def pressing(rows: Sequence[IncidentRow]) -> list[IncidentRow]:
    """What is open before what is closed, of it the worst first, of the equally bad the newest."""
    return sorted(rows, key=lambda row: (row.state == "closed", -row.severity, -row.opened_at))


def bars(buckets: object) -> dict[str, object]:
    """The chart's rectangles: allowed below, stopped on top; linear, from zero."""
    spans = [b for b in buckets if isinstance(b, Bucket)] if isinstance(buckets, (list, tuple)) else []
    top = max((b.total for b in spans), default=0)
    step = _CHART_WIDTH / max(1, len(spans))
    rows = []
    for index, span in enumerate(spans):
        scale = _CHART_HEIGHT / top if top else 0
        good, bad = span.allowed * scale, span.refused * scale
        if span.refused:
            bad = max(bad, 3.0)  # one refusal among thousands must still be seen
        rows.append(
            {
                "x": round(index * step + step * 0.12, 2),
                "width": round(step * 0.76, 2),
                "good_y": round(_CHART_HEIGHT - good, 2),
                "good": round(good, 2),
                "bad_y": round(max(0.0, _CHART_HEIGHT - good - bad), 2),
                "bad": round(bad, 2),
                "span": span,
            }
        )
    return {
        "rows": rows,
        "top": top,
        "width": _CHART_WIDTH,
        "height": _CHART_HEIGHT,
        "allowed": sum(b.allowed for b in spans),
        "refused": sum(b.refused for b in spans),
    }
