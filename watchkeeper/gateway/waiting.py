"""A bounded queue for what there is too little of: whoever comes too late, or waits too long, is told to come again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from watchkeeper.gateway.upstream import UpstreamBusy

T = TypeVar("T")


class Waiting(Generic[T]):
    """First come, first served."""

    def __init__(self, most: int, seconds: float, what: str, lost: Callable[[T], object]) -> None:
        """`lost` is told of what was handed to somebody who went away in the same moment."""
        self._most = most
        self._seconds = seconds
        self._what = what
        self._lost = lost
        self._queue: deque[asyncio.Future[T]] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    async def turn(self) -> T:
        """What somebody hands over. Raises `UpstreamBusy` when too many wait, or nobody does in time."""
        if len(self._queue) >= self._most:
            raise UpstreamBusy(f"{self._what}, and {self._most} calls wait already", retry_after=self._seconds)
        place: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            async with asyncio.timeout(self._seconds):
                return await place
        except TimeoutError:
            if place.done() and not place.cancelled():
                return place.result()
            raise UpstreamBusy(
                f"{self._what}, and none became free within {self._seconds:g} s", retry_after=self._seconds
            ) from None
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._lost(place.result())
            raise
        finally:
            if place in self._queue:
                self._queue.remove(place)

    def hand(self, thing: T) -> bool:
        """Give it to the first who waits; False when nobody does."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(thing)
                return True
        return False
