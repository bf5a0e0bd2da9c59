"""The journal's state: each writer's log, the lake behind it, and how to check it oneself."""

from __future__ import annotations

from litestar import Response, get

from watchkeeper.web.show import PageRequest, console_of, known, listed


@get("/journal", sync_to_thread=True)
def journal(request: PageRequest) -> Response[str]:
    """Per writer: size, last checkpoint, what was verified and when."""
    console = console_of(request)
    return console.page(
        request,
        "journal",
        "Journal",
        writers=listed(console.services.journal.writers),
        lake=known(console.services.journal.lake, None),
        suspended=known(console.services.journal.suspended, ""),
        anchors=listed(console.services.journal.anchors),
    )
