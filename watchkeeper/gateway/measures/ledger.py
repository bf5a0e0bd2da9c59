"""Whom tainted sources reached, shared by every gateway on one control state, and kept over a restart.

Told and taken over whenever the control state is looked at (five times a second), as flow marks are. Below: control
state.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.gateway import _store
from watchkeeper.gateway.measures.taints import MOST, Mark, Taints


class TaintLedger:
    """One process's view. Blocking; called by one thread."""

    def __init__(self, taints: Callable[[], Taints], database: Database, tenant: str = "default") -> None:
        self._taints = taints
        self._database = database
        self._tenant = tenant
        self._generation = 0
        _store.ensure_generation(database, tenant, _store.TAINTS)

    def sync(self) -> None:
        """Tell what is new here, take over what is new elsewhere. Raises `Unavailable`; nothing is lost then."""
        taints = self._taints()
        if fresh := taints.take_fresh():
            try:
                self._tell(fresh)
            except WatchkeeperError:
                taints.give_back(fresh)
                raise
        with self._database.read() as session:
            current = _store.generation(session, self._tenant, _store.TAINTS)
            if current != self._generation:
                taints.hear(self._told_after(session, self._generation))
                self._generation = current

    def _tell(self, fresh: list[Mark]) -> None:
        with self._database.write() as session:
            generation = _store.lock_generation(session, self._tenant, _store.TAINTS)
            generation.value += 1
            for mark in fresh:
                key = (self._tenant, mark.principal, mark.order)
                if session.get(_store.TaintRow, key) is None:
                    session.add(
                        _store.TaintRow(
                            tenant=self._tenant, principal=mark.principal, order=mark.order, generation=generation.value
                        )
                    )
                    session.flush()

    def _told_after(self, session: Session, generation: int) -> list[Mark]:
        row = _store.TaintRow
        query = select(row).where(row.tenant == self._tenant, row.generation > generation)
        in_force = select(_store.OrderRow.id).where(
            _store.OrderRow.tenant == self._tenant, _store.OrderRow.lifted_at == 0
        )
        found = session.scalars(query.where(row.order.in_(in_force)).order_by(row.generation.desc()).limit(MOST))
        return [Mark(one.principal, one.order) for one in found]
