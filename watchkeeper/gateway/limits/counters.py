"""One set of meters for each who has an allowance of its own, and which of them a message draws on. Pure.

What a message draws on is found once and remembered. Counters are bounded: names of tools are the client's word, and
beyond so many of them all further ones share a counter, which is never more than each would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from watchkeeper.gateway.limits.meters import SECOND, Bucket, Meter, Slots, Window
from watchkeeper.gateway.limits.model import AMOUNTS, MILLIONTHS, Caller
from watchkeeper.gateway.limits.settings import LimitSettings

MOST_COUNTERS = 10_000
"""For each limit."""
MOST_REMEMBERED = 20_000
"""Callers whose draws are remembered."""
REST = ("*",)
"""The key that all share who came too late for a counter of their own."""
_PRUNE_EVERY = SECOND


MakeMeter = Callable[[str, LimitSettings, tuple[str, ...], str], Meter]
"""The meter of a limit (name and settings), for a key, of an amount."""


def own_meter(name: str, limit: LimitSettings, key: tuple[str, ...], amount: str) -> Meter:
    """A meter of this process's own."""
    length = round(limit.seconds * SECOND)
    if amount == "concurrent":
        return Slots(limit.concurrent)
    if amount == "calls" and limit.burst:
        return Bucket(limit.calls, length, limit.burst)
    return Window(ceiling_of(limit, amount), length)


def ceiling_of(limit: LimitSettings, amount: str) -> int:
    """A limit's amount in the units it is counted in."""
    if amount == "cost":
        return in_millionths(limit.cost)
    return limit.burst if amount == "calls" and limit.burst else int(getattr(limit, amount))


class Counter:
    """The meters of one limit for one key."""

    __slots__ = ("bytes_in", "bytes_out", "calls", "cost", "key", "limit", "name", "per_kb", "slots")

    def __init__(self, name: str, limit: LimitSettings, key: tuple[str, ...], make: MakeMeter) -> None:
        self.name = name
        self.limit = limit
        self.key = key
        meters = {amount: make(name, limit, key, amount) for amount in AMOUNTS if getattr(limit, amount)}
        self.calls = meters.get("calls")
        self.bytes_in = meters.get("bytes_in")
        self.bytes_out = meters.get("bytes_out")
        self.cost = meters.get("cost")
        self.slots = meters.get("concurrent")
        self.per_kb = in_millionths(limit.cost_per_kb)

    def meters(self) -> Iterator[tuple[str, Meter]]:
        """What is limited, by the name of its setting."""
        for name in AMOUNTS:
            if (meter := self.meter(name)) is not None:
                yield name, meter

    def meter(self, amount: str) -> Meter | None:
        """Of one amount, by the name of its setting."""
        meter: Meter | None = getattr(self, "slots" if amount == "concurrent" else amount)
        return meter

    def is_blank(self, now: int) -> bool:
        return all(meter.is_blank(now) for _, meter in self.meters())


