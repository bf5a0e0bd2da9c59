"""One of several workers, from its fork to its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchkeeper.app.channel import hear, refusal, tell
from watchkeeper.app.gateway import WRITER, Greeting, Post, Stop, serve
from watchkeeper.app.labelling import journal_class
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import Loaded
from watchkeeper.core.errors import Conflict, WatchkeeperError
from watchkeeper.gateway.relay.relay import Relay

ORPHANED = 1.0
"""Seconds for calls under way once the parent is gone: whoever follows it wants our logs."""
BUSY_FOR = 5.0
"""Seconds to wait for the log of a worker that is still ending."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Orders:
    """What a worker is born with."""

    number: int
    loaded: Loaded
    demo: bool
    channel: socket.socket
    """To the parent."""
    sockets: Mapping[str, socket.socket]
    """Route → where this worker takes clients from."""
    peers: socket.socket
    """Where this worker takes the other workers' requests from."""
    paths: Mapping[int, Path]
    """Worker → where it does."""
    secret: bytes
    follows: Mapping[str, Any] | None


def prelude(loaded: Loaded, greeting: Greeting, channel: socket.socket, *, demo: bool) -> int:
    """What is done once before the workers start; returns the exit code. Runs in a forked child only."""
    signal.set_wakeup_fd(-1)
    try:
        with opened(loaded.data_dir, WRITER, journal_class(demo=demo), loaded.settings.journal) as platform:
            facts = greeting(platform)
        tell(channel, {"ready": facts})
    except WatchkeeperError as error:
        tell(channel, refusal(error))
        return error.exit_code
    except Exception:  # noqa: BLE001 — the outermost frame of this process: its end must not be silent
        _log.exception("the gateway could not be prepared")
        return 70
    return 0


def be_worker(orders: Orders) -> int:
    """Live until told to stop; returns the exit code. Runs in the forked child only."""
    _become_quiet()
    try:
        asyncio.run(_work(orders))
    except WatchkeeperError as error:
        tell(orders.channel, refusal(error))
        _log.error("worker %d cannot go on: %s", orders.number, error.reason)
        return error.exit_code
    except Exception:  # noqa: BLE001 — the outermost frame of this process: its end must not be silent
        _log.exception("worker %d failed", orders.number)
        return 70
    return 0


def _become_quiet() -> None:
    """The terminal's signals and the ready line are the parent's."""
    os.setpgid(0, 0)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1):
        os.dup2(nothing, handle)
    os.close(nothing)


async def _work(orders: Orders) -> None:
    loop = asyncio.get_running_loop()
    stop = Stop(asyncio.Event())
    loop.add_signal_handler(signal.SIGTERM, stop.asked.set)
    orders.channel.setblocking(False)
    loop.add_reader(orders.channel, _listen, orders, stop)
    relay = Relay(orders.number, orders.paths, orders.peers, orders.secret)
    post = Post(f"{WRITER}-{orders.number}", orders.sockets, relay, orders.follows)
    try:
        await _serve_when_free(orders, post, stop)
    finally:
        loop.remove_reader(orders.channel)


async def _serve_when_free(orders: Orders, post: Post, stop: Stop) -> None:
    """Its predecessor may still be writing the last of its log, orphaned by a parent that was killed."""

    def ready(facts: Mapping[str, Any]) -> None:
        tell(orders.channel, {"ready": facts})

    deadline = time.monotonic() + BUSY_FOR
    while True:
        try:
            await serve(
                orders.loaded,
                post,
                stop,
                ready,
                demo=orders.demo,
                greeting=lambda _: {},
            )
        except Conflict:
            if time.monotonic() > deadline or stop.asked.is_set():
                raise
            await asyncio.sleep(0.1)
        else:
            return


def _listen(orders: Orders, stop: Stop) -> None:
    heard = hear(orders.channel)
    if heard is None:
        _log.error("the parent is gone", extra={"worker": orders.number})
        asyncio.get_running_loop().remove_reader(orders.channel)
        stop.within = ORPHANED
        stop.asked.set()
        return
    word, _ = heard
    if word.get("do") == "stop":
        stop.asked.set()
