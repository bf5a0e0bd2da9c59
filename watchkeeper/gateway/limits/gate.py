"""Asked before a message is forwarded: whether it may, and what it holds until it is over. Pure: time is passed in.

Reserved first, settled afterwards: the message, its bytes, its cost and its place among the calls under way are taken
before a byte is forwarded, from every limit or from none. Bytes of the answer, and what they cost, are known late: a
call that would begin while such a budget is spent is refused, and one under way is counted against the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.limits.bank import Bank
from watchkeeper.gateway.limits.counters import Counter, Counters, Draw, own_meter
from watchkeeper.gateway.limits.leases import Leased
from watchkeeper.gateway.limits.loops import Repeats
from watchkeeper.gateway.limits.meters import LACKS, NEVER, SECOND
from watchkeeper.gateway.limits.model import Caller, Refused, in_seconds
from watchkeeper.gateway.limits.settings import LimitSettings, LoopSettings

_WHOSE = {"principal": "this client", "server": "this server", "tool": "this tool", "tenant": "this tenant"}
_WHAT = {"bytes_in": "bytes of messages", "bytes_out": "bytes of answers", "cost": "of the budget"}
LIMIT = "limit:"
"""Prefix of the rule by which a verdict names a limit."""
TRIES = 5
"""How often a message has units lent that others may use before it."""


class Held:
    """What one message holds. `release` it, however it ends."""

    __slots__ = ("_draws", "_over")

    def __init__(self, draws: tuple[Draw, ...]) -> None:
        self._draws = draws
        self._over = False

    def answered(self, size: int, now: int) -> None:
        """So many bytes of an answer came."""
        for draw in self._draws:
            draw.answered(size, now)

    def release(self) -> None:
        """The message is over; may be called more than once."""
        if not self._over:
            self._over = True
            for draw in self._draws:
                draw.ended()

    def __del__(self) -> None:
        self.release()  # a task that is cancelled before its first step drops what it was given without a word


class Gate:
    """The limits of one gateway, and its memory of who repeats himself."""

    def __init__(
        self,
        limits: Mapping[str, LimitSettings],
        loops: LoopSettings | None = None,
        *,
        groups_of: Callable[[str], tuple[str, ...]] = lambda _: (),
        bank: Bank | None = None,
        former: Gate | None = None,
    ) -> None:
        """With a `bank`, other workers draw on the same limits; what is as it was in `former` goes on counting."""
        self.repeats: Repeats | None = Repeats(loops) if loops is not None and Repeats.is_on(loops) else None
        """Who repeats himself; None when nobody looks."""
        self.has_limits = bool(limits)
        self._loops: LoopSettings | None = loops
        self._groups_of = groups_of
        self._bank: Bank | None = bank
        if former is not None:
            self._bank = former._bank or bank
            self.repeats = former.repeats if former._loops == loops else self.repeats
        make = self._bank.leases.make if self._bank is not None else own_meter
        self._counters: Counters = Counters(limits, make, former._counters if former is not None else None)

    def enter(self, caller: Caller, size: int, now: int) -> Held | Refused | Lacking | None:
        """Let a message of this size in: what it holds, None when no limit speaks of it, or why it may not.

        `Lacking` when more must be lent first: see `borrow`.
        """
        draws = self._counters.draws(self._known(caller), now)
        return _take(draws, size, now) if draws else None

    async def borrow(self, lacking: Lacking, now: Callable[[], int]) -> Held | Refused:
        """Have lent what a message lacks, until it is held or refused."""
        assert self._bank is not None
        name = lacking.draws[0].counter.name
        for _ in range(TRIES):
            needs = lacking.needs(now())
            try:
                grants = await self._bank.lend([(meter, need) for _, _, meter, need in needs])
            except Unavailable as error:
                return Refused(LIMIT + name, f"{error.reason}, and what cannot be counted has to wait.", SECOND)
            for (counter, amount, _, _), grant in zip(needs, grants, strict=True):
                if grant.wait:
                    return _refused(counter, amount, grant.wait)
            entry = _take(lacking.draws, lacking.size, now())
            if not isinstance(entry, Lacking):
                return entry
        return Refused(LIMIT + name, "A limit is reached: others used what there was. Try again in 1 s.", SECOND)

    async def close(self) -> None:
        """Give back what was lent."""
        if self._bank is not None:
            await self._bank.close()

    def standing(self, now: int) -> list[dict[str, Any]]:
        """Consumption now, the fullest counter first."""
        return self._counters.standing(now)

    def explain(self, caller: Caller, now: int) -> list[dict[str, Any]]:
        """Which limits this caller's message would fall under."""
        return self._counters.explain(self._known(caller), now)

    def _known(self, caller: Caller) -> Caller:
        if caller.groups is not None or not self._counters.by_group:
            return caller
        return caller._replace(groups=self._groups_of(caller.principal))


class Lacking:
    """A message for which something must be lent first."""

    __slots__ = ("draws", "size")

    def __init__(self, draws: tuple[Draw, ...], size: int) -> None:
        self.draws = draws
        self.size = size

    def needs(self, now: int) -> list[tuple[Counter, str, Leased, int]]:
        """Of which counter, which amount, its meter, and how much."""
        found: list[tuple[Counter, str, Leased, int]] = []
        for draw in self.draws:
            for amount, meter, need in draw.needs(self.size):
                if meter.wait(need, now) == LACKS and isinstance(meter, Leased):
                    found.append((draw.counter, amount, meter, need))
        return found


def _take(draws: tuple[Draw, ...], size: int, now: int) -> Held | Refused | Lacking:
    """From every limit or from none."""
    is_lacking = False
    for draw in draws:
        lack = draw.lacks(size, now)
        if lack is not None:
            if lack[1] != LACKS:
                return _refused(draw.counter, *lack)
            is_lacking = True
    if is_lacking:
        return Lacking(draws, size)
    for draw in draws:
        draw.take(size, now)
    return Held(draws)


def _refused(counter: Counter, amount: str, wait: int) -> Refused:
    said = f"{_in_words(counter, amount)} for {_whose(counter)}"
    if wait == NEVER:
        reason = f"This message alone is beyond a limit: {said}. Do not send it again as it is."
    else:
        reason = f"A limit is reached: {said}. Try again in {in_seconds(wait)} s."
    return Refused(LIMIT + counter.name, reason, wait)


def _in_words(counter: Counter, amount: str) -> str:
    limit = counter.limit
    if amount == "concurrent":
        return f"{limit.concurrent} at once"
    during = f"in {limit.seconds:g} seconds"
    if amount == "calls":
        burst = f", {limit.burst:,} at once" if limit.burst else ""
        return f"{limit.calls:,} call{'s' if limit.calls > 1 else ''} {during}{burst}"
    value = f"{limit.cost:,g}" if amount == "cost" else f"{getattr(limit, amount):,}"
    return f"{value} {_WHAT[amount]} {during}"


def _whose(counter: Counter) -> str:
    names = [_WHOSE[whose] for whose in counter.limit.per]
    return " and ".join(names) if names else "everybody together"
