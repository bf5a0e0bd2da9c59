"""A service process from the inside: say that it is ready, then live until told to stop.

It is told by SIGTERM or SIGINT, or by the end of its standard input: whoever started it is gone, and a gateway that
nobody supervises must not linger.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.errors import WatchkeeperError

_IMPORTED = time.monotonic()
_SETTLE_AFTER = (2.0, 8.0, 30.0, 120.0, 600.0)
"""Seconds, one after the other."""


def announce(service: str, facts: Mapping[str, Any]) -> None:
    """One JSON line on standard output: `{"ready": SERVICE, "pid": …, …facts, "seconds": …}`."""
    said = {"ready": service, "pid": os.getpid(), **facts, "seconds": round(seconds_alive(), 3)}
    line = msgspec.json.encode(said, enc_hook=str)
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def seconds_alive() -> float:
    """Since this process began, where the system tells; else since this module was imported."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.monotonic() - _IMPORTED


def stop_requested(*, supervised: bool) -> asyncio.Event:
    """An event on the running loop that is set once this process should stop. Asked twice, it ends at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)  # the journal recovers on the next start; spawned servers end with us
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
    if supervised:
        threading.Thread(target=_watch_input, args=(loop, stop), name="supervisor", daemon=True).start()
    return stop


def _watch_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    handle = sys.stdin.fileno()
    while os.read(handle, 1024):
        pass
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop.set)


def settle() -> None:
    """Call it once everything is made: what is there now stays, and no collection needs to walk it again.

    A full collection of what a start leaves behind takes tens of milliseconds, in which no call is answered.
    """
    gc.collect()
    gc.freeze()


def settling(stop: threading.Event) -> None:
    """`settle` a few times, for a process that goes on learning: what it holds by then stays.

    Walking through all that detection remembers takes nearly 200 ms, several times a minute, and no alert is raised
    meanwhile. Not for ever: what is settled and then forgotten is not found again if it holds itself in a ring.
    """
    for pause in _SETTLE_AFTER:
        if stop.wait(pause):
            return
        settle()
    stop.wait()


def refuse(error: WatchkeeperError) -> None:
    """Tell the supervisor why this service cannot start: `{"error": {"code", "reason", "hint"}}`."""
    body = {"code": error.code, "reason": error.reason, "hint": error.hint}
    sys.stdout.buffer.write(msgspec.json.encode({"error": body}) + b"\n")
    sys.stdout.buffer.flush()
