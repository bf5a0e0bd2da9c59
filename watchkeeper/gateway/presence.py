"""Which gateways there are: each writes its heartbeat here, and whoever gives orders reads it.

A gateway that went silent is not taken for dead: its process may still answer clients by old orders. It is gone only
when it said so, or when no such process exists on this host any more.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec
from sqlalchemy import Select, select

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.gateway import _store

FRESH = 2 * SECOND
"""A heartbeat older than this is late."""
_FORGOTTEN = 60 * SECOND
"""On another host, where no process can be asked for, silence as long as this counts as gone."""


class Standing(msgspec.Struct, frozen=True):
    """One gateway as the control state knows it."""

    id: str
    socket: str
    pid: int
    started: int
    heartbeat: int
    acknowledged: int
    is_late: bool
    """Its heartbeat is overdue."""


class Presence:
    """The register of gateways of one tenant."""

    def __init__(self, database: Database, clock: Clock, tenant: str = "default") -> None:
        self._database = database
        self._clock = clock
        self._tenant = tenant
        self._host = socket.gethostname()

    def enter(self, gateway_id: str, path: Path, acknowledged: int) -> None:
        """A gateway begins, with these orders in force; those that are gone are struck off."""
        now = self._clock.now()
        row = _store.GatewayRow(
            tenant=self._tenant,
            id=gateway_id,
            socket=str(path),
            host=self._host,
            pid=os.getpid(),
            birth=birth_of(os.getpid()),
            started=now,
            heartbeat=now,
            acknowledged=acknowledged,
        )
        with self._database.write() as session:
            for other in session.scalars(self._everyone()).all():
                if self._is_gone(other, now):
                    session.delete(other)
            session.merge(row)

    def beat(self, gateway_id: str, acknowledged: int) -> None:
        """It lives, and has the orders of this generation in force."""
        with self._database.write() as session:
            row = session.get(_store.GatewayRow, (self._tenant, gateway_id))
            if row is not None:
                row.heartbeat = self._clock.now()
                row.acknowledged = acknowledged

    def leave(self, gateway_id: str) -> None:
        """It has stopped serving."""
        with self._database.write() as session:
            row = session.get(_store.GatewayRow, (self._tenant, gateway_id))
            if row is not None:
                session.delete(row)

    def serving(self) -> list[Standing]:
        """Every gateway that may still serve clients, by id."""
        with self._database.read() as session:
            rows = session.scalars(self._everyone()).all()
        now = self._clock.now()
        return [_to_standing(row, now) for row in rows if not self._is_gone(row, now)]

    def _everyone(self) -> Select[_store.GatewayRow]:
        row = _store.GatewayRow
        return select(row).where(row.tenant == self._tenant).order_by(row.id)

    def _is_gone(self, row: _store.GatewayRow, now: int) -> bool:
        if row.host != self._host:
            return now - row.heartbeat > _FORGOTTEN
        return not _is_alive(row.pid, row.birth)


def _to_standing(row: _store.GatewayRow, now: int) -> Standing:
    is_late = now - row.heartbeat > FRESH
    return Standing(row.id, row.socket, row.pid, row.started, row.heartbeat, row.acknowledged, is_late)


def _is_alive(pid: int, birth: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists and belongs to somebody else: the birth tells whether it is ours
    return birth_of(pid) == birth


def birth_of(pid: int) -> str:
    """When a living process began, as the kernel counts; empty where that cannot be read: the pid alone decides."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        fields = stat.rpartition(")")[2].split()
        return "dead" if fields[0] in {"Z", "X"} else fields[19]
    except (OSError, IndexError):
        return ""
