"""Planned maintenance: the switch pages nobody for a while. Bounded, journalled, and over by itself."""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger, String, Text, select
from sqlalchemy.orm import Mapped, mapped_column

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Base, Database
from watchkeeper.core.errors import Denied, Invalid, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.events import Severity, new_event
from watchkeeper.operators.ports import Recorder

LONGEST = 4 * 3600
"""Seconds of one pause."""


class PauseRow(Base):
    __tablename__ = "deadman_pauses"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    begins_at: Mapped[int] = mapped_column(BigInteger)
    ends_at: Mapped[int] = mapped_column(BigInteger, index=True)
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(128))


class Pause(msgspec.Struct, frozen=True):
    """A while in which nobody is paged."""

    id: str
    begins_at: int
    ends_at: int
    reason: str
    by: str


def pause_at(database: Database, now: int) -> Pause | None:
    """The pause that is on; None when none is. One that began in the future is none: the clock was put back.

    Raises `Unavailable`.
    """
    row = PauseRow
    with database.read() as session:
        found = session.scalar(
            select(row).where(row.begins_at <= now, row.ends_at > now).order_by(row.ends_at.desc()).limit(1)
        )
        return None if found is None else Pause(found.id, found.begins_at, found.ends_at, found.reason, found.by)


class Pauses:
    """Begins and ends them, in a person's name."""

    def __init__(self, database: Database, journal: Recorder, clock: Clock) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock

    def pause(self, seconds: int, by: str, reason: str) -> Pause:
        """From now on, for so long. Raises `Denied` for whoever is no operator, `Invalid`."""
        _check(by)
        if not 0 < seconds <= LONGEST:
            raise Invalid("a pause lasts for four hours at most", hint="for example --for 30m; give another one then")
        if not reason.strip():
            raise Invalid("a pause needs a reason", hint="say what is being done: --reason")
        now = self._clock.now()
        made = Pause(observed_id(), now, now + seconds * SECOND, reason, by[:128])
        with self._database.write() as session:
            session.add(PauseRow(**msgspec.structs.asdict(made)))
            self._tell("respond.deadman.paused", by, {"until": made.ends_at, "reason": reason}, Severity.MEDIUM)
        return made

    def resume(self, by: str) -> Pause:
        """End what is on. Raises `NotFound`, `Denied`."""
        _check(by)
        now, row = self._clock.now(), PauseRow
        with self._database.write() as session:
            rows = session.scalars(select(row).where(row.ends_at > now)).all()
            if not rows:
                raise NotFound("the dead-man's switch is not paused", hint="see `watchkeeper deadman status`")
            for one in rows:
                one.ends_at = now
            last = rows[-1]
            ended = Pause(last.id, last.begins_at, now, last.reason, last.by)
            self._tell("respond.deadman.resumed", by, {"until": now}, Severity.INFORMATIONAL)
        return ended

    def _tell(self, kind: str, by: str, body: dict[str, object], severity: Severity) -> None:
        now = self._clock.now()
        self._journal.record(
            new_event(now, kind, actor=by, target="deadman", outcome="success", severity=severity, body=body)
        )


def _check(by: str) -> None:
    if not by.startswith("operator:"):
        raise Denied(
            f"{by or 'nobody'} is no operator", rule="deadman.pause", hint="an agent never silences the switch"
        )
