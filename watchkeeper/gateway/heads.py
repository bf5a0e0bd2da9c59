"""Heads seen before: HTTP says a head's meaning in its bytes alone, so the same bytes need not be read twice. Pure.

A client, and a server, sends the same head again and again; only the length of the body changes. Whoever reads a head
keeps what it came to under the head's own bytes, less the digits of its length, and takes it from here the next time.
Nothing may be kept that depends on more than these bytes and the rules in force when they were read: who a token
belongs to is looked up each time, and other rules begin with nothing known.
"""

from __future__ import annotations

from typing import Generic, TypeVar

LONGEST = 8192
"""Bytes of a head that is kept; a longer one is read each time."""
MOST = 1024
"""Heads kept; then all are forgotten, for their senders choose them."""

_END = b"\r\n\r\n"
_NAMES = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
_NAME = len(_NAMES[0])

T = TypeVar("T")


Cut = tuple[bytes, int, int]
"""A head without the digits of its length, where its body begins, and the length."""


def cut(data: bytes) -> Cut | None:
    """The head at the beginning of `data`; None when it is not whole or its length is not said in the plainest way."""
    end = data.find(_END, 0, LONGEST)
    at = data.find(_NAMES[0], 0, end)
    if at < 0:
        at = data.find(_NAMES[1], 0, end)
    if end < 0 or at < 0:
        return None
    begin = at + _NAME
    stop = data.find(b"\r\n", begin, end + 2)
    digits = data[begin:stop]
    if not digits.isdigit() or len(digits) > 9:
        return None
    return data[:begin] + data[stop:end], end + 4, int(digits)


class Gathering:
    """A body whose length is known, as it comes in pieces."""

    __slots__ = ("_came", "missing")

    def __init__(self, first: bytes, length: int) -> None:
        self._came = bytearray(first)
        self.missing = length - len(first)
        """Bytes still to come; more than 0 as long as the body is not whole."""

    def add(self, data: bytes) -> bytes:
        """Take what belongs to the body; what does not is returned."""
        mine = data[: self.missing]
        self._came += mine
        self.missing -= len(mine)
        return data[len(mine) :]

    def whole(self) -> bytes:
        return bytes(self._came)


class Heads(Generic[T]):
    """What was made of each head that was read, found acceptable, and left its connection usable."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, T] = {}

    def get(self, head: bytes) -> T | None:
        """What was made of it."""
        return self._known.get(head)

    def keep(self, head: bytes, made: T) -> None:
        """Remember it."""
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[head] = made
