"""Words between the parent of a gateway and its workers: one JSON object a packet, with open sockets beside it."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from watchkeeper.core.control import error_from
from watchkeeper.core.errors import WatchkeeperError

LONGEST = 131_072
"""Bytes of a packet."""
_MOST_SOCKETS = 200


@dataclass(frozen=True)
class Told:
    """What a worker said: that it serves, why it cannot, or something else."""

    number: int
    ready: Mapping[str, Any] | None = None
    error: WatchkeeperError | None = None
    word: Mapping[str, Any] = field(default_factory=dict)


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends; the kernel keeps packets apart."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def tell(channel: socket.socket, word: Mapping[str, Any], sockets: Sequence[socket.socket] = ()) -> bool:
    """Say it; False when the other side is gone."""
    try:
        socket.send_fds(channel, [msgspec.json.encode(word, enc_hook=str)], [one.fileno() for one in sockets])
    except OSError:
        return False
    return True


def hear(channel: socket.socket) -> tuple[dict[str, Any], list[socket.socket]] | None:
    """What was said; None at the end of the other side."""
    try:
        packet, handles, _, _ = socket.recv_fds(channel, LONGEST, _MOST_SOCKETS)
    except ConnectionError:
        return None
    if not packet:
        return None
    sockets = [socket.socket(fileno=handle) for handle in handles]
    word: dict[str, Any] = msgspec.json.decode(packet)
    return word, sockets


def hear_worker(channel: socket.socket, number: int) -> Told | None:
    """`hear`, in the parent."""
    heard = hear(channel)
    if heard is None:
        return None
    word, _ = heard
    if "error" in word:
        return Told(number, error=error_from(word["error"]))
    if "ready" in word:
        return Told(number, ready=word["ready"])
    return Told(number, word=word)


def refusal(error: WatchkeeperError) -> dict[str, Any]:
    """An error as a word."""
    return {"error": {"code": error.code, "reason": error.reason, "hint": error.hint}}
