"""The values behind placeholders in the control state: sealed rows that any worker, and a restarted one, can open.

A row says whose it is and until when; everything else is sealed under the key of placeholders, bound to its owner and
name, so that whoever can write the table can neither read a value nor say that another server may see it. What is
forgotten on purpose (a client was revoked, a person erased) leaves a mark, so that a worker that has not heard of it
yet cannot write it again. Blocking. Above: `sharing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import BigInteger, Index, String, Text, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Base, Database
from watchkeeper.gateway import _store
from watchkeeper.gateway.redaction.settings import RedactionSettings
from watchkeeper.gateway.redaction.vault import Record

SUBJECT = "values"
MOST_NEWS = 5_000
"""Rows taken over at once, the newest."""
_MARK = ""
"""The name of a row that says that everything older of its owner was forgotten."""
_MARKED_SECONDS = 24 * 3600
_PRUNED_EVERY = 256
"""Rows written between two looks at the bounds."""
_AT_ONCE = 500
Merge = Callable[[Record, str], str]


class ValueRow(Base):
    """One value, or the mark of an owner."""

    __tablename__ = "gateway_values"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    until: Mapped[int] = mapped_column(BigInteger)
    generation: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("gateway_values_news", "tenant", "generation"),)


class News:
    """What others wrote since the last look."""

    def __init__(self, forgotten: Sequence[str], told: Sequence[Record]) -> None:
        self.forgotten = forgotten
        """Owners of whom nothing that was known before may be kept."""
        self.told = told


class Values:
    """One process's view of the table."""

    def __init__(self, database: Database, clock: Clock, tenant: str = "default") -> None:
        self._database = database
        self._clock = clock
        self._tenant = tenant
        self._written = 0
        _store.ensure_generation(database, tenant, SUBJECT)
        with database.read() as session:
            self._heard = _store.generation(session, tenant, SUBJECT)

    def save(self, records: Sequence[Record], merge: Merge, bounds: RedactionSettings) -> tuple[str, ...]:
        """Write what is new; it is durable when this returns. Raises `Unavailable`, and then nothing was written.

        Returns the owners of whom everything was forgotten since this process last heard: nothing of theirs is written.
        """
        row, now = ValueRow, self._clock.now()
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant, SUBJECT)
            at.value += 1
            forgotten = self._forgotten(session, {record.owner for record in records})
            for record in records:
                if record.owner in forgotten:
                    continue
                until = now + int(record.seconds * SECOND)
                known = session.get(row, (self._tenant, record.owner, record.name))
                if known is None:
                    known = row(
                        tenant=self._tenant, owner=record.owner, name=record.name, sealed=record.sealed, until=0
                    )
                    session.add(known)
                elif known.until >= now:
                    known.sealed = merge(record, known.sealed)
                else:
                    known.sealed = record.sealed
                known.until, known.generation = max(known.until, until), at.value
            self._prune(session, {record.owner for record in records}, len(records), bounds, now)
        return tuple(forgotten)

    def find(self, owner: str, names: Iterable[str]) -> list[Record]:
        """What is kept under these names. Raises `Unavailable`."""
        row, now, wanted = ValueRow, self._clock.now(), sorted(set(names))
        found: list[Record] = []
        with self._database.read() as session:
            for start in range(0, len(wanted), _AT_ONCE):
                query = select(row).where(
                    row.tenant == self._tenant,
                    row.owner == owner,
                    row.name.in_(wanted[start : start + _AT_ONCE]),
                    row.until >= now,
                )
                found += (self._record(one, now) for one in session.scalars(query))
        return found

    def news(self) -> News:
        """What was written by anybody since the last look. Raises `Unavailable`."""
        row, now = ValueRow, self._clock.now()
        with self._database.read() as session:
            current = _store.generation(session, self._tenant, SUBJECT)
            if current == self._heard:
                return News((), ())
            newer = (row.tenant == self._tenant, row.generation > self._heard)
            forgotten = session.scalars(select(row.owner).where(*newer, row.name == _MARK)).all()
            query = select(row).where(*newer, row.name != _MARK).order_by(row.generation.desc()).limit(MOST_NEWS)
            told = [self._record(one, now) for one in session.scalars(query)]
        self._heard = current
        return News(forgotten, told)

    def forget(self, owner: str) -> int:
        """Delete every value of a principal, for good; how many there were. Raises `Unavailable`."""
        row, now = ValueRow, self._clock.now()
        is_file = self._database.engine.dialect.name == "sqlite"
        with self._database.write() as session:
            if is_file:
                session.connection().exec_driver_sql("PRAGMA secure_delete=ON")
            at = _store.lock_generation(session, self._tenant, SUBJECT)
            at.value += 1
            own = (row.tenant == self._tenant, row.owner == owner)
            count = session.scalar(select(func.count()).where(*own, row.name != _MARK)) or 0
            session.execute(delete(row).where(*own))
            until = now + _MARKED_SECONDS * SECOND
            mark = row(tenant=self._tenant, owner=owner, name=_MARK, sealed="", until=until, generation=at.value)
            session.add(mark)
        if is_file:  # the log in front of the file has them, too
            connection = self._database.engine.raw_connection()
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            connection.close()
        return int(count)

    def _forgotten(self, session: Session, owners: set[str]) -> set[str]:
        row, found, asked = ValueRow, set[str](), sorted(owners)
        for start in range(0, len(asked), _AT_ONCE):
            here = (row.owner.in_(asked[start : start + _AT_ONCE]), row.name == _MARK)
            query = select(row.owner).where(row.tenant == self._tenant, *here, row.generation > self._heard)
            found.update(session.scalars(query))
        return found

    def _prune(self, session: Session, owners: set[str], written: int, bounds: RedactionSettings, now: int) -> None:
        """Keep to the bounds, and to the time; looked at now and then, for counting is not free."""
        self._written += written
        if self._written < min(_PRUNED_EVERY, bounds.of_one):
            return
        self._written = 0
        session.flush()
        row, all_of = ValueRow, (ValueRow.tenant == self._tenant,)
        session.execute(delete(row).where(*all_of, row.until < now))
        for owner in owners:
            _keep_newest(session, (*all_of, row.owner == owner), bounds.of_one)
        _keep_newest(session, all_of, bounds.values)

    def _record(self, row: ValueRow, now: int) -> Record:
        return Record(row.owner, row.name, row.sealed, (row.until - now) / SECOND)


def _keep_newest(session: Session, where: tuple[object, ...], most: int) -> None:
    row = ValueRow
    over = (session.scalar(select(func.count()).select_from(row).where(*where, row.name != _MARK)) or 0) - most  # type: ignore[arg-type]  # they are conditions
    if over <= 0:
        return
    oldest = select(row.owner, row.name).where(*where, row.name != _MARK).order_by(row.until).limit(over)  # type: ignore[arg-type]
    for owner, name in session.execute(oldest).all():
        session.execute(delete(row).where(*where, row.owner == owner, row.name == name))  # type: ignore[arg-type]
