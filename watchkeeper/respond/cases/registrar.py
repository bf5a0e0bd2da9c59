"""How every act on an incident begins and ends: one at a time, by an operator, told in the journal and the timeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Invalid
from watchkeeper.core.ids import observed_id
from watchkeeper.respond import _store
from watchkeeper.respond._minutes import incident_event
from watchkeeper.respond._store import IncidentRow
from watchkeeper.respond.cases._store import HistoryRow
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Incident, IncidentState, Mark

LONGEST = 10_000
"""Characters of a text that a person writes."""
LONGEST_LINE = 500
"""Characters of a title or a reason."""


@dataclass
class Work:
    """An act on one incident, inside its transaction: nobody else changes an incident meanwhile."""

    session: Session
    row: IncidentRow
    by: str
    now: int
    ledger: Ledger

    @property
    def incident(self) -> Incident:
        """As it is now."""
        self.session.flush()
        return _store.incident_of(self.row)

    def change(self, field: str, becomes: str, reason: str, was: str) -> None:
        """Keep what a member was, and raise the revision."""
        self.session.add(
            HistoryRow(
                incident=self.row.id,
                time=self.now,
                by=self.by,
                field=field,
                was=was,
                becomes=becomes,
                reason=reason,
            )
        )
        self.row.revision += 1

    def tell(self, kind: str, what: str, more: dict[str, Any] | None = None, mark: Mark = Mark.NOTE) -> str:
        """Stage the event and its line in the timeline. Returns the event's id."""
        self.row.updated_at = self.now
        self.session.flush()
        event = incident_event(kind, self.row, self.now, observed_id(), actor=self.by, more=more)
        self.ledger.stage(self.session, event, self.row.id, what, mark)
        return event.id


HOOK = "webhook:"
"""Another system, whose word was signed."""


class Registrar:
    """Opens acts."""

    def __init__(self, database: Database, ledger: Ledger, clock: Clock) -> None:
        self.database = database
        self.ledger = ledger
        self.clock = clock

    @contextmanager
    def opened(self, name: str, by: str, *, revision: int = 0, may_hook: bool = False) -> Iterator[Work]:
        """An act by an operator; the events of it are recorded when it has been committed.

        With `revision`: only if nobody changed it since it was that. Raises `NotFound`, `Conflict`, `Invalid`.
        """
        if not (may_hook and by.startswith(HOOK) and by != HOOK):
            require_operator(by)
        with self.database.write() as session:
            _store.lock(session)
            yield self.work_on(session, name, by, revision)
        self.ledger.flush()

    def work_on(self, session: Session, name: str, by: str, revision: int = 0) -> Work:
        """The same inside a transaction that holds the lock already."""
        row = _store.find_incident(session, name)
        if row.merged_into:
            into = session.get_one(IncidentRow, row.merged_into)
            raise Conflict(f"{row.number} was merged into {into.number}", hint=f"work on {into.number}")
        if revision and row.revision != revision:
            raise Conflict(
                f"{row.number} was changed meanwhile: it is at revision {row.revision}, not {revision}",
                hint=f"look at it again: `watchkeeper incidents show {row.number}`",
            )
        return Work(session, row, by, self.clock.now(), self.ledger)


def require_operator(by: str) -> None:
    """Raises `Invalid`: an agent or a playbook decides nothing about an incident."""
    if not by.startswith("operator:") or not by.removeprefix("operator:"):
        raise Invalid(f"{by or 'nobody'} is no operator", hint="an agent or a playbook never works on an incident")


def require_open(row: IncidentRow) -> None:
    """Raises `Conflict` for a closed incident."""
    if row.state == IncidentState.CLOSED.value:
        raise Conflict(f"{row.number} is closed", hint=f"reopen it first: `watchkeeper incidents reopen {row.number}`")


def said(text: str, what: str, *, longest: int = LONGEST_LINE, may_lack: bool = False) -> str:
    """A text that a person wrote, without blanks around it. Raises `Invalid`."""
    text = text.strip()
    require_storable(text)
    if not text and not may_lack:
        raise Invalid(f"{what} is empty", hint="say it in a few words")
    if len(text) > longest:
        raise Invalid(f"{what} has {len(text)} characters", hint=f"at most {longest}")
    return text


def require_storable(value: Any) -> None:
    """Raises `Invalid` for a text, anywhere in it, that no database keeps: with a NUL, or half of a surrogate pair."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            require_storable(inner)
    elif isinstance(value, str) and ("\x00" in value or any("\ud800" <= one <= "\udfff" for one in value)):
        raise Invalid("a text holds a character that cannot be kept", hint="leave out NUL and lone surrogates")


def operator_named(name: str) -> str:
    """`operator:NAME` of a name with or without its prefix; empty stays empty. Raises `Invalid`."""
    short = name.strip().removeprefix("operator:")
    if ":" in short or len(short) > 64 or any(c.isspace() or not c.isprintable() for c in short):
        raise Invalid(f"{name!r} is no name of an operator", hint="see `watchkeeper operators list`")
    return f"operator:{short}" if short else ""
