"""The service processes by name, and how one is run. Each is imported when it is run: none pays for the others."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from importlib import import_module
from typing import Any

from watchkeeper.app.settings import Loaded

SERVICES = {
    "gateway": ("watchkeeper.app.front", "run_gateway"),
    "watch": ("watchkeeper.app.watch", "run_watch"),
    "console": ("watchkeeper.app.console", "run_console"),
    "deadman": ("watchkeeper.app.deadman", "run_deadman"),
}
"""Name → module and the function, a coroutine's or not, that runs it."""


def stand_by(name: str) -> bool:
    """Import the service, then wait for a line on standard input. Whether it came: else whoever started us is gone."""
    import_module(SERVICES[name][0])
    return os.read(sys.stdin.fileno(), 1) == b"\n"


def run_service(name: str, loaded: Loaded, *, supervised: bool, demo: bool) -> None:
    """Run one until it is told to stop. Raises what keeps it from starting."""
    module, function = SERVICES[name]
    run: Any = getattr(import_module(module), function)
    running = run(loaded, supervised=supervised, demo=demo)
    if inspect.iscoroutine(running):
        asyncio.run(running)
