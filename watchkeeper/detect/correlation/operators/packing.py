"""Many whole numbers as bytes: what a group holds is written whenever it changed, so it must cost little."""

from __future__ import annotations

import sys
from array import array


def pack(numbers: list[int]) -> bytes | list[str]:
    """Eight bytes each, the lowest first; as texts where one of them is too large for that."""
    try:
        packed = array("q", numbers)
    except OverflowError:
        return [str(number) for number in numbers]
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(packed: bytes | list[str]) -> list[int]:
    """What was packed. Raises `ValueError` for what is none."""
    if isinstance(packed, list):
        return [int(number) for number in packed]
    numbers = array("q")
    numbers.frombytes(packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
