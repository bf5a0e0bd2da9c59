"""A dictionary that forgets its oldest entry rather than grow: its keys come from agents."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Bounded(dict[Any, T]):
    """Safe for many threads, as a dictionary is."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def put(self, key: Any, value: T) -> T:
        while len(self) >= self._limit:
            with suppress(RuntimeError, StopIteration):  # another thread was quicker
                self.pop(next(iter(self)), None)
        self[key] = value
        return value
