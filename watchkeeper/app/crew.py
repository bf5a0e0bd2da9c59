"""Several workers on the gateway's ports, and their parent.

The parent opens every socket, forks the workers, starts anew what dies, and stops all of them in order. It serves
nobody, opens neither journal nor state while it runs, and has no thread and no event loop: that is what makes forking
safe. What a worker's death leaves in the kernel's queues is taken up by the one that follows it.
"""

from __future__ import annotations

import itertools
import logging
import os
import secrets
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from watchkeeper.app.agreement import Agreement
from watchkeeper.app.channel import Told, hear_worker, pair, refusal
from watchkeeper.app.endpoints import effective_endpoints
from watchkeeper.app.gateway import WRITER, Greeting
from watchkeeper.app.hand import Orders, be_worker, prelude
from watchkeeper.app.mates import Asked, Hand, catch_signals, close_all, tell_all, tell_one
from watchkeeper.app.platform import digest_of
from watchkeeper.app.process import announce
from watchkeeper.app.renewal import with_ports_of
from watchkeeper.app.servers import effective
from watchkeeper.app.settings import Loaded
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.core.files import Lock, socket_path
from watchkeeper.core.sockets import leave, listening
from watchkeeper.gateway.edges.listening import Address, listen, moves

READY_WITHIN = 60.0
"""Seconds until every worker serves; the first run compiles rules."""
SHORT_LIFE = 5.0
"""A worker that lived for less has failed to live; the next one waits, longer each time."""
LONGEST_PAUSE = 10.0
MOST_FAILURES = 8
"""So many short lives in a row end the gateway: whoever supervises it must hear of it."""
GRACE = 5.0
"""Seconds beyond the drain before a worker is killed."""
_log = logging.getLogger(__name__)


