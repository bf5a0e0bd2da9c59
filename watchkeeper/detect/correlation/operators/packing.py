"""Many whole numbers as bytes: what a group holds is written whenever it changed, so it must cost little."""

from __future__ import annotations

import sys
from array import array

_SIZE = 8


def pack(numbers: list[int]) -> bytes | list[str]:
    """Eight bytes each, the lowest first; as texts where one of them is too large for that."""
    try:
        packed = array("q", numbers)
    except OverflowError:
        return [str(number) for number in numbers]
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


class Column:
    """The same bytes, kept as numbers come at the end and go at the beginning: of ten thousand, one is new."""

    __slots__ = ("_is_whole", "_packed")

    def __init__(self) -> None:
        self._packed = bytearray()
        self._is_whole = True

    def append(self, number: int) -> None:
        """One more."""
        if self._is_whole:
            try:
                self._packed += number.to_bytes(_SIZE, "little", signed=True)
            except OverflowError:
                self._is_whole = False

    def replace_first(self, number: int) -> None:
        """The one at the beginning is this one now."""
        if self._is_whole:
            try:
                self._packed[:_SIZE] = number.to_bytes(_SIZE, "little", signed=True)
            except OverflowError:
                self._is_whole = False

    def drop(self, count: int) -> None:
        """So many at the beginning are gone."""
        del self._packed[: count * _SIZE]

    def clear(self) -> None:
        """All are gone."""
        self._packed.clear()
        self._is_whole = True

    def packed(self) -> bytes | None:
        """What `pack` makes of them; `None` when one was too large for that: pack them then."""
        return bytes(self._packed) if self._is_whole else None


def unpack(packed: bytes | list[str]) -> list[int]:
    """What was packed. Raises `ValueError` for what is none."""
    if isinstance(packed, list):
        return [int(number) for number in packed]
    numbers = array("q")
    numbers.frombytes(packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
