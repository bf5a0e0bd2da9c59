"""The roster: who operates, in which role. Every change is a fact before it takes effect, and takes effect at once.

Whoever may use the data folder is not on it and needs no invitation: the operating system knows them, and they can
change the folder anyway. So the last admin can be revoked without anybody being locked out.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, NotFound
from watchkeeper.events import new_event
from watchkeeper.operators._store import PersonRow, TokenRow
from watchkeeper.operators.model import Person, check_name, role_named
from watchkeeper.operators.ports import Recorder

_HINT = "see `watchkeeper operators list`"


class Roster:
    """One tenant's operators. Safe for threads and processes; blocks."""

    def __init__(self, database: Database, journal: Recorder, clock: Clock, tenant: str = "default") -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._tenant = tenant

    def list(self) -> Sequence[Person]:
        """Everybody, also who was revoked, by name."""
        with self._database.read() as session:
            rows = session.scalars(select(PersonRow).where(PersonRow.tenant == self._tenant).order_by(PersonRow.name))
            return [_person(row) for row in rows]

    def role_of(self, name: str, since: int) -> str:
        """The role now of somebody who has been an operator since then, without a break; else empty."""
        with self._database.read() as session:
            row = session.get(PersonRow, (self._tenant, name))
            return "" if row is None or row.revoked_at or since < row.invited_at else row.role

    def knows(self, name: str) -> bool:
        """Whether there is, or was, an operator of this name."""
        with self._database.read() as session:
            return session.get(PersonRow, (self._tenant, name)) is not None

    def counts_as(self, actor: str, role: str, at: int) -> str:
        """The role in which counts now what somebody said then, in this role; empty when it does not count any more.

        Whoever was never on the roster is known by other means, and is believed.
        """
        kind, _, name = actor.partition(":")
        if kind != "operator":
            return role
        with self._database.read() as session:
            row = session.get(PersonRow, (self._tenant, name))
        if row is None:
            return role
        if row.revoked_at or at < row.invited_at:
            return ""
        return row.role if row.changed_at > at else role

    def invite(self, name: str, role: str, by: str) -> Person:
        """Put somebody on the roster, or back on it. Raises `Invalid`, and `Conflict` when they are there."""
        check_name(name)
        role, now = role_named(role).value, self._clock.now()
        with self._database.write() as session:
            row = session.get(PersonRow, (self._tenant, name))
            if row is not None and not row.revoked_at:
                raise Conflict(f"{name} is an operator already, as {row.role}", hint="see `watchkeeper operators role`")
            row = row or PersonRow(tenant=self._tenant, name=name)
            row.role, row.invited_by, row.invited_at, row.changed_at, row.revoked_at = role, by[:128], now, now, 0
            session.add(row)
            self._record("operators.person.invited", by, name, {"role": role})
            return _person(row)

    def change(self, name: str, role: str, by: str) -> Person:
        """Give somebody another role. Raises `Invalid`, `NotFound`."""
        role = role_named(role).value
        with self._database.write() as session:
            row = self._row(session, name)
            before, row.role, row.changed_at = row.role, role, self._clock.now()
            self._record("operators.role.changed", by, name, {"role": role, "was": before})
            return _person(row)

    def revoke(self, name: str, by: str) -> Person:
        """Take somebody off, with every session, link and token of theirs. Raises `NotFound`."""
        now = self._clock.now()
        with self._database.write() as session:
            row = self._row(session, name)
            row.revoked_at = row.changed_at = now
            theirs = (TokenRow.tenant == self._tenant, TokenRow.operator == name, TokenRow.revoked_at == 0)
            session.execute(update(TokenRow).where(*theirs).values(revoked_at=now))
            self._record("operators.person.revoked", by, name, {"role": row.role})
            return _person(row)

    def _row(self, session: Session, name: str) -> PersonRow:
        row = session.get(PersonRow, (self._tenant, name))
        if row is None or row.revoked_at:
            raise NotFound(f"there is no operator {name[:80]!a}", hint=_HINT)
        return row

    def _record(self, kind: str, by: str, name: str, body: dict[str, object]) -> None:
        now, target = self._clock.now(), f"operator:{name}"
        self._journal.record(
            new_event(now, kind, tenant=self._tenant, actor=by, target=target, outcome="success", body=body)
        )


def _person(row: PersonRow) -> Person:
    return Person(**{name: getattr(row, name) for name in Person.__struct_fields__})