class Draw(NamedTuple):
    """A counter, and what one call costs there."""

    counter: Counter
    price: int
    """In millionths."""

    def lacks(self, size: int, now: int) -> tuple[str, int] | None:
        """The amount that a message of this size does not get now, and how long until it would."""
        counter = self.counter
        if counter.slots is not None and (wait := counter.slots.wait(1, now)):
            return "concurrent", wait
        if counter.calls is not None and (wait := counter.calls.wait(1, now)):
            return "calls", wait
        if counter.bytes_in is not None and (wait := counter.bytes_in.wait(size, now)):
            return "bytes_in", wait
        if counter.bytes_out is not None and (wait := counter.bytes_out.wait(1, now)):
            return "bytes_out", wait
        if counter.cost is not None:
            cost = self._cost(size)
            if cost and (wait := counter.cost.wait(cost, now)):
                return "cost", wait
        return None

    def needs(self, size: int) -> Iterator[tuple[str, Meter, int]]:
        """Each amount that a message of this size needs, its meter, and how much."""
        amounts = {"concurrent": 1, "calls": 1, "bytes_in": size, "bytes_out": 1, "cost": self._cost(size)}
        for name, amount in amounts.items():
            meter = self.counter.meter(name)
            if meter is not None and amount:
                yield name, meter, amount

    def take(self, size: int, now: int) -> None:
        """Use what a message of this size needs; `lacks` was asked in the same breath."""
        counter = self.counter
        if counter.slots is not None:
            counter.slots.take(1, now)
        if counter.calls is not None:
            counter.calls.take(1, now)
        if counter.bytes_in is not None:
            counter.bytes_in.take(size, now)
        if counter.cost is not None:
            counter.cost.take(self._cost(size), now)

    def answered(self, size: int, now: int) -> None:
        """So many bytes more came back."""
        counter = self.counter
        if counter.bytes_out is not None:
            counter.bytes_out.take(size, now)
        if counter.cost is not None and counter.per_kb:
            counter.cost.take(-(-size * counter.per_kb // 1024), now)

    def ended(self) -> None:
        """The call is over."""
        if self.counter.slots is not None:
            self.counter.slots.settle(1, 0, 0)

    def _cost(self, size: int) -> int:
        per_kb = self.counter.per_kb
        return self.price + (-(-size * per_kb // 1024) if per_kb else 0)


class Counters:
    """Every limit of one gateway, in force until replaced."""

    def __init__(
        self, limits: Mapping[str, LimitSettings], make: MakeMeter = own_meter, former: Counters | None = None
    ) -> None:
        """Limits that were the same in `former` go on with their counts; it is not to be used any more then."""
        self._limits = limits
        self._make = make
        self._counters: dict[str, dict[tuple[str, ...], Counter]] = {name: {} for name in limits}
        if former is not None:
            same = [name for name in limits if former._limits.get(name) == limits[name]]
            self._counters |= {name: former._counters[name] for name in same}
        self._draws: dict[Caller, tuple[Draw, ...]] = {}
        self._pruned_at = 0
        self.by_group = any(limit.groups for limit in limits.values())
        """Whether a caller's groups matter."""

    def draws(self, caller: Caller, now: int) -> tuple[Draw, ...]:
        """What this caller's message draws on; empty when no limit matches."""
        found = self._draws.get(caller)
        if found is None:
            if len(self._draws) >= MOST_REMEMBERED:
                self._draws.clear()
            found = self._draws[caller] = tuple(self._find(caller, now))
        return found

    def standing(self, now: int) -> list[dict[str, Any]]:
        """Every counter that is not blank, in whole units of its settings; the fullest first."""
        rows = [_row(counter, now) for kept in self._counters.values() for counter in kept.values()]
        return sorted((row for row in rows if row["share"] > 0), key=lambda row: (-row["share"], row["limit"]))

    def explain(self, caller: Caller, now: int) -> list[dict[str, Any]]:
        """For each limit whether it matches this caller, and how the counter stands that it would draw on."""
        rows: list[dict[str, Any]] = []
        for name, limit in self._limits.items():
            if why := mismatch(limit, caller):
                rows.append({"limit": name, "matches": False, "why": why})
                continue
            counter = self._counters[name].get(_key(limit, caller)) or self._new(name, _key(limit, caller))
            rows.append({"matches": True, "price": price_of(limit, caller) / MILLIONTHS, **_row(counter, now)})
        return rows

    def counter(self, name: str, key: tuple[str, ...], now: int) -> Counter:
        """A limit's counter for a key, made where there is none. Raises `KeyError` for a limit that is not in force."""
        return self._counter(name, self._limits[name], key, now)

    def _new(self, name: str, key: tuple[str, ...]) -> Counter:
        return Counter(name, self._limits[name], key, self._make)

    def _find(self, caller: Caller, now: int) -> Iterator[Draw]:
        for name, limit in self._limits.items():
            if not mismatch(limit, caller):
                yield Draw(self._counter(name, limit, _key(limit, caller), now), price_of(limit, caller))

    def _counter(self, name: str, limit: LimitSettings, key: tuple[str, ...], now: int) -> Counter:
        kept = self._counters[name]
        if key not in kept and len(kept) >= MOST_COUNTERS:
            self._prune(now)
            if len(self._counters[name]) >= MOST_COUNTERS:
                key = REST
        kept = self._counters[name]
        if key not in kept:
            kept[key] = Counter(name, limit, key, self._make)
        return kept[key]

    def _prune(self, now: int) -> None:
        """Forget counters that say nothing, and with them every draw that could still name one."""
        if now - self._pruned_at < _PRUNE_EVERY:
            return
        self._pruned_at = now
        self._draws.clear()
        for name, kept in self._counters.items():
            self._counters[name] = {key: counter for key, counter in kept.items() if not counter.is_blank(now)}


def in_millionths(cost: float) -> int:
    """A cost of the settings as a whole number."""
    return round(cost * MILLIONTHS)


def mismatch(limit: LimitSettings, caller: Caller) -> str:
    """The setting by which a limit does not speak of this caller; empty when it does."""
    tool = f"{caller.server}/{caller.tool}"
    if not _matches(limit.methods, caller.method):
        return "methods"
    if limit.principals and not _matches(limit.principals, caller.principal):
        return "principals"
    if limit.groups and not any(_matches(limit.groups, group) for group in caller.groups or ()):
        return "groups"
    if limit.tenants and not _matches(limit.tenants, caller.tenant):
        return "tenants"
    if limit.servers and not _matches(limit.servers, caller.server):
        return "servers"
    return "tools" if limit.tools and not _matches(limit.tools, tool) else ""


def price_of(limit: LimitSettings, caller: Caller) -> int:
    """What one call costs, in millionths, its bytes apart."""
    if not limit.cost:
        return 0
    tool = f"{caller.server}/{caller.tool}"
    named = (cost for pattern, cost in limit.costs.items() if fnmatchcase(tool, pattern))
    return in_millionths(next(named, limit.cost_per_call))


def _matches(patterns: Sequence[str], value: str) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _key(limit: LimitSettings, caller: Caller) -> tuple[str, ...]:
    values = {
        "principal": caller.principal,
        "server": caller.server,
        "tool": f"{caller.server}/{caller.tool}",
        "tenant": caller.tenant,
    }
    return tuple(values[whose] for whose in limit.per)


def _row(counter: Counter, now: int) -> dict[str, Any]:
    amounts: dict[str, Any] = {}
    share = 0.0
    for name, meter in counter.meters():
        unit = MILLIONTHS if name == "cost" else 1
        used = meter.used(now)
        amounts[name] = {"used": _whole(used, unit), "limit": _whole(meter.limit, unit)}
        share = max(share, used / meter.limit)
    is_rest = counter.key == REST
    return {
        "limit": counter.name,
        "for": {"rest": "*"} if is_rest else dict(zip(counter.limit.per, counter.key, strict=True)),
        "seconds": counter.limit.seconds,
        "share": round(share, 4),
        "amounts": amounts,
    }


def _whole(amount: int, unit: int) -> int | float:
    return amount / unit if unit > 1 else amount
