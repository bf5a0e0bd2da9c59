"""Indicators: what is looked for, where it comes from and how fresh that is, what was seen; and a search."""

from __future__ import annotations

from litestar import Response, get

from watchkeeper.web.intelligence import LookedFor
from watchkeeper.web.show import PageRequest, console_of, known, listed

_LONGEST = 2000


@get("/intelligence", sync_to_thread=True)
def intelligence(request: PageRequest) -> Response[str]:
    """The page; with `q`, what is known of the values in it."""
    console = console_of(request)
    ports = console.services.intelligence
    text = request.query_params.get("q", "")[:_LONGEST].strip()
    return console.page(
        request,
        "intelligence",
        "Intelligence",
        text=text,
        found=listed(lambda: ports.search(text)) if text else None,
        index=known(ports.looked_for, LookedFor()),
        sources=listed(ports.sources),
        seen=listed(ports.seen),
    )
