"""A service process from the inside: say that it is ready, then live until told to stop.

It is told by SIGTERM or SIGINT, or by the end of its standard input: whoever started it is gone, and a gateway that
nobody supervises must not linger.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from watchkeeper.core.errors import WatchkeeperError


def announce(service: str, facts: Mapping[str, Any]) -> None:
    """One JSON line on standard output: `{"ready": SERVICE, "pid": …, …facts}`."""
    line = msgspec.json.encode({"ready": service, "pid": os.getpid(), **facts}, enc_hook=str)
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def stop_requested(*, supervised: bool) -> asyncio.Event:
    """An event on the running loop that is set once this process should stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if supervised:
        threading.Thread(target=_watch_input, args=(loop, stop), name="supervisor", daemon=True).start()
    return stop


def _watch_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    handle = sys.stdin.fileno()
    while os.read(handle, 1024):
        pass
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop.set)


def refuse(error: WatchkeeperError) -> None:
    """Tell the supervisor why this service cannot start: `{"error": {"code", "reason", "hint"}}`."""
    body = {"code": error.code, "reason": error.reason, "hint": error.hint}
    sys.stdout.buffer.write(msgspec.json.encode({"error": body}) + b"\n")
    sys.stdout.buffer.flush()
