"""A dictionary that forgets its oldest entry rather than grow: its keys come from agents."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar

T = TypeVar("T")


class Bounded(dict[Any, T]):
    """Safe for many threads, as a dictionary is.

    The order is kept beside it: to look for a dictionary's first entry is to walk over all that were removed before it.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._order: deque[Any] = deque()

    def put(self, key: Any, value: T) -> T:
        """Keep what was looked for and not found."""
        while len(self) >= self._limit and self._order:
            self.pop(self._order.popleft(), None)
        self[key] = value
        self._order.append(key)  # afterwards: what is not yet here cannot be forgotten half
        return value

    def clear(self) -> None:
        self._order.clear()
        super().clear()
