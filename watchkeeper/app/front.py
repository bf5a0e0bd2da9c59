"""The gateway as a command: one process, or several workers under a parent."""

from __future__ import annotations

import asyncio
import logging

from watchkeeper.app.crew import Crew
from watchkeeper.app.gateway import WRITER, Greeting, Post, Stop, alone_on, serve
from watchkeeper.app.process import announce, stop_requested
from watchkeeper.app.settings import Loaded
from watchkeeper.gateway.edges.listening import IS_SHARED

_log = logging.getLogger(__name__)


def run_gateway(loaded: Loaded, *, supervised: bool, demo: bool, greeting: Greeting = lambda _: {}) -> None:
    """Serve every route until told to stop, then drain. Raises what keeps it from starting."""
    workers = loaded.settings.gateway.workers
    if workers > 1 and not IS_SHARED:
        _log.warning("only Linux shares a port out among processes: one worker runs", extra={"asked": workers})
        workers = 1
    with alone_on(loaded.data_dir) as lock:
        if workers > 1:
            Crew(loaded, workers, demo=demo, greeting=greeting, lock=lock).run(supervised=supervised)
        else:
            asyncio.run(_one(loaded, supervised=supervised, demo=demo, greeting=greeting))


async def _one(loaded: Loaded, *, supervised: bool, demo: bool, greeting: Greeting) -> None:
    stop = Stop(stop_requested(supervised=supervised))
    await serve(
        loaded,
        Post(),
        stop,
        lambda facts: announce(WRITER, {**facts, "workers": 1}),
        demo=demo,
        greeting=greeting,
    )
