"""A server that fails again and again is not asked for a while, so that it can recover and nobody waits for nothing.

Two kinds of failure, and no client can make the gateway shut out another:

1. The server cannot be reached at all: nobody's fault but its own, so nobody is sent there.
2. It was reached and broke off, said 5xx, or was silent: that may be what this client asks for, so only the client who
   met it again and again waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from watchkeeper.gateway.breaker import Breaker
from watchkeeper.gateway.upstream import Outbound, UpstreamBusy, UpstreamFailed, UpstreamSilent

FORGOTTEN_AFTER = 60.0
"""Seconds after which failures that opened nothing are no longer called "in a row"."""
ALL = ""
"""Stands for every client."""


class Change(msgspec.Struct, frozen=True):
    """A breaker opened or closed."""

    kind: str
    """Of the event that says so."""
    principal: str
    """Whose calls are meant; empty for everybody's."""
    reason: str = ""
    seconds: float = 0.0
    """How long it stays open."""


class Watched:
    """One call on its way; told of its answer."""

    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status = 0

    def of(self, out: Outbound) -> Outbound:
        self.status = out.status
        return out


class Fuse:
    """One server's."""

    def __init__(
        self,
        where: str = "the server",
        *,
        tolerated: int = 5,
        longest: float = 30.0,
        tell: Callable[[Change], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tolerated` failures in a row open it; 0 for never."""
        self._where = where
        self._tolerated = tolerated
        self._longest = longest
        self._tell = tell
        self._now = now
        self._breakers: dict[str, Breaker] = {}

    def __bool__(self) -> bool:
        """Whether anything has failed lately: until then no call needs a look at us."""
        return bool(self._breakers)

    @contextmanager
    def watching(self, principal: str) -> Iterator[Watched]:
        """A call to the server, and what becomes of it. Raises `UpstreamBusy` when it is not to be asked."""
        self._admit(principal)
        watched = Watched()
        try:
            yield watched
        except (UpstreamFailed, UpstreamSilent) as error:
            self.failed(principal if error.reached else ALL, error.reason)
            raise
        except (UpstreamBusy, asyncio.CancelledError):
            for key in (ALL, principal):
                if key in self._breakers:
                    self._breakers[key].let_go()
            raise
        self.answered(principal, watched.status)

    def answered(self, principal: str, status: int) -> None:
        """The server said something."""
        if self._breakers:
            self._worked(ALL)
        if status >= 500:
            self.failed(principal, f"it answers with HTTP status {status}")
        elif self._breakers:
            self._worked(principal)

    def failed(self, key: str, reason: str) -> None:
        """It did not; `key` is the principal whose call it was, or `ALL`."""
        if not self._tolerated:
            return
        now = self._now()
        breaker = self._breakers.setdefault(key, Breaker(self._tolerated, longest=self._longest))
        if breaker.failed(now):
            self._tell(Change("gateway.breaker.opened", key, reason, round(breaker.wait(now), 3)))

    def forget(self) -> None:
        """Failures that are long past and opened nothing; whoever owns this calls it now and then."""
        now = self._now()
        for key, breaker in list(self._breakers.items()):
            if breaker.state(now) == "closed" and now - breaker.since > FORGOTTEN_AFTER:
                del self._breakers[key]

    def standing(self) -> list[dict[str, Any]]:
        """Every breaker that is not closed."""
        now = self._now()
        rows = [
            {"principal": key, "state": breaker.state(now), "seconds": round(breaker.wait(now), 1)}
            for key, breaker in self._breakers.items()
        ]
        return [row for row in rows if row["state"] != "closed"]

    def _admit(self, principal: str) -> None:
        now = self._now()
        asked = [breaker for key in (ALL, principal) if (breaker := self._breakers.get(key)) is not None]
        wait = max((breaker.wait(now) for breaker in asked), default=0.0)
        if wait > 0:
            raise UpstreamBusy(
                f"{self._where} failed again and again and is not asked for now; try again in {max(1, round(wait))} s",
                retry_after=wait,
                hint="look at the server",
            )
        for breaker in asked:
            breaker.probe(now)

    def _worked(self, key: str) -> None:
        breaker = self._breakers.pop(key, None)
        if breaker is not None and breaker.state(self._now()) != "closed":
            self._tell(Change("gateway.breaker.closed", key))
