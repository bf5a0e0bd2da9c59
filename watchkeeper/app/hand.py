"""One of several workers, from its fork to its end."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchkeeper.app.channel import hear, refusal, tell
from watchkeeper.app.gateway import WRITER, Greeting, Post, Stop, serve
from watchkeeper.app.labelling import journal_class
from watchkeeper.app.platform import digest_of, opened
from watchkeeper.app.renewal import Prepared, Renewal
from watchkeeper.app.settings import Loaded
from watchkeeper.core.control import error_from
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
    source: Callable[[], Loaded]
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
        with opened(
            loaded.data_dir, WRITER, journal_class(demo=demo), loaded.settings.journal, loaded.settings.state
        ) as platform:
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
        asyncio.run(_Worker(orders).live())
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


class _Worker:
    """Serves, and does what its parent says: stop, prepare other settings, put them in force or forget them."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._channel = orders.channel
        self._stop = Stop(asyncio.Event())
        self._renewal: Renewal | None = None
        self._prepared: tuple[Prepared, dict[str, socket.socket]] | None = None
        self._aborted = 0
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def live(self) -> None:
        """Until told to stop. Raises what keeps it from starting."""
        orders, loop = self._orders, asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.asked.set)
        self._channel.setblocking(False)
        loop.add_reader(self._channel, self._listen)
        relay = Relay(orders.number, orders.paths, orders.peers, orders.secret)
        post = Post(f"{WRITER}-{orders.number}", orders.sockets, relay, orders.follows, self._begin)
        try:
            await self._serve_when_free(post)
        finally:
            loop.remove_reader(self._channel)

    async def _serve_when_free(self, post: Post) -> None:
        """Its predecessor may still be writing the last of its log, orphaned by a parent that was killed."""
        orders = self._orders

        def ready(facts: Mapping[str, Any]) -> None:
            tell(self._channel, {"ready": facts})

        deadline = time.monotonic() + BUSY_FOR
        while True:
            try:
                await serve(orders.loaded, post, self._stop, ready, demo=orders.demo, greeting=lambda _: {})
            except Conflict:
                if time.monotonic() > deadline or self._stop.asked.is_set():
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    def _begin(self, renewal: Renewal) -> None:
        self._renewal = renewal
        renewal.control.reload = self._ask_parent

    async def _ask_parent(self, by: str) -> dict[str, Any]:
        """Have all workers read their settings again. Raises what stands in the way of one of them."""
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        tell(self._channel, {"ask": "reload", "by": by, "number": number})
        try:
            said = await answer
        finally:
            del self._asked[number]
        if "error" in said:
            raise error_from(said["error"])
        result: dict[str, Any] = said["result"]
        return result

    # -- what the parent says

    def _listen(self) -> None:
        heard = hear(self._channel)
        if heard is None:
            _log.error("the parent is gone", extra={"worker": self._orders.number})
            asyncio.get_running_loop().remove_reader(self._channel)
            self._stop.within = ORPHANED
            self._stop.asked.set()
            return
        word, sockets = heard
        match word["do"]:
            case "stop":
                self._stop.asked.set()
            case "prepare":
                self._spawn(self._prepare(word, dict(zip(word["names"], sockets, strict=True))))
            case "commit":
                self._spawn(self._commit(word))
            case "abort":
                self._aborted = word["number"]
                self._spawn(self._forget())
            case "refused":
                assert self._renewal is not None
                self._spawn(self._renewal.refuse(error_from(word["error"]), word["by"]))
            case "answer":
                if (waiting := self._asked.get(word["number"])) is not None and not waiting.done():
                    waiting.set_result(word)

    async def _prepare(self, word: Mapping[str, Any], sockets: dict[str, socket.socket]) -> None:
        assert self._renewal is not None
        try:
            loaded = await asyncio.to_thread(self._orders.source)
            if digest_of(loaded) != word["sha256"]:
                raise Conflict("the settings changed while they were read", hint="try again")
            await self._forget()
            self._prepared = await self._renewal.prepare(loaded), sockets
        except WatchkeeperError as error:
            for one in sockets.values():
                one.close()
            tell(self._channel, {"refused": word["number"], "why": refusal(error)["error"]})
            return
        if self._aborted >= word["number"]:  # while it was being prepared
            await self._forget()
        tell(self._channel, {"prepared": word["number"]})

    async def _commit(self, word: Mapping[str, Any]) -> None:
        assert self._renewal is not None
        assert self._prepared is not None
        prepared, sockets = self._prepared
        self._prepared = None
        result = await self._renewal.commit(prepared, word["by"], sockets)
        tell(self._channel, {"committed": word["number"], "result": result})

    async def _forget(self) -> None:
        if self._prepared is None:
            return
        assert self._renewal is not None
        prepared, sockets = self._prepared
        self._prepared = None
        for one in sockets.values():
            one.close()
        await self._renewal.forget(prepared)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A worker that cannot do what all others do must not go on beside them: another follows, as all are now."""
        try:
            await work
        except Exception:  # noqa: BLE001 — it ends the process, which is what the parent understands
            _log.exception("worker %d cannot do as it was told", self._orders.number)
            os._exit(70)
