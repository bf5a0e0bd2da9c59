"""The gateway as a command: one process, or several workers under a parent; and settings read again while it runs."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any

from watchkeeper.app.crew import Crew
from watchkeeper.app.gateway import WRITER, Greeting, Post, Stop, alone_on, serve
from watchkeeper.app.process import announce, stop_requested
from watchkeeper.app.renewal import Renewal
from watchkeeper.app.settings import Loaded, load
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.gateway.edges.listening import IS_SHARED

_log = logging.getLogger(__name__)

Source = Callable[[], Loaded]
"""Reads the settings again. Raises `Misconfigured`."""


def run_gateway(
    loaded: Loaded, *, supervised: bool, demo: bool, greeting: Greeting = lambda _: {}, source: Source | None = None
) -> None:
    """Serve every route until told to stop, then drain. Raises what keeps it from starting."""
    source = source or (lambda: load(loaded.path, loaded.data_dir, free_ports=loaded.free_ports))
    workers = loaded.settings.gateway.workers
    if workers > 1 and not IS_SHARED:
        _log.warning("only Linux shares a port out among processes: one worker runs", extra={"asked": workers})
        workers = 1
    with alone_on(loaded.data_dir) as lock:
        if workers > 1:
            crew = Crew(loaded, workers, source, demo=demo, greeting=greeting, lock=lock)
            crew.run(supervised=supervised)
        else:
            asyncio.run(_one(loaded, source, supervised=supervised, demo=demo, greeting=greeting))


async def _one(loaded: Loaded, source: Source, *, supervised: bool, demo: bool, greeting: Greeting) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something that could be read again
    stop = Stop(stop_requested(supervised=supervised))
    reloader = _Reloader(source)
    post = Post(renewals=reloader.begin)
    await serve(
        loaded,
        post,
        stop,
        lambda facts: announce(WRITER, {**facts, "workers": 1}),
        demo=demo,
        greeting=greeting,
    )


class _Reloader:
    """Reads the settings again when asked, by SIGHUP or over the control socket; one time after the other."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, renewal: Renewal) -> None:
        self._renewal = renewal
        renewal.control.reload = self.reload
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_signal)

    async def reload(self, by: str) -> dict[str, Any]:
        """What has changed. Raises what stands in the way; then nothing has."""
        async with self._lock:
            try:
                loaded = await asyncio.to_thread(self._source)
                return await self._renewal.commit(await self._renewal.prepare(loaded), by)
            except WatchkeeperError as error:
                await self._renewal.refuse(error, by)
                raise

    def _on_signal(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reload_quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload_quietly(self) -> None:
        try:
            await self.reload("system:signal")
        except WatchkeeperError:
            return  # it is in the log and in the journal
        except Exception:  # noqa: BLE001 — the outermost frame of this task: its failure must not be silent
            _log.exception("settings could not be read again")
