"""Calls that passed while the journal could not record: counted, and told to the journal as soon as it can again.

Only for routes whose operator chose `on_journal_failure = "pass"`, and only what was allowed: a denial that cannot be
recorded is still refused. Nothing is kept of a call but that it was one, so memory is bounded by the number of servers.
The counts lie in a file whose room was taken when there was room, so that a killed process does not take them along:
the next one tells them.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any, Protocol

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.files import make_private_folder
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import Event, Severity, new_event

_ROOM = 16_384
_REST = "(others)"
"""Where servers are counted that do not fit into the file any more."""
_log = logging.getLogger(__name__)


class Records(Protocol):
    """The journal, as far as this needs it."""

    @property
    def healthy(self) -> bool: ...

    def record(self, event: Event) -> object:
        """Durable when it returns. Raises `Unavailable`."""
        ...


class Gap(msgspec.Struct):
    """A time without a record."""

    since: int
    until: int
    why: str
    counts: dict[str, dict[str, int]]
    """Server → outcome → how many."""
    is_left: bool = False
    """An earlier process ended in it."""

    @property
    def total(self) -> int:
        return sum(sum(by_outcome.values()) for by_outcome in self.counts.values())

    def add(self, server: str, outcome: str, count: int = 1) -> None:
        by_outcome = self.counts.setdefault(server, {})
        by_outcome[outcome] = by_outcome.get(outcome, 0) + count


class Gaps:
    """One process's. Any thread."""

    def __init__(self, writer: str, journal: Records, clock: Clock, handle: int = -1, left: Gap | None = None) -> None:
        """Use `at`."""
        self._writer = writer
        self._journal = journal
        self._clock = clock
        self._handle = handle
        self._gap = left
        self._lock = threading.Lock()

    @classmethod
    def at(cls, data_dir: Path, writer: str, journal: Records, clock: Clock) -> Gaps:
        """With what an earlier process of this name left. Where its file cannot be made, counts are in memory only."""
        try:
            path = make_private_folder(data_dir / "run") / f"unrecorded-{writer}"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            line = os.pread(handle, _ROOM, 0)
            if len(line) < _ROOM:  # real zeros: room that is taken, not promised
                os.pwrite(handle, bytes(_ROOM - len(line)), len(line))
                os.fsync(handle)
        except (OSError, WatchkeeperError) as error:
            _log.warning("what passes unrecorded is counted in memory only", extra={"why": str(error)})
            return cls(writer, journal, clock)
        return cls(writer, journal, clock, handle, _read(line))

    def count(self, server: str, outcome: str, why: str) -> None:
        """Something of this server's could not be recorded."""
        now = self._clock.now()
        with self._lock:
            if self._gap is None:
                self._gap = Gap(now, now, why, {})
                _log.critical("RECORDING IS SUSPENDED: calls pass unrecorded", extra={"server": server, "why": why})
            self._gap.until = now
            self._gap.add(server, outcome)
            self._keep()

    def look(self) -> None:
        """Tell the journal, once it records again. Blocking; called now and then, on one thread at a time."""
        with self._lock:
            gap = self._gap
            if gap is None or not self._journal.healthy:
                return
            self._gap = None
        try:
            self._tell(gap)
        except WatchkeeperError:
            with self._lock:
                self._gap = _joined(gap, self._gap)
            return
        _log.warning("recording goes on", extra={"unrecorded": gap.total})
        with self._lock:
            self._keep()

    def standing(self) -> dict[str, Any]:
        """What status and console say of it; empty while everything is recorded."""
        with self._lock:
            gap = self._gap
            return {} if gap is None else {"since": gap.since, "why": gap.why, "unrecorded": gap.total}

    def close(self) -> None:
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    def _tell(self, gap: Gap) -> None:
        """Told again after a crash between the two, they have the ids that they had."""
        seconds = round((gap.until - gap.since) / SECOND, 3)
        body = {"writer": self._writer, "why": gap.why, "since": gap.since}
        over = {**body, "until": gap.until, "seconds": seconds, "unrecorded": gap.total, "by_server": gap.counts}
        self._record("gateway.recording.suspended", gap, gap.since, Severity.HIGH, body)
        self._record(
            "gateway.recording.resumed", gap, self._clock.now(), Severity.HIGH, over | {"process_ended": gap.is_left}
        )

    def _record(self, kind: str, gap: Gap, time: int, severity: Severity, body: dict[str, Any]) -> None:
        event = new_event(
            time, kind, actor="system:gateway", target=self._writer, outcome="failure", severity=severity, body=body
        )
        self._journal.record(msgspec.structs.replace(event, id=derived_id(kind, self._writer, gap.since)))

    def _keep(self) -> None:
        if self._handle < 0:
            return
        line = msgspec.json.encode(self._gap) + b"\n" if self._gap is not None else b"\n"
        if self._gap is not None and len(line) > _ROOM:
            line = msgspec.json.encode(_short(self._gap)) + b"\n"
        try:
            os.pwrite(self._handle, line, 0)
        except OSError as error:
            _log.error("the count of what passes unrecorded could not be kept", extra={"why": str(error)})


def _read(data: bytes) -> Gap | None:
    line = data.partition(b"\n")[0].strip(b"\0")
    if not line:
        return None
    try:
        gap = msgspec.json.decode(line, type=Gap)
    except msgspec.MsgspecError:
        _log.error("the count of what passed unrecorded cannot be read: that some did is all that is known")
        return Gap(0, 0, "the count was damaged", {}, is_left=True)
    gap.is_left = True
    return gap


def _joined(earlier: Gap, later: Gap | None) -> Gap:
    if later is not None:
        earlier.until = later.until
        for server, by_outcome in later.counts.items():
            for outcome, count in by_outcome.items():
                earlier.add(server, outcome, count)
    return earlier


def _short(gap: Gap) -> Gap:
    """The same sums without the servers' names."""
    whole = Gap(gap.since, gap.until, gap.why[:512], {}, gap.is_left)
    for by_outcome in gap.counts.values():
        for outcome, count in by_outcome.items():
            whole.add(_REST, outcome, count)
    return whole
