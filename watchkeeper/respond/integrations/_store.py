"""The table of deliveries, and the rows' way to and from the model. Nobody else's business."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    CursorResult,
    Integer,
    String,
    Text,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.clock import SECOND
from watchkeeper.core.database import Base, Database
from watchkeeper.core.errors import NotFound
from watchkeeper.respond.errands import Delivery, Errand, Receipt, State

_AT_ONCE = 32
_CROWD = 500
_FAR = 2 * 3600 * SECOND
"""Nothing is put off for longer; a time beyond is of a clock that was put back since."""


class DeliveryRow(Base):
    """An errand for one integration, from before it is sent until long after."""

    __tablename__ = "respond_deliveries"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Derived from the errand's key."""
    integration: Mapped[str] = mapped_column(String(64), index=True)
    incident: Mapped[str] = mapped_column(String(64), index=True)
    thread: Mapped[str] = mapped_column(String(200))
    seq: Mapped[int] = mapped_column(BigInteger)
    """Order in which they were asked for."""
    state: Mapped[str] = mapped_column(String(16), index=True)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[int] = mapped_column(BigInteger)
    """When it is tried next; while it is sent, when whoever sends it counts as dead."""
    ended_at: Mapped[int] = mapped_column(BigInteger, default=0)
    is_doubtful: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether an attempt ended without anybody knowing how."""
    errand: Mapped[str] = mapped_column(Text)
    receipt: Mapped[str] = mapped_column(Text, default="")
    why: Mapped[str] = mapped_column(Text, default="")


def errand_of(row: DeliveryRow) -> Errand:
    return msgspec.json.decode(row.errand, type=Errand)


def delivery_of(row: DeliveryRow) -> Delivery:
    return Delivery(
        errand=errand_of(row),
        state=State(row.state),
        attempts=row.attempts,
        due_at=row.due_at,
        ended_at=row.ended_at,
        receipt=msgspec.json.decode(row.receipt, type=Receipt) if row.receipt else None,
        why=row.why,
    )


def in_turn(rows: Iterable[DeliveryRow]) -> list[DeliveryRow]:
    """Those that nothing of their thread comes before: a page is resolved after it was triggered. `rows` in order."""
    taken: set[tuple[str, str]] = set()
    first = []
    for row in rows:
        thread = (row.integration, row.thread or row.id)
        if thread not in taken:
            first.append(row)
        if row.state != State.UNVERIFIED.value:  # it was sent: what follows may follow
            taken.add(thread)
    return first


class Shelf:
    """The rows, as the outbox handles them. Raises `Unavailable` when the database is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, row_id: str, errand: Errand, now: int) -> Delivery:
        """The row of an errand, made if it is new."""
        with self._database.write() as session:
            row = session.get(DeliveryRow, row_id)
            if row is None:
                seq = (session.scalar(select(func.max(DeliveryRow.seq))) or 0) + 1
                row = DeliveryRow(
                    id=row_id,
                    integration=errand.integration,
                    incident=errand.incident,
                    thread=errand.thread[:200],
                    seq=seq,
                    state=State.DUE.value,
                    attempts=0,
                    due_at=now,
                    ended_at=0,
                    is_doubtful=False,
                    errand=msgspec.json.encode(errand).decode(),
                    receipt="",
                    why="",
                )
                session.add(row)
                session.flush()
            return delivery_of(row)

    def find(self, row_id: str) -> Delivery:
        """Raises `NotFound`."""
        with self._database.read() as session:
            row = session.get(DeliveryRow, row_id)
            if row is None:
                raise NotFound("there is no such errand", hint="it was never asked for, or a month ago")
            return delivery_of(row)

    def recover(self, name: str, now: int) -> None:
        """What somebody was sending who is not there any more is due again: how that ended nobody knows."""
        row = DeliveryRow
        dead = row.integration == name, row.state == State.SENDING.value, _is_due(now)
        with self._database.read() as session:
            if session.scalar(select(row.id).where(*dead).limit(1)) is None:
                return
        with self._database.write() as session:
            session.execute(update(row).where(*dead).values(state=State.DUE.value, is_doubtful=True))

    def due(self, name: str, now: int, only: str = "") -> list[DeliveryRow]:
        """What may be sent now, oldest first."""
        row = DeliveryRow
        states = (State.DUE.value, State.SENDING.value, State.UNVERIFIED.value)
        waiting = select(row).where(row.integration == name, row.state.in_(states), row.ended_at == 0)
        with self._database.read() as session:
            rows = session.scalars(waiting.order_by(row.seq).limit(_CROWD)).all()
        ready = [
            one for one in in_turn(rows) if one.state != State.SENDING.value and not now < one.due_at <= now + _FAR
        ]
        return [one for one in ready if only in ("", one.id)][:_AT_ONCE]

    def claim(self, row: DeliveryRow, until: int) -> bool:
        """Whether it is ours to send: of several processes, one gets it."""
        table = DeliveryRow
        mine = table.id == row.id, table.state == row.state, table.attempts == row.attempts
        state = State.SENDING.value if row.state == State.DUE.value else row.state
        claim = update(table).where(*mine).values(attempts=row.attempts + 1, due_at=until, state=state)
        with self._database.write() as session:
            return cast("CursorResult[tuple[()]]", session.execute(claim)).rowcount == 1

    def retry(self, name: str, now: int) -> int:
        """What lies aside is due again; how many."""
        row = DeliveryRow
        with self._database.write() as session:
            aside = row.integration == name, row.state == State.DEAD.value
            keys = list(session.scalars(select(row.id).where(*aside)))
            again = update(row).where(row.id.in_(keys))
            session.execute(again.values(state=State.DUE.value, attempts=0, due_at=now, ended_at=0))
        return len(keys)

    def forget(self, name: str, before: int) -> None:
        """Rows that ended before then, except what still lies aside."""
        row = DeliveryRow
        old = row.integration == name, row.ended_at > 0, row.ended_at < before, row.state != State.DEAD.value
        with self._database.read() as session:
            if session.scalar(select(row.id).where(*old).limit(1)) is None:
                return
        with self._database.write() as session:
            session.execute(delete(row).where(*old))

    def counts(self) -> dict[str, dict[str, int]]:
        """Integration → state → how many."""
        row, found = DeliveryRow, dict[str, dict[str, int]]()
        with self._database.read() as session:
            for name, state, many in session.execute(
                select(row.integration, row.state, func.count()).group_by(row.integration, row.state)
            ):
                found.setdefault(name, {})[state] = many
        return found

    def last_sent(self) -> dict[str, int]:
        """Integration → when it last took something."""
        row = DeliveryRow
        with self._database.read() as session:
            rows = session.execute(
                select(row.integration, func.max(row.ended_at))
                .where(row.state == State.SENT.value)
                .group_by(row.integration)
            )
            return {row[0]: row[1] for row in rows}


def _is_due(now: int) -> ColumnElement[bool]:
    return or_(DeliveryRow.due_at <= now, DeliveryRow.due_at > now + _FAR)
