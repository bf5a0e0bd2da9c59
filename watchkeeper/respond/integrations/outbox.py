"""The outbox: each errand is a row before it is sent, and stays one until its receiver has taken it or it lies aside.

Killed at any point, nothing is lost. What was being sent then is tried again under the same key, and told that it may
be there already. One thread for each integration, so that one that hangs holds up nobody else; errands of one thread
(a page, and its end) keep their order.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import update

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import NotFound, Unavailable, WatchkeeperError
from watchkeeper.core.ids import derived_id
from watchkeeper.core.lasting import Lasting
from watchkeeper.respond.errands import Delivery, Errand, NotTaken, Receipt, Rejected, Repeats, State
from watchkeeper.respond.integrations._store import DeliveryRow, Shelf, delivery_of, errand_of
from watchkeeper.respond.integrations.breaker import Breaker, Rate
from watchkeeper.respond.integrations.hand import Standing, Tried, try_out
from watchkeeper.respond.integrations.interface import Integration
from watchkeeper.respond.integrations.minutes import Minutes
from watchkeeper.respond.integrations.settings import IntegrationSettings

EVERY = 0.5
"""Seconds between two looks of one integration, when nobody wakes it."""
BACKOFF = (5, 15, 60, 300, 900)
"""Seconds to the next attempt; the last one for all that follow."""
_GRACE = 30
"""Seconds beyond its deadline after which whoever sends counts as dead."""
_KEPT = 30 * 24 * 3600 * SECOND
_log = logging.getLogger(__name__)


@dataclass
class _Line:
    """What one integration has in this process."""

    integration: Integration
    settings: IntegrationSettings
    breaker: Breaker
    rate: Rate
    lock: threading.Lock
    wake: threading.Event
    failure: str = ""


class Outbox:
    """Of all integrations. Safe for threads."""

    def __init__(
        self,
        database: Database,
        minutes: Minutes,
        clock: Clock,
        integrations: Mapping[str, tuple[IntegrationSettings, Integration]],
        link: Callable[[Errand], str] = lambda _: "",
    ) -> None:
        self._link = link
        self._database = database
        self._shelf = Shelf(database)
        self._minutes = minutes
        self._clock = clock
        self._lines = {
            name: _Line(one, settings, Breaker(), Rate(settings.per_minute), threading.Lock(), threading.Event())
            for name, (settings, one) in integrations.items()
        }

    # -- taking up

    def put(self, errand: Errand) -> Delivery:
        """Keep it to be sent; the same key again is the same errand. Raises `NotFound`, `Unavailable`."""
        line = self._line(errand.integration)
        if errand.verb not in line.integration.verbs:
            known = ", ".join(sorted(line.integration.verbs))
            raise NotFound(f"{errand.integration} cannot {errand.verb.value}", hint=f"it knows: {known}")
        linked = msgspec.structs.replace(errand, link=errand.link or self._link(errand))
        found = self._shelf.put(_id(errand), linked, self._clock.now())
        line.wake.set()
        return found

    def carry(self, errand: Errand) -> Delivery:
        """The same, and one attempt at once in the caller's thread; what it came to. Raises as `put`."""
        found, line = self.put(errand), self._line(errand.integration)
        if found.state is State.DUE:
            self.round(errand.integration, only=_id(errand))
        found = self.find(errand)
        # the line's own thread may have it in hand: what becomes of it there is the answer
        if found.state is State.SENDING and line.lock.acquire(timeout=line.settings.timeout_seconds):
            line.lock.release()
            found = self.find(errand)
        return found

    def find(self, errand: Errand) -> Delivery:
        """How an errand stands. Raises `NotFound`."""
        return self._shelf.find(_id(errand))

    def prove(self, errand: Errand) -> Receipt | None:
        """Look at it anew, where it was sent: the receipt as it is now; None where it was not. Raises `Unavailable`."""
        found, line = self.find(errand), self._line(errand.integration)
        if found.receipt is None:
            return None
        with line.lock:
            return line.integration.verify(errand, found.receipt)

    def retry(self, name: str) -> int:
        """Send again what lies aside; how many. Raises `NotFound`."""
        line, many = self._line(name), self._shelf.retry(name, self._clock.now())
        line.breaker.took()
        line.wake.set()
        return many

    # -- sending

    @property
    def runs(self) -> dict[str, Callable[[threading.Event], None]]:
        """A reader each."""
        return {f"integration:{name}": self._runner(name) for name in self._lines}

    def round(self, name: str, *, only: str = "") -> int:
        """Send what is due for one integration, in turn; how many were taken. Raises `Unavailable`."""
        line, taken = self._lines[name], 0
        self._shelf.recover(name, self._clock.now())
        for row in self._shelf.due(name, self._clock.now(), only):
            # one at a time, and never waited for longer than one takes: the line's own thread comes back to it
            if not line.lock.acquire(timeout=line.settings.timeout_seconds):
                break
            try:
                now = self._clock.now()
                if not line.breaker.lets(now) or not line.rate.take(now):
                    break
                until = now + int((line.settings.timeout_seconds * 4 + _GRACE) * SECOND)
                if self._shelf.claim(row, until):
                    taken += self._send(row, line)
            finally:
                line.lock.release()
        return taken

    def _runner(self, name: str) -> Callable[[threading.Event], None]:
        def run(stop: threading.Event) -> None:
            line = self._lines[name]
            trouble = Lasting(_log, f"what is due for {name} cannot be looked through", logging.WARNING)
            while not stop.is_set():
                line.wake.wait(EVERY)
                line.wake.clear()
                with trouble.told():
                    self.round(name)
                    self._shelf.forget(name, self._clock.now() - _KEPT)

        return run

    def _send(self, row: DeliveryRow, line: _Line) -> bool:
        errand, kept = errand_of(row), delivery_of(row).receipt
        try:
            is_there = row.state == State.UNVERIFIED.value and line.integration.repeats is not Repeats.KEYED
            if is_there and kept is not None:
                receipt = line.integration.verify(errand, kept)
            else:
                receipt = line.integration.deliver(errand, again=row.is_doubtful)
                receipt = self._verified(line, errand, receipt)
        except Unavailable as error:
            self._failed(row, line, errand, error)
            return False
        except WatchkeeperError as error:
            # what was refused was not carried out; what came back and cannot be read may have been
            self._give_up(row, line, errand, error.reason, doubt=not isinstance(error, Rejected))
            return False
        except Exception as error:  # noqa: BLE001 — the outermost loop of a plug-in's errand: it fails that errand, no other
            _log.exception("the integration %s failed", row.integration)
            self._give_up(row, line, errand, f"{type(error).__name__} in the plug-in; its log has more", doubt=True)
            return False
        self._took(row, line, errand, receipt)
        return True

    def _verified(self, line: _Line, errand: Errand, receipt: Receipt) -> Receipt:
        """It was taken; that it cannot be looked at now is no failure to take it."""
        if receipt.verified is not None:
            return receipt
        try:
            return line.integration.verify(errand, receipt)
        except WatchkeeperError as error:
            said = f"{receipt.said}; it could not be looked at: {error.reason}"
            return msgspec.structs.replace(receipt, said=said, verified=False)

    # -- noting

    def _took(self, row: DeliveryRow, line: _Line, errand: Errand, receipt: Receipt) -> None:
        now, attempts = self._clock.now(), row.attempts + 1
        over = receipt.verified is not False or attempts >= line.settings.attempts
        state = State.UNVERIFIED if receipt.verified is False else State.SENT
        changes = {
            "state": state.value,
            "receipt": msgspec.json.encode(receipt).decode(),
            "why": receipt.said if state is State.UNVERIFIED else "",
            "due_at": now + _pause(attempts, 0),
            "ended_at": now if over or line.integration.repeats is Repeats.TWICE else 0,
        }
        line.failure = receipt.said if state is State.UNVERIFIED else ""
        with self._database.write() as session:
            session.execute(update(DeliveryRow).where(DeliveryRow.id == row.id).values(**changes))
            self._minutes.taken(session, errand, receipt, attempts)
            if line.breaker.took():
                self._minutes.resumed(session, row.integration)
        self._minutes.flush()

    def _failed(self, row: DeliveryRow, line: _Line, errand: Errand, error: Unavailable) -> None:
        now, attempts, why = self._clock.now(), row.attempts + 1, error.reason
        after, was_answered = (error.after, error.was_answered) if isinstance(error, NotTaken) else (0, False)
        # a request that ended without an answer may have been carried out
        doubt = row.is_doubtful or not was_answered
        line.failure = why
        opened = line.breaker.failed(now)
        if attempts >= line.settings.attempts:
            self._give_up(row, line, errand, f"{why}; after {attempts} attempts", doubt=doubt)
        else:
            state = row.state if row.state == State.UNVERIFIED.value else State.DUE.value
            changes = {"state": state, "why": why, "due_at": now + _pause(attempts, after), "is_doubtful": doubt}
            with self._database.write() as session:
                session.execute(update(DeliveryRow).where(DeliveryRow.id == row.id).values(**changes))
                self._minutes.failed(session, errand, why, attempts)
        if opened:
            with self._database.write() as session:
                self._minutes.suspended(session, row.integration, why)
        self._minutes.flush()

    def _give_up(self, row: DeliveryRow, line: _Line, errand: Errand, why: str, *, doubt: bool) -> None:
        now = self._clock.now()
        line.failure = why
        doubt = row.is_doubtful or doubt
        changes = {"state": State.DEAD.value, "why": why, "ended_at": now, "is_doubtful": doubt}
        with self._database.write() as session:
            session.execute(update(DeliveryRow).where(DeliveryRow.id == row.id).values(**changes))
            self._minutes.abandoned(session, errand, why, row.attempts + 1)
        self._minutes.flush()

    # -- saying

    def standings(self) -> list[Standing]:
        """How each stands."""
        counts, last, now = self._shelf.counts(), self._shelf.last_sent(), self._clock.now()
        found = []
        for name, line in self._lines.items():
            many = counts.get(name, {})
            paused = line.breaker.until if line.breaker.until > now else 0
            found.append(
                Standing(
                    name=name,
                    type=line.settings.type,
                    state="paused" if paused else "failing" if line.failure else "well",
                    sent=many.get(State.SENT.value, 0),
                    waiting=many.get(State.DUE.value, 0) + many.get(State.SENDING.value, 0),
                    unverified=many.get(State.UNVERIFIED.value, 0),
                    aside=many.get(State.DEAD.value, 0),
                    last_sent_at=last.get(name, 0),
                    paused_until=paused,
                    error=line.failure,
                )
            )
        return found

    def test(self, name: str) -> Tried:
        """Have it carry one marked errand, whatever the breaker says. Raises `NotFound`."""
        line = self._line(name)
        with line.lock:
            return try_out(name, line.integration, self._clock)

    def _line(self, name: str) -> _Line:
        if name not in self._lines:
            there = ", ".join(self._lines) or "none"
            raise NotFound(f"there is no integration {name!a} that is on", hint=f"the settings have: {there}")
        return self._lines[name]


def _id(errand: Errand) -> str:
    return derived_id("errand", errand.integration, errand.key)


def _pause(attempts: int, after: int) -> int:
    return max(BACKOFF[min(attempts, len(BACKOFF)) - 1], after) * SECOND


def counted(database: Database) -> dict[str, dict[str, int]]:
    """Integration → state → how many, of a folder where nobody sends. Raises `Unavailable`."""
    return Shelf(database).counts()
