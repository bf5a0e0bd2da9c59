"""Who read what class of thing, shared by every gateway on one control state, and kept over a restart.

What an agent read through one worker marks what it sends through another. Each process tells what is new and takes over
what the others told, whenever the control state is looked at (five times a second); so for that long a mark is known to
one worker alone. Fingerprints are not shared: they are keyed for their process. Below: control state.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import BigInteger, Integer, String, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Base, Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.gateway import _store
from watchkeeper.gateway.flow.flow import Flow
from watchkeeper.gateway.flow.model import Read

SUBJECT = "flow"
MOST = 20_000
"""Rows taken over at once, the newest."""


class FlowRow(Base):
    """When a server last brought such a thing in for an agent."""

    __tablename__ = "gateway_flow"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    principal: Mapped[str] = mapped_column(Text, primary_key=True)
    server: Mapped[str] = mapped_column(Text, primary_key=True)
    bits: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    generation: Mapped[int] = mapped_column(BigInteger)


class FlowLedger:
    """One process's view. Blocking; called by one thread."""

    def __init__(
        self, flow: Callable[[], Flow | None], database: Database, clock: Clock, tenant: str = "default"
    ) -> None:
        self._flow = flow
        self._database = database
        self._clock = clock
        self._tenant = tenant
        self._generation = -1
        _store.ensure_generation(database, tenant, SUBJECT)

    def sync(self) -> None:
        """Tell what is new here, take over what is new elsewhere. Raises `Unavailable`; nothing is lost then."""
        flow = self._flow()
        if flow is None or flow.if_read is None:
            return
        if fresh := flow.take_fresh():
            try:
                self._tell(fresh, flow.window)
            except WatchkeeperError:
                flow.give_back(fresh)
                raise
        with self._database.read() as session:
            current = _store.generation(session, self._tenant, SUBJECT)
            if current != self._generation:
                flow.hear(self._told_after(session, self._generation))
                self._generation = current

    def _tell(self, fresh: list[Read], window: int) -> None:
        with self._database.write() as session:
            generation = _store.lock_generation(session, self._tenant, SUBJECT)
            generation.value += 1
            for read in fresh:
                row = session.get(FlowRow, (self._tenant, read.principal, read.server, read.bits))
                if row is None:
                    row = FlowRow(
                        tenant=self._tenant, principal=read.principal, server=read.server, bits=read.bits, at=0
                    )
                    session.add(row)
                row.at, row.generation = max(row.at, read.at), generation.value
            session.execute(
                delete(FlowRow).where(FlowRow.tenant == self._tenant, FlowRow.at < self._clock.now() - window)
            )

    def _told_after(self, session: Session, generation: int) -> list[Read]:
        row = FlowRow
        query = select(row).where(row.tenant == self._tenant, row.generation > generation)
        found = session.scalars(query.order_by(row.generation.desc()).limit(MOST))
        return [Read(one.principal, one.server, one.bits, one.at) for one in found]
