"""What faces show of on-call: plain structs, made of the settings and the tables. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import select

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import NotFound
from watchkeeper.respond.oncall import _store
from watchkeeper.respond.oncall._store import CLOSED, WAITING, EscalationRow, PageRow
from watchkeeper.respond.oncall.model import Override, Plan, Shift
from watchkeeper.respond.oncall.paging import Ground
from watchkeeper.respond.oncall.rotation import shift_at, shifts

_DAY = 24 * 3600 * SECOND
_MOST = 200


class Seat(msgspec.Struct, frozen=True):
    """A rota now."""

    rota: str
    zone: str
    person: str
    """Empty when nobody is on call."""
    why: str
    since: int
    until: int
    next: str
    """Who follows; empty when nobody does."""
    is_gone: bool
    """They were taken off the roster of operators: nobody is paged."""


class Escalating(msgspec.Struct, frozen=True):
    """An incident that is not over, as on-call has it."""

    incident: str
    number: str
    title: str
    severity: int
    state: str
    """`open` or `acknowledged`."""
    opened_at: int
    acknowledged_at: int
    acknowledged_by: str
    steps: int
    """How many steps of the escalation were taken."""
    next_at: int
    """When the next one is due; 0 when none is."""


class Paged(msgspec.Struct, frozen=True):
    """A page."""

    id: str
    number: str
    title: str
    severity: int
    person: str
    channel: str
    level: int
    state: str
    why: str
    due_at: int
    made_at: int
    ended_at: int
    attempts: int


class Quieted(msgspec.Struct, frozen=True):
    """Somebody who asked for quiet."""

    person: str
    ends_at: int
    reason: str
    by: str


class Standing(msgspec.Struct, frozen=True):
    """Everything about on-call, for one page."""

    is_on: bool
    """Whether the settings name anybody to call."""
    seats: tuple[Seat, ...]
    escalations: tuple[Escalating, ...]
    pages: tuple[Paged, ...]
    """Those that wait."""
    overrides: tuple[Override, ...]
    quiet: tuple[Quieted, ...]
    strangers: tuple[str, ...] = ()
    """People of the settings who are no operators: they are paged, and can take nothing on."""


class OncallView:
    """Reads."""

    def __init__(self, on: Ground, plan: Plan) -> None:
        self._on = on
        self.plan = plan

    def standing(self) -> Standing:
        """How on-call stands now."""
        now = self._on.clock.now()
        with self._on.database.read() as session:
            overrides = _store.overrides_of(session, now)
            row = EscalationRow
            wanted = select(row).where(row.state != CLOSED).order_by(row.severity.desc(), row.opened_at).limit(_MOST)
            held = tuple(self._escalating(one) for one in session.scalars(wanted))
            waits = select(PageRow).where(PageRow.state.in_(WAITING)).order_by(PageRow.due_at).limit(_MOST)
            pages = tuple(_paged(one) for one in session.scalars(waits))
            asked = _store.quiet_of(session, now).values()
            quiet = tuple(Quieted(one.person, one.ends_at, one.reason, one.by) for one in asked)
        seats = tuple(self._seat(rota, now, overrides) for rota in self.plan.rotas)
        return Standing(self.plan.is_on, seats, held, pages, tuple(overrides), quiet)

    def calendar(self, rota: str, days: int) -> list[Shift]:
        """The shifts of the next days. Raises `NotFound`."""
        if rota not in self.plan.rotas:
            raise NotFound(f"there is no rota {rota[:80]!a}", hint=f"there is: {', '.join(self.plan.rotas) or 'none'}")
        now = self._on.clock.now()
        with self._on.database.read() as session:
            overrides = _store.overrides_of(session, now)
        return shifts(self.plan.rotas[rota], now, now + days * _DAY, overrides)

    def pages_of(self, incident: str) -> list[Paged]:
        """Every page of an incident, by its id or number, the oldest first."""
        page = PageRow
        with self._on.database.read() as session:
            wanted = select(page).where((page.incident == incident) | (page.number == incident)).order_by(page.made_at)
            return [_paged(one) for one in session.scalars(wanted.limit(_MOST))]

    def _seat(self, name: str, now: int, overrides: Sequence[Override]) -> Seat:
        rota = self.plan.rotas[name]
        shift = shift_at(rota, now, overrides)
        follows = shift_at(rota, shift.ends_at, overrides).person
        is_gone = bool(shift.person) and self._on.is_gone(shift.person)
        begins, ends = shift.begins_at, shift.ends_at
        return Seat(name, rota.zone.key, shift.person, shift.why, begins, ends, follows, is_gone)

    def _escalating(self, row: EscalationRow) -> Escalating:
        names = [name for name in Escalating.__struct_fields__ if name not in {"steps", "next_at"}]
        members = {name: getattr(row, name) for name in names}
        return Escalating(**members, steps=row.rung, next_at=self._next_at(row))

    def _next_at(self, row: EscalationRow) -> int:
        rungs = self.plan.rungs
        is_called = bool(rungs) and row.pages and row.state == _store.OPEN and row.severity >= self.plan.page_from
        if not is_called or (row.rung and row.severity < self.plan.escalate_from):
            return 0
        if row.rung >= len(rungs) and not rungs[-1].is_fallback:
            return 0
        return row.stepped_at + rungs[min(row.rung, len(rungs) - 1)].wait if row.rung else row.opened_at


def _paged(row: PageRow) -> Paged:
    return Paged(**{name: getattr(row, name) for name in Paged.__struct_fields__})
