"""How much of one server the gateway may use at once, and that bound kept for any kind of upstream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from watchkeeper.gateway.upstream import Inbound, Outbound, Overheard, Stands, Upstream
from watchkeeper.gateway.waiting import Waiting

MANY = 1 << 30
_ENDLESS = frozenset({"subscriptions/listen"})


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """0 is no bound."""

    connections: int = 0
    concurrent: int = 0
    waiting: int = 64
    """Calls that wait for one of those."""
    wait_seconds: float = 5.0


UNBOUNDED = Bounds()


class Bounded:
    """An upstream that is asked so much at once and no more. Streams that never end are not counted: they idle."""

    def __init__(self, server: str, upstream: Upstream, bounds: Bounds) -> None:
        self._upstream = upstream
        self._free = bounds.concurrent
        what = f"{server} has {bounds.concurrent} calls under way, as many as it may"
        self._waiting: Waiting[None] = Waiting(bounds.waiting, bounds.wait_seconds, what, lambda _: self._give_back())

    async def send(self, inbound: Inbound) -> Outbound:
        """Pass a message on in its turn. Raises `UpstreamBusy` when that does not come."""
        if inbound.verb == "GET" or (inbound.message is not None and inbound.message.method in _ENDLESS):
            return await self._upstream.send(inbound)
        if self._free > 0 and not self._waiting:
            self._free -= 1
        else:
            await self._waiting.turn()
        try:
            out = await self._upstream.send(inbound)
        except BaseException:  # cancelled, too: its place is the next one's
            self._give_back()
            raise
        return self._until_over(out)

    async def close(self) -> None:
        await self._upstream.close()

    def overhear(self, told: Callable[[str], None]) -> None:
        """See `Overheard`."""
        if isinstance(self._upstream, Overheard):
            self._upstream.overhear(told)

    @property
    def inner(self) -> Upstream:
        """What is bounded."""
        return self._upstream

    def standing(self) -> dict[str, Any]:
        """See `Stands`."""
        inner = self._upstream.standing() if isinstance(self._upstream, Stands) else {}
        return {**inner, "free": self._free, "waiting": inner.get("waiting", 0) + len(self._waiting)}

    def _until_over(self, out: Outbound) -> Outbound:
        if out.events is None:
            self._give_back()
            return out
        place = _Place(self, out.events)
        cancel = out.cancel

        def let_go() -> None:
            place.leave()
            if cancel is not None:
                cancel()

        out.events, out.cancel = place, let_go
        return out

    def _give_back(self) -> None:
        if not self._waiting.hand(None):
            self._free += 1


class _Place:
    """A stream that holds a place until it ends or nobody reads on."""

    def __init__(self, bounded: Bounded, events: AsyncIterator[bytes]) -> None:
        self._bounded = bounded
        self._events = events
        self._left = False

    def __aiter__(self) -> _Place:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._events)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self._bounded._give_back()
