"""Time, as one thread: decides the gates that are due, and has whatever is due carried on.

Timeouts are judged by the steady clock where it is the one they were set by, so a clock that is put forward ends
nothing early and one that is put back holds nothing up. When the two clocks part, that is recorded and the times that
people see are put right. After a restart of the host only the wall clock is left, and what it says is believed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy import select

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.lasting import Lasting
from watchkeeper.events import new_event
from watchkeeper.respond.gates import _rows
from watchkeeper.respond.gates._rows import GateRow
from watchkeeper.respond.gates.book import Gates
from watchkeeper.respond.gates.model import Gate, GateState
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import ACTOR

LOOK = 0.5
"""Seconds between two looks when nothing calls: other processes decide, too."""
JUMP = 2_000_000
"""Microseconds by which the clocks may part between two looks before it counts as a jump."""
_log = logging.getLogger(__name__)


class Clockwork:
    """Of the process that carries the runs."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        clock: Clock,
        gates: Gates,
        *,
        carry_on: Callable[[], None],
        ask: Callable[[Gate], None],
    ) -> None:
        """`carry_on` begins what is due; `ask` tells people of a gate that is theirs now."""
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self._gates = gates
        self._carry_on = carry_on
        self._ask = ask
        self._news = threading.Event()
        self._seen: tuple[int, int] | None = None
        self._trouble = Lasting(_log, "the gates of playbooks cannot be looked at")
        gates.on_news = self._news.set

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; call `wake` after setting it to end at once."""
        while not stop.is_set():
            self._news.clear()
            try:
                with self._trouble.told():
                    self.tick()
            except Exception:  # noqa: BLE001 — the outermost loop of what must not die: without it no gate is decided
                _log.exception("the gates of playbooks cannot be looked at")
            self._news.wait(LOOK)

    @property
    def trouble(self) -> str:
        """Why it cannot look; empty while it can."""
        return self._trouble.why

    def wake(self) -> None:
        """Look now."""
        self._news.set()

    def tick(self) -> None:
        """One look."""
        self._notice_jump()
        with self._database.read() as session:
            due = _rows.due_gates(session, self._clock.now(), self._gates.steady.boot, self._gates.steady.now())
        for gate_id in due:
            asked = self._gates.expire(gate_id)
            if asked is not None:
                self._ask(asked)
        self._carry_on()
        self._ledger.retry()

    def _notice_jump(self) -> None:
        wall, steady = self._clock.now(), self._gates.steady.now()
        before = self._seen or (wall, steady)
        by = (wall - before[0]) - (steady - before[1])
        if abs(by) > JUMP:
            self._put_right(wall, steady, by)
        self._seen = (wall, steady)  # a jump that could not be noted is met again at the next look

    def _put_right(self, wall: int, steady: int, by: int) -> None:
        boot = self._gates.steady.boot
        with self._database.write() as session:
            rows = session.scalars(
                select(GateRow).where(
                    GateRow.state == GateState.OPEN.value, GateRow.boot == boot, GateRow.due_steady > 0
                )
            )
            moved = 0
            for row in rows:
                row.due_at, moved = wall + row.due_steady - steady, moved + 1
            body = {"by_us": by, "gates": moved}
            event = new_event(wall, "respond.clock.jumped", actor=ACTOR, outcome="failure", body=body)
            self._ledger.stage(session, event)
        self._ledger.flush()
        _log.warning("the clock jumped by %.1f s; %d gates keep the time they had", by / 1_000_000, moved)
