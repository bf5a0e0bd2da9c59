"""What a gateway's parent knows of each worker, and the few things it needs from the system."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from watchkeeper.app.channel import tell


@dataclass
class Hand:
    """One worker as its parent sees it."""

    number: int
    peers: socket.socket
    """Where the other workers reach it; kept over its deaths."""
    pid: int = 0
    channel: socket.socket | None = None
    started: float = 0.0
    is_ready: bool = False
    failures: int = 0
    due: float | None = None
    """When it is started anew."""
    follows: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """Somebody wants the settings read again."""

    by: str
    hand: Hand | None = None
    """The worker that asks for somebody else; None for a signal, which hears no answer."""
    number: int = 0

    def answer(self, said: Mapping[str, Any]) -> None:
        if self.hand is not None and self.hand.channel is not None:
            tell(self.hand.channel, {"do": "answer", "number": self.number, **said})


def tell_all(hands: Iterable[Hand], word: Mapping[str, Any]) -> None:
    """Say it to every worker that lives."""
    for hand in hands:
        if hand.channel is not None:
            tell(hand.channel, word)


def tell_one(hands: Iterable[Hand], word: Mapping[str, Any]) -> None:
    """Say it to one that serves, so that it is done once."""
    for hand in hands:
        if hand.is_ready and hand.channel is not None and tell(hand.channel, word):
            return


def close_all(sockets: Sequence[socket.socket]) -> None:
    """Let go of them."""
    for one in sockets:
        one.close()


def catch_signals() -> tuple[socket.socket, socket.socket]:
    """Signals as bytes on a socket: nothing happens in a handler."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return ours, theirs
