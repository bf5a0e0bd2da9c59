"""Our own heartbeat to the outside: signed, counted, and with what we found silent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.respond.deadman.listening import Ping
from watchkeeper.respond.deadman.outbox import SwitchBox
from watchkeeper.respond.deadman.sending import Send

_log = logging.getLogger(__name__)


class Pinging:
    """Sends one every so often, in a thread of its own: a receiver that hangs stops nothing else."""

    def __init__(self, name: str, send: Send, box: SwitchBox, clock: Clock, every: float) -> None:
        self._name = name
        self._send = send
        self._box = box
        self._clock = clock
        self._every = every
        self.silent: Callable[[], Sequence[str]] = list
        self.paused_until: Callable[[], int] = int
        """Microseconds; 0 while nothing is paused."""
        self.failure = ""
        """Why the last one was not taken; empty when it was."""
        self.sent_at = 0

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; the first one at once."""
        while True:
            self.ping()
            if stop.wait(self._every):
                return

    def ping(self) -> None:
        """One. What fails is known by `failure`."""
        try:
            now = self._clock.now()
            counter = self._box.next("pings", now)
            ping = Ping(self._name, counter, now // SECOND, tuple(self.silent()), self.paused_until() // SECOND)
            self._send(f"ping.{self._name}.{counter}", msgspec.json.encode(ping))
            self.failure, self.sent_at = "", now
        except WatchkeeperError as error:
            if not self.failure:
                _log.warning("the heartbeat was not taken", extra={"why": error.reason})
            self.failure = error.reason
