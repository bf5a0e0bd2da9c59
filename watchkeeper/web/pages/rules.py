"""Rules: what detection asks of events, how often each is right, and how much it raises."""

from __future__ import annotations

from litestar import Response, get

from watchkeeper.web.pages.approvals import acting_of
from watchkeeper.web.show import PageRequest, console_of, listed

_ORDERS = ("level", "alerts", "precision", "name")


@get("/rules", sync_to_thread=True)
def rules(request: PageRequest) -> Response[str]:
    """Every rule; the address says which and in which order."""
    console, acting = console_of(request), acting_of(request)
    words = request.query_params.get("q", "")[:200]
    order = request.query_params.get("order", "alerts")
    rows = listed(lambda: console.services.alerts.rules(acting))
    found = [row for row in rows.value if all(word in _text(row) for word in words.casefold().split())]
    order = order if order in _ORDERS else "alerts"
    found.sort(key=lambda row: _key(row, order))
    return console.page(request, "rules", "Rules", rows=rows, found=found, words=words, order=order, orders=_ORDERS)


@get("/rules/{rule_id:str}", sync_to_thread=True)
def one_rule(request: PageRequest) -> Response[str]:
    """One rule with everything about it."""
    console = console_of(request)
    whole = console.services.alerts.rule(acting_of(request), request.path_params["rule_id"])
    return console.page(request, "rule", "Rule", whole=whole)


def _text(row: object) -> str:
    return " ".join(str(getattr(row, name)) for name in ("title", "name", "tags", "tactic", "kind", "state")).casefold()


def _key(row: object, order: str) -> tuple[object, ...]:
    title, level, volume = (getattr(row, name) for name in ("title", "level", "volume"))
    right = getattr(getattr(row, "precision", None), "right", None)
    share = right.rate if right is not None and right.rate is not None else 2.0
    first = {"level": -level, "alerts": -sum(volume), "precision": share, "name": 0}[order]
    return first, -level, title