class Crew:
    """The parent, from `run` to its end."""

    def __init__(
        self, loaded: Loaded, count: int, source: Callable[[], Loaded], *, demo: bool, greeting: Greeting, lock: Lock
    ) -> None:
        self._loaded = loaded
        self._source = source
        self._demo = demo
        self._greeting = greeting
        self._lock = lock
        self._secret = secrets.token_bytes(32)
        self._paths = {number: socket_path(loaded.data_dir, f"worker-{number}") for number in range(1, count + 1)}
        self._doors: dict[str, list[socket.socket]] = {}
        self._hands: list[Hand] = []
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._stopping = False
        self._failure: WatchkeeperError | None = None
        self._asked: list[Asked] = []
        self._numbers = itertools.count(1)

    def run(self, *, supervised: bool) -> None:
        """Until told to stop. Raises what keeps the workers from starting, or from living."""
        self._wake = catch_signals()
        try:
            greeted = self._prepare()
            for name, (host, port) in self._addresses(self._loaded, {}).items():
                self._doors[name] = listen(name, host, port, len(self._paths))
            self._hands = [Hand(number, listening(path)) for number, path in self._paths.items()]
            for hand in self._hands:
                self._start(hand)
            self._await_ready()
            if not self._stopping:
                announce(WRITER, {**self._hands[0].facts, **greeted, "workers": len(self._hands)})
            self._tend(supervised=supervised)
            self._stop()
            if self._failure is not None:
                raise self._failure
        finally:
            self._leave_nothing()

    # -- living

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not all(hand.is_ready for hand in self._hands):
            if time.monotonic() > deadline:
                raise Unavailable(f"the workers were not ready within {READY_WITHIN:.0f} s", hint="look at the log")
            said = self._look(0.5)
            dead = [hand.number for hand in self._hands if hand.due is not None]
            for one in said + (self._look(0) if dead else []):  # its last words may have come after the news
                if one.error is not None:
                    raise one.error
            if self._stopping:
                return
            if dead:
                raise Unavailable(f"worker {dead[0]} ended before it was ready", hint="look at the log")

    def _tend(self, *, supervised: bool) -> None:
        while not self._stopping:
            self._look(self._pause(), supervised=supervised)
            while self._asked and not self._stopping:
                asked = self._asked.pop(0)
                try:
                    self._reload(asked)
                except Exception:  # noqa: BLE001 — whatever is wrong with new settings, the workers serve by the old
                    _log.exception("settings could not be read again")
                    asked.answer(refusal(Unavailable("settings could not be read again", hint="look at the log")))
            now = time.monotonic()
            for hand in self._hands:
                if hand.due is not None and now >= hand.due and not self._stopping:
                    self._start(hand)

    def _pause(self) -> float:
        due = [hand.due for hand in self._hands if hand.due is not None]
        return max(0.0, min(due) - time.monotonic()) if due else 60.0

    def _look(self, pause: float, *, supervised: bool = False) -> list[Told]:
        """Wait for whatever comes: words of workers, signals, deaths, the end of our input."""
        assert self._wake is not None
        channels = {hand.channel: hand for hand in self._hands if hand.channel is not None}
        watched: list[Any] = [self._wake[0], *channels, *([sys.stdin] if supervised else [])]
        told: list[Told] = []
        for one in select.select(watched, [], [], pause)[0]:
            if one is self._wake[0]:
                self._on_signals(one.recv(64))
            elif one is sys.stdin:
                self._stopping = self._stopping or not os.read(sys.stdin.fileno(), 1024)
            else:
                said = hear_worker(one, channels[one].number)
                if said is None:
                    one.close()
                    channels[one].channel = None
                    continue
                told.append(said)
                self._take(channels[one], said)
        return told

    def _take(self, hand: Hand, said: Told) -> None:
        if said.ready is not None:
            hand.facts, hand.is_ready = said.ready, True
        elif said.error is not None:
            _log.error("a worker could not start", extra={"why": said.error.reason, "worker": said.number})
        elif said.word.get("ask") == "reload":
            self._asked.append(Asked(said.word["by"], hand, said.word["number"]))

    def _on_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGCHLD:
                self._bury()
            elif number == signal.SIGHUP:
                self._asked.append(Asked("system:signal"))
            elif number in (signal.SIGTERM, signal.SIGINT):
                if self._stopping:
                    self._kill()
                    os._exit(128 + number)  # asked twice; the journals recover on the next start
                self._stopping = True

    def _bury(self) -> None:
        """Learn who has died, and when the next one is due."""
        for hand in self._hands:
            if not hand.pid or os.waitpid(hand.pid, os.WNOHANG)[0] == 0:
                continue
            self._note_death(hand)

    def _note_death(self, hand: Hand) -> None:
        lived = time.monotonic() - hand.started
        hand.failures = hand.failures + 1 if lived < SHORT_LIFE else 0
        if hand.failures >= MOST_FAILURES and not self._stopping:
            self._failure = Unavailable(f"worker {hand.number} keeps dying", hint="look at the log")
            self._stopping = True
        pause = min(LONGEST_PAUSE, 0.1 * 2 ** (hand.failures - 1)) if hand.failures else 0.0
        hand.due = time.monotonic() + pause
        hand.follows = {"worker": hand.number, "pid": hand.pid, "lived_seconds": round(lived, 3)}
        if not self._stopping:
            _log.error("a worker died and is started again", extra=dict(hand.follows))
        hand.pid, hand.is_ready = 0, False

    # -- other settings: all workers take them, or none does

    def _reload(self, asked: Asked) -> None:
        agreement = Agreement(next(self._numbers), self._hands, self._look)
        opened: dict[str, list[socket.socket]] = {}
        try:
            loaded = self._source()
            ports = {name: sockets[0].getsockname()[1] for name, sockets in self._doors.items()}
            before = {name: (self._loaded.settings.gateway.host, port) for name, port in ports.items()}
            after = self._addresses(loaded, ports)
            ways = moves(before, after)
            for name in ways.open:
                opened[name] = listen(name, *after[name], count=len(self._paths))
            agreement.prepare(digest_of(loaded), opened)
        except WatchkeeperError as error:
            for sockets in opened.values():
                close_all(sockets)
            agreement.abort()
            tell_one(self._hands, {"do": "refused", "by": asked.by, **refusal(error)})
            asked.answer(refusal(error))
            return
        former, self._loaded = self._doors, loaded
        inherited = {name: former[other] for name, other in ways.inherit.items()}
        self._doors = {name: former[name] for name in ways.stay} | inherited | opened
        kept = {id(sockets) for sockets in self._doors.values()}
        for sockets in former.values():
            if id(sockets) not in kept:
                close_all(sockets)
        asked.answer({"result": agreement.commit(asked.by)})

    def _addresses(self, loaded: Loaded, ports: Mapping[str, int]) -> dict[str, Address]:
        """Where each route and endpoint is to listen. Raises `Misconfigured`."""
        kept = with_ports_of(loaded, ports, self._loaded)
        servers = effective(kept, demo=self._demo)
        asked = {name: server.port for name, server in servers.items()}
        asked |= {name: endpoint.port for name, endpoint in effective_endpoints(kept, servers).items()}
        return {name: (kept.settings.gateway.host, port) for name, port in asked.items()}

    # -- starting

    def _prepare(self) -> Mapping[str, Any]:
        """Bring the tables up to date and greet, in a process of its own, which leaves us without thread or state.

        Once the workers start, each of them knows the token that was minted for the ready line.
        """
        ours, theirs = pair()
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = prelude(self._loaded, self._greeting, theirs, demo=self._demo)
            finally:
                os._exit(status)
        theirs.close()
        with ours:
            said = hear_worker(ours, 0)
        os.waitpid(pid, 0)
        if said is None:
            raise Unavailable("the gateway could not be prepared", hint="look at the log")
        if said.error is not None:
            raise said.error
        return said.ready or {}

    def _start(self, hand: Hand) -> None:
        if hand.channel is not None:
            hand.channel.close()
        ours, theirs = pair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                signal.set_wakeup_fd(-1)
                ours.close()
                status = be_worker(self._orders(hand, theirs))
            finally:
                os._exit(status)
        theirs.close()
        hand.pid, hand.channel, hand.started, hand.due, hand.is_ready = pid, ours, time.monotonic(), None, False

    def _orders(self, hand: Hand, channel: socket.socket) -> Orders:
        """In the child: let go of everything that is the parent's or another worker's, and know what to do."""
        self._lock.close()
        assert self._wake is not None
        for one in self._wake:
            one.close()
        for other in self._hands:
            if other.channel is not None:
                other.channel.close()
            if other is not hand:
                other.peers.close()
        mine: dict[str, socket.socket] = {}
        for name, sockets in self._doors.items():
            for at, one in enumerate(sockets, start=1):
                if at == hand.number:
                    mine[name] = one
                else:
                    one.close()
        return Orders(
            number=hand.number,
            loaded=self._loaded,
            source=self._source,
            demo=self._demo,
            channel=channel,
            sockets=mine,
            peers=hand.peers,
            paths=self._paths,
            secret=self._secret,
            follows=hand.follows,
        )

    # -- ending

    def _stop(self) -> None:
        """No new connection from here on; then every worker drains."""
        for sockets in self._doors.values():
            close_all(sockets)
        tell_all(self._hands, {"do": "stop"})
        deadline = time.monotonic() + self._loaded.settings.gateway.drain_seconds + GRACE
        while any(hand.pid for hand in self._hands) and time.monotonic() < deadline:
            self._look(max(0.0, deadline - time.monotonic()))
        late = [hand.number for hand in self._hands if hand.pid]
        if late:
            raise Unavailable(f"workers {late} did not drain in time and were ended", hint="look at the log")

    def _kill(self) -> None:
        for hand in self._hands:
            if hand.pid:
                os.kill(hand.pid, signal.SIGKILL)

    def _leave_nothing(self) -> None:
        self._kill()
        for hand in self._hands:
            if hand.pid:
                os.waitpid(hand.pid, 0)
            hand.peers.close()
            if hand.channel is not None:
                hand.channel.close()
        for sockets in self._doors.values():
            close_all(sockets)
        for path in self._paths.values():
            leave(path)
