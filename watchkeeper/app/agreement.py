"""Other settings for several workers: all of them can put them in force before one does.

Seen from the parent, which waits for their words while it goes on looking after them.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from watchkeeper.app.channel import Told, tell
from watchkeeper.app.mates import Hand, tell_all
from watchkeeper.core.control import error_from
from watchkeeper.core.errors import Conflict, Unavailable

WITHIN = 30.0
"""Seconds for all workers to check and build other settings, and again to put them in force."""
_LOOK = 0.5
_log = logging.getLogger(__name__)


class Agreement:
    """About one reading of the settings."""

    def __init__(self, number: int, hands: Sequence[Hand], look: Callable[[float], list[Told]]) -> None:
        self._number = number
        self._hands = hands
        self._look = look

    def prepare(self, sha256: str, opened: Mapping[str, list[socket.socket]]) -> None:
        """Returns once every worker can put the settings in force. Raises what keeps one from it."""
        self._require_all("a worker has just died and is started again")
        word = {"do": "prepare", "number": self._number, "sha256": sha256, "names": list(opened)}
        for hand in self._hands:
            assert hand.channel is not None
            tell(hand.channel, word, [sockets[hand.number - 1] for sockets in opened.values()])
        waiting = {hand.number for hand in self._hands}
        deadline = time.monotonic() + WITHIN
        while waiting:
            if time.monotonic() > deadline:
                raise Unavailable("a worker could not prepare the settings in time", hint="look at the log")
            for said in self._look(_LOOK):
                if said.word.get("refused") == self._number:
                    raise error_from(said.word["why"])
                if said.word.get("prepared") == self._number:
                    waiting.discard(said.number)
            self._require_all("a worker died while it prepared the settings")

    def commit(self, by: str) -> dict[str, Any]:
        """What the workers say has changed. One that dies now is followed by one that has the settings."""
        tell_all(self._hands, {"do": "commit", "number": self._number, "by": by})
        waiting = {hand.number for hand in self._hands}
        result: dict[str, Any] = {}
        deadline = time.monotonic() + WITHIN
        while waiting and time.monotonic() < deadline:
            for said in self._look(_LOOK):
                if said.word.get("committed") == self._number:
                    waiting.discard(said.number)
                    result = said.word["result"]
            waiting -= {hand.number for hand in self._hands if not hand.is_ready}
        for hand in self._hands:
            if hand.number in waiting and hand.pid:
                _log.error("a worker did not take the settings and is ended", extra={"worker": hand.number})
                os.kill(hand.pid, signal.SIGKILL)
        return result

    def abort(self) -> None:
        """Nobody puts them in force."""
        tell_all(self._hands, {"do": "abort", "number": self._number})

    def _require_all(self, otherwise: str) -> None:
        if not all(hand.is_ready for hand in self._hands):
            raise Conflict(otherwise, hint="try again in a moment")
