"""What was ended under which key, in the control state: so that a key is one ending over a gateway's restart too.

Each gateway keeps its own part, and finds the part of the process before it by its place: host, data folder and log.
A part is begun before anything is ended, done once it is, and told once the journal has it. It is removed after
`KEPT_SECONDS`; a key that is used again after that is a new one.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import NotFound, Untrusted
from watchkeeper.core.ids import derived_id
from watchkeeper.core.sealing import SealingKey
from watchkeeper.gateway import _store as counters
from watchkeeper.gateway.custody._store import ENDINGS, EndingRow
from watchkeeper.gateway.custody.model import Asked, Meant

KEPT_SECONDS = 30 * 24 * 3600
"""How long an answer is kept: longer than any playbook's run waits between two steps."""
KEY_FILE = Path("keys") / "endings.key"
"""In the data folder."""
Verb = Literal["end", "drain"]


class Deed(msgspec.Struct, frozen=True):
    """Something that is to be ended once."""

    verb: Verb
    target: str
    asked: Asked

    def id(self, tenant: str) -> str:
        """The same in every gateway."""
        return derived_id("gateway.ending", tenant, self.verb, self.asked.key, self.target)


class Part(msgspec.Struct, frozen=True):
    """A gateway's part in a deed, as it was found or begun."""

    state: Literal["fresh", "left", "done"]
    """`left`: a process that is gone began it, or it was wanted before this process was."""
    place: str
    meant: Meant = Meant()
    """Of what was left."""
    answer: dict[str, Any] = {}
    is_told: bool = False
    is_own: bool = True
    """False where nothing of this place was meant: it was not there yet."""


class Kept(msgspec.Struct, frozen=True):
    """What some gateway came to, or did not yet."""

    place: str
    gateway: str
    answer: dict[str, Any] | None


class Ledger:
    """One gateway process's. Blocking; safe for threads. Made before any client is served."""

    def __init__(self, database: Database, clock: Clock, data_dir: Path, writer: str, tenant: str = "default") -> None:
        """`writer` names the process's log; what takes its place has the same."""
        self._database = database
        self._clock = clock
        self._tenant = tenant
        self.place = derived_id("gateway.place", socket.gethostname(), str(data_dir), writer)
        self._process = secrets.token_hex(16)
        self._key = SealingKey.load_or_create(data_dir / KEY_FILE)
        counters.ensure_generation(database, tenant, ENDINGS)
        with database.read() as session:
            self._born = counters.generation(session, tenant, ENDINGS)

    def begin(self, deed: Deed, gateway: str, meant: Meant) -> Part:
        """Note what is meant, unless it was begun before; then what became of it. Raises `Unavailable`."""
        now, deed_id = self._clock.now(), deed.id(self._tenant)
        with self._database.write() as session:
            at = counters.lock_generation(session, self._tenant, ENDINGS)
            session.execute(
                delete(EndingRow).where(
                    EndingRow.tenant == self._tenant, EndingRow.begun_at < now - KEPT_SECONDS * SECOND
                )
            )
            row = session.get(EndingRow, (self._tenant, deed_id, self.place))
            if row is not None:
                return self._found(row)
            first = self._first(session, deed_id)
            if first is not None and first <= self._born:
                return Part("left", self.place, is_own=False)
            at.value += 1
            session.add(
                EndingRow(
                    tenant=self._tenant,
                    id=deed_id,
                    place=self.place,
                    verb=deed.verb,
                    target=deed.target,
                    asked=msgspec.json.encode(deed.asked).decode(),
                    gateway=gateway,
                    process=self._process,
                    generation=at.value if first is None else first,
                    meant=self._key.seal(msgspec.json.encode(meant), deed_id, self.place),
                    answer="",
                    begun_at=now,
                    done_at=0,
                    told_at=0,
                )
            )
        return Part("fresh", self.place)

    def done(self, deed: Deed, answer: dict[str, Any]) -> None:
        """It has come to this; what was meant is not kept any longer. Raises `Unavailable`."""
        with self._database.write() as session:
            row = self._row(session, deed)
            row.answer, row.meant, row.done_at = msgspec.json.encode(answer).decode(), "", self._clock.now()

    def told(self, deed: Deed) -> None:
        """The journal has it."""
        with self._database.write() as session:
            self._row(session, deed).told_at = self._clock.now()

    def untold(self) -> list[Deed]:
        """What processes before this one began and did not bring to its end."""
        with self._database.read() as session:
            rows = session.scalars(
                select(EndingRow).where(
                    EndingRow.tenant == self._tenant,
                    EndingRow.place == self.place,
                    EndingRow.told_at == 0,
                    EndingRow.process != self._process,
                )
            ).all()
        return [Deed(row.verb, row.target, msgspec.json.decode(row.asked, type=Asked)) for row in rows]  # type: ignore[arg-type]  # as it was put

    def _found(self, row: EndingRow) -> Part:
        if row.done_at:
            answer = msgspec.json.decode(row.answer)
            return Part("done", row.place, answer=answer, is_told=bool(row.told_at))
        if row.process == self._process:
            return Part("fresh", row.place)
        try:
            meant = msgspec.json.decode(self._key.open(row.meant, row.id, row.place), type=Meant)
        except Untrusted:  # the key was replaced: what is not known any more is a doubt, and no reason never to end
            meant = Meant(is_unknown=True)
        return Part("left", row.place, meant)

    def _first(self, session: Session, deed_id: str) -> int | None:
        row = EndingRow
        query = select(func.min(row.generation)).where(row.tenant == self._tenant, row.id == deed_id)
        return session.scalar(query)

    def _row(self, session: Session, deed: Deed) -> EndingRow:
        row = session.get(EndingRow, (self._tenant, deed.id(self._tenant), self.place), with_for_update=True)
        if row is None:
            raise NotFound("this ending is not noted any more", hint="it was begun too long ago")
        return row


def kept_of(database: Database, deed: Deed, tenant: str = "default") -> list[Kept]:
    """What every gateway came to, those that are gone among them. Raises `Unavailable`."""
    with database.read() as session:
        rows = session.scalars(
            select(EndingRow).where(EndingRow.tenant == tenant, EndingRow.id == deed.id(tenant))
        ).all()
    return [Kept(row.place, row.gateway, msgspec.json.decode(row.answer) if row.done_at else None) for row in rows]
