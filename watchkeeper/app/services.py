"""The service processes by name, and how one is run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from watchkeeper.app.console import run_console
from watchkeeper.app.gateway import run_gateway
from watchkeeper.app.settings import Loaded
from watchkeeper.app.watch import run_watch


class _Runs(Protocol):
    def __call__(self, loaded: Loaded, *, supervised: bool, demo: bool) -> Awaitable[None]: ...


SERVICES: dict[str, _Runs] = {"gateway": run_gateway, "watch": run_watch, "console": run_console}
"""Name → what runs it."""


def run_service(name: str, loaded: Loaded, *, supervised: bool, demo: bool) -> None:
    """Run one until it is told to stop. Raises what keeps it from starting."""
    run: Callable[..., Awaitable[None]] = SERVICES[name]

    async def main() -> None:
        await run(loaded, supervised=supervised, demo=demo)

    asyncio.run(main())
