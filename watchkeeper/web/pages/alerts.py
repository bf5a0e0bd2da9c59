"""Alerts: the queue, one alert in full, what people make of it, and an exception drafted from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from litestar import Response, get, post
from litestar.status_codes import HTTP_303_SEE_OTHER, HTTP_400_BAD_REQUEST, HTTP_403_FORBIDDEN, HTTP_409_CONFLICT

from watchkeeper.core.errors import Conflict, Denied, Invalid, WatchkeeperError
from watchkeeper.web.alerts import DISPOSITIONS, PAGE, STATES, place_of
from watchkeeper.web.commands import link
from watchkeeper.web.pages.approvals import acting_of
from watchkeeper.web.show import Known, PageRequest, console_of, known

_LIMIT = 16_384
_STATUS: tuple[tuple[type[WatchkeeperError], int], ...] = (
    (Conflict, HTTP_409_CONFLICT),
    (Denied, HTTP_403_FORBIDDEN),
    (Invalid, HTTP_400_BAD_REQUEST),
)
_FIELDS = ("actor", "server", "target", "kind")
"""Members of the event that an exception is drafted from."""


@get("/alerts", sync_to_thread=True)
def alerts(request: PageRequest) -> Response[str]:
    """The queue; its address says which part of it."""
    return _queue(request, "")


@get("/alerts/{alert_id:str}", sync_to_thread=True)
def one_alert(request: PageRequest) -> Response[str]:
    """Why it fired, what is known about it, and what can be done."""
    return _alert(request, "")


@post("/alerts/{alert_id:str}/assess", request_max_body_size=_LIMIT)
async def assess(request: PageRequest) -> Response[str]:
    """Take it on, close or reopen it, in the name of who is in. The guard has seen to it that the form is ours."""
    form = await request.form()
    said = {name: str(form.get(name, "")) for name in ("act", "to", "disposition", "note")}
    back, alert_id = str(form.get("back", "")), request.path_params["alert_id"]
    acting, port = acting_of(request), console_of(request).services.alerts
    if said["act"] == "assign" and said["to"] == "me":
        said["to"] = acting.actor
    try:
        await asyncio.to_thread(port.assess, acting, alert_id, said)
    except (Conflict, Denied, Invalid) as error:
        return await _failed(request, error, _alert)
    return _to(back if back == "/alerts" or back.startswith("/alerts?") else link("alerts", alert_id))


@get("/alerts/{alert_id:str}/exception")
async def draft(request: PageRequest) -> Response[str]:
    """An exception from this alert: what it would hold, and, once it was tried, what it would have held."""
    return await asyncio.to_thread(_draft, request, "")


@post("/alerts/{alert_id:str}/exception", request_max_body_size=_LIMIT)
async def add_exception(request: PageRequest) -> Response[str]:
    """Put it in force."""
    form = await request.form()
    asked = {str(name): str(value) for name, value in form.multi_items()}
    acting, port = acting_of(request), console_of(request).services.alerts
    try:
        await asyncio.to_thread(port.add_exception, acting, drafted(asked))
    except (Conflict, Denied, Invalid) as error:
        return await _failed(request, error, lambda r, why: _draft(r, why, asked))
    return _to(link("alerts", kind="excepted", state="all") if not asked.get("rule") else link("rules", asked["rule"]))


def drafted(asked: Mapping[str, str]) -> dict[str, Any]:
    """What a form asks for: the fields that are ticked, as a Sigma selection."""
    where = {
        name: asked[f"value.{name}"] for name in _FIELDS if asked.get(f"use.{name}") and asked.get(f"value.{name}")
    }
    days = asked.get("days", "")
    return {
        "where": where,
        "rule": asked.get("rule", "")[:128],
        "reason": asked.get("reason", ""),
        "days": float(days) if days.isascii() and days.isdigit() else 0.0,
        "over_critical": asked.get("over_critical") == "1",
    }


def _queue(request: PageRequest, failure: str) -> Response[str]:
    console, acting = console_of(request), acting_of(request)
    place = place_of(request.query_params)
    number = max(1, int(place.page or 1))
    port = console.services.alerts
    found = known(lambda: port.page(acting, place.asked(acting.actor), (number - 1) * PAGE), None)
    return console.page(
        request, "alerts", "Alerts", place=place, found=found, states=STATES, number_of_page=number, size=PAGE,
        failure=failure,
    )  # fmt: skip


def _alert(request: PageRequest, failure: str) -> Response[str]:
    console, acting = console_of(request), acting_of(request)
    whole = console.services.alerts.show(acting, request.path_params["alert_id"])
    return console.page(request, "alert", "Alert", whole=whole, dispositions=DISPOSITIONS, failure=failure, me=acting)


def _draft(request: PageRequest, failure: str, posted: Mapping[str, str] | None = None) -> Response[str]:
    console, acting = console_of(request), acting_of(request)
    port = console.services.alerts
    whole = port.show(acting, request.path_params["alert_id"])
    asked = posted if posted is not None else dict(request.query_params)
    impact: Known[Any] | None = None
    if any(name.startswith("use.") for name in asked):
        try:
            impact = Known(port.try_exception(acting, drafted(asked)))
        except (Invalid, Denied) as error:
            failure = failure or error.reason
    event = whole.trigger
    values = {name: str(getattr(event, name)) if event is not None else "" for name in _FIELDS}
    return console.page(
        request, "exception", "Exception", whole=whole, asked=asked, impact=impact, failure=failure, values=values
    )


async def _failed(
    request: PageRequest, error: WatchkeeperError, page: Callable[[PageRequest, str], Response[str]]
) -> Response[str]:
    response = await asyncio.to_thread(page, request, f"{error.reason}. {error.hint}".rstrip(". ") + ".")
    response.status_code = next(status for kind, status in _STATUS if isinstance(error, kind))
    return response


def _to(address: str) -> Response[str]:
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": address})
