"""Incidents: the list, and the containment orders."""

from __future__ import annotations

from litestar import Response, get

from watchkeeper.web.show import PageRequest, console_of, listed

STATES = ("open", "contained", "partly_contained", "unverified", "closed")


@get("/incidents", sync_to_thread=True)
def incidents(request: PageRequest) -> Response[str]:
    """Open and past incidents, orders in force, who was told."""
    console = console_of(request)
    services = console.services
    wanted = request.query_params.get("state", "")
    wanted = wanted if wanted in STATES else ""
    return console.page(
        request,
        "incidents",
        "Incidents",
        incidents=listed(lambda: services.incidents.list(wanted)),
        orders=listed(services.orders.all),
        notifications=listed(services.notifications.recent),
        wanted=wanted,
        states=STATES,
    )
