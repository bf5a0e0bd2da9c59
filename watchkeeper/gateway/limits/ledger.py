"""What several workers may use together: units are lent to them, and nothing is ever lent twice. Pure.

A worker is lent units and uses them without asking; it says what it used when it asks for more, and gives back what
lies idle. What is lent is as good as used until then, so that no moment has more than the limit, though the last units
may lie with a worker that does not need them: under the limit by that lease, never above. When a worker is gone, all it
had been lent counts as used; its calls under way are over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.gateway.limits.counters import Counters
from watchkeeper.gateway.limits.meters import SECOND, Meter
from watchkeeper.gateway.limits.settings import LimitSettings


class Item(msgspec.Struct, frozen=True, array_like=True):
    """What a worker says and asks of one meter."""

    limit: str
    key: tuple[str, ...]
    amount: str
    used: int = 0
    """Units used since it last spoke."""
    back: int = 0
    """Units it gives back."""
    need: int = 0
    """Units without which it cannot go on; less is nothing."""
    want: int = 0
    """Units it would take."""
    holds: int = 0
    """Calls under way since before this ledger was begun; only of `concurrent`."""


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """The answer."""

    units: int = 0
    wait: int = 0
    """Nanoseconds until the need could be met, or `NEVER`; of no meaning when it was."""


class _Lent:
    """What one worker has been lent of one meter."""

    __slots__ = ("meter", "units")

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.units = 0


class Ledger:
    """The counters of every worker together."""

    def __init__(self, limits: Mapping[str, LimitSettings]) -> None:
        self._counters = Counters(limits)
        self._lent: dict[int, dict[tuple[str, tuple[str, ...], str], _Lent]] = {}

    def serve(self, worker: int, items: Sequence[Item], now: int) -> list[Grant]:
        """Take down what a worker says, and lend it what it asks for and there is."""
        return [self._serve(worker, item, now) for item in items]

    def gone(self, worker: int, now: int) -> None:
        """A worker is no more: what it was lent it may have used, to the last unit."""
        for (_, _, amount), lent in self._lent.pop(worker, {}).items():
            lent.meter.settle(lent.units, 0 if amount == "concurrent" else lent.units, now)

    def change(self, limits: Mapping[str, LimitSettings], now: int) -> None:
        """Keep these from now on. What is the same goes on with its counts; what was lent is lent of the new ones."""
        self._counters = Counters(limits, former=self._counters)
        for kept in self._lent.values():
            for name, lent in list(kept.items()):
                meter = self._meter(*name, now)
                if meter is None:
                    del kept[name]
                elif meter is not lent.meter:
                    meter.hold(lent.units, now)
                    lent.meter = meter

    def standing(self, now: int) -> list[dict[str, Any]]:
        """Consumption now, what is lent included; the fullest counter first."""
        return self._counters.standing(now)

    def _serve(self, worker: int, item: Item, now: int) -> Grant:
        lent = self._lent_to(worker, item, now)
        if lent is None:
            return Grant(0, SECOND)  # a limit this ledger does not know: settings are about to change, or have
        meter = lent.meter
        settled = min(lent.units, item.used + item.back)
        used = min(item.used, settled)
        meter.settle(settled, used, now)
        if item.used > used:  # known too late to be asked for
            meter.take(item.used - used, now)
        meter.hold(item.holds, now)
        lent.units += item.holds - settled
        grant = self._lend(meter, item, now)
        lent.units += grant.units
        if not lent.units:
            del self._lent[worker][item.limit, item.key, item.amount]
        return grant

    @staticmethod
    def _lend(meter: Meter, item: Item, now: int) -> Grant:
        units = min(item.want, meter.room(now))
        if units < item.need:
            return Grant(0, meter.wait(item.need, now))
        meter.hold(units, now)
        return Grant(units)

    def _lent_to(self, worker: int, item: Item, now: int) -> _Lent | None:
        kept = self._lent.setdefault(worker, {})
        name = (item.limit, item.key, item.amount)
        if name not in kept:
            meter = self._meter(item.limit, item.key, item.amount, now)
            if meter is None:
                return None
            kept[name] = _Lent(meter)
        return kept[name]

    def _meter(self, limit: str, key: tuple[str, ...], amount: str, now: int) -> Meter | None:
        try:
            return self._counters.counter(limit, key, now).meter(amount)
        except KeyError:
            return None
