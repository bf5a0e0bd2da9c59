"""Limits carried out for one route: a message waits for nobody, it passes or is refused, and gives back what it held.

Above: the exchange, after the guard's ruling and before anything is forwarded. On a shadow route nothing is refused;
what would have been is in the event.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from watchkeeper.gateway import replies
from watchkeeper.gateway.caller import tenant_of
from watchkeeper.gateway.limits.gate import Gate, Held, Lacking
from watchkeeper.gateway.limits.model import TOOL_CALL, Caller, Refused
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.record import LONGEST, Call, Chronicle
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.policy.model import Effect, Verdict

Coming = Coroutine[Any, Any, Outbound]
Forward = Callable[[Call], Coming]
Finish = Callable[[Call, Outbound], Awaitable[Outbound]]
_AGENT = "agent:"


class Turnstile:
    """One route's."""

    def __init__(
        self, gate: Gate, route: Route, chronicle: Chronicle, now: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._gate = gate
        self._route = route
        self._chronicle = chronicle
        self._now = now

    def enter(self, call: Call) -> Held | Refused | Lacking | None:
        """What a message holds that the guard let pass, or why it does not pass; None when nothing speaks of it."""
        message, principal = call.message, call.request.principal
        now = self._now()
        tool = ""
        if message.method == TOOL_CALL:
            tool = message.name
            repeats = self._gate.repeats
            if repeats is not None:
                seen = repeats.look(principal, self._route.name, tool, message.arguments, now)
                if isinstance(seen, Refused):
                    return seen
                if seen:
                    self._note_loop(call, seen, repeats.seconds)
        if not self._gate.has_limits:
            return None
        caller = Caller(
            principal.removeprefix(_AGENT),
            self._route.name,
            message.method,
            tool,
            tenant_of(principal),
            call.request.marks,
        )
        return self._gate.enter(caller, len(message.raw), now)

    async def held(self, call: Call) -> Held | Refused | None:
        """`enter`, with what must be lent first; for who may wait at once."""
        entry = self.enter(call)
        return await self._gate.borrow(entry, self._now) if isinstance(entry, Lacking) else entry

    async def through(self, call: Call, entry: Held | Refused | Lacking, forward: Forward, finish: Finish) -> Outbound:
        """The answer to a message that has something to hold or does not pass."""
        if isinstance(entry, Lacking):
            entry = await self._gate.borrow(entry, self._now)
        if isinstance(entry, Refused):
            return await self._refuse(call, entry, forward, finish)
        return await self._later(forward(call), entry)

    def settled(self, coming: Outbound | Coming, held: Held) -> Outbound | Coming:
        """The answer to a message that went out without waiting, and what it held given back when it is over."""
        return self._settled(coming, held) if isinstance(coming, Outbound) else self._later(coming, held)

    def _note_loop(self, call: Call, count: int, seconds: float) -> None:
        body = {"tool": call.message.name[:LONGEST], "count": count, "seconds": seconds}
        self._chronicle.note("gateway.loop.noticed", actor=call.request.principal, era=call.era, **body)

    async def _later(self, coming: Coming, held: Held) -> Outbound:
        try:
            out = await coming
        except BaseException:  # cancelled, too: whatever ends a message, it holds nothing afterwards
            held.release()
            raise
        return self._settled(out, held)

    async def _refuse(self, call: Call, refused: Refused, forward: Forward, finish: Finish) -> Outbound:
        said = call.ruling.verdict
        verdict = Verdict(
            Effect.DENY, (*said.rules, refused.rule), refused.reason, not self._route.shadow, said.correlation
        )
        call.ruling = msgspec.structs.replace(call.ruling, verdict=verdict)
        if not replies.stops(call.ruling):
            return await forward(call)
        return await finish(call, replies.limited(call.message, verdict, refused.retry_after, call.era))

    def _settled(self, out: Outbound, held: Held) -> Outbound:
        if out.events is None:
            held.answered(len(out.body), self._now())
            held.release()
            return out
        out.events = _Counted(out.events, held, self._now)
        cancel = out.cancel

        def let_go() -> None:
            held.release()
            if cancel is not None:
                cancel()

        out.cancel = let_go
        return out


class _Counted:
    """A stream whose bytes are counted as they pass, and which ends what was held when it ends."""

    def __init__(self, events: AsyncIterator[bytes], held: Held, now: Callable[[], int]) -> None:
        self._events = events
        self._held = held
        self._now = now

    def __aiter__(self) -> _Counted:
        return self

    async def __anext__(self) -> bytes:
        try:
            event = await anext(self._events)
        except BaseException:
            self._held.release()
            raise
        self._held.answered(len(event), self._now())
        return event
