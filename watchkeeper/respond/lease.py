"""Who holds the runs of a tenant: one process at a time, by a lease that it must keep renewing.

Several watch processes may share one control state. One of them holds the lease and beats; the others look on. When
the beats stop, one of those raises the epoch and holds it from then on. Nobody compares clocks: an onlooker counts
beats, by its own monotonic time, so a clock that jumps on any host changes nothing. For a process of this host that is
gone it need not wait.

The epoch is the fence. Everything that a run records and every order it gives reads it in its own transaction
(`check`), so a holder that was only stopped and then goes on can change nothing any more. What it has locked is freed:
on a server by ending its sessions; a file's lock by ending the process, surely the same one, on the same host.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import msgspec
from sqlalchemy import BigInteger, CursorResult, Integer, String, Text, Update, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.database import Base, Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.lasting import Lasting
from watchkeeper.respond.runner import Fenced

_log = logging.getLogger(__name__)
_SLICE = 0.05
"""Seconds after which a lost lease is noticed by whoever waits for its end."""


class Pace(msgspec.Struct, frozen=True):
    """How often a holder beats, and after how much silence it has lost the lease. Seconds."""

    beat: float
    silence: float


ON_A_SERVER = Pace(0.15, 0.6)
IN_A_FILE = Pace(1.0, 4.0)
"""Each beat is an fsync of the file, and of a dead process of the same host one knows without waiting."""


class EpochRow(Base):
    """The fence of a tenant. Apart from the beats, so that a beat never waits for what reads the epoch."""

    __tablename__ = "respond_epochs"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger)


class HolderRow(Base):
    """Who holds a tenant's runs, and a sign of life."""

    __tablename__ = "respond_holders"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger)
    """0 when the one before has let go."""
    host: Mapped[str] = mapped_column(Text)
    pid: Mapped[int] = mapped_column(Integer)
    started: Mapped[int] = mapped_column(BigInteger)
    sessions: Mapped[str] = mapped_column(String(64))
    writer: Mapped[str] = mapped_column(String(64))
    beats: Mapped[int] = mapped_column(BigInteger)
    taken_at: Mapped[int] = mapped_column(BigInteger)


class Holder(msgspec.Struct, frozen=True):
    """What is known of the process that holds a tenant's runs."""

    epoch: int
    host: str
    pid: int
    started: int
    sessions: str
    """What the server calls its sessions."""
    writer: str
    """Its log in the journal."""
    beats: int
    taken_at: int
    """Microseconds, by the clock of the host that took it: for people."""


class Lease:
    """One process's claim to the runs of one tenant. Safe for threads."""

    def __init__(
        self,
        database: Database,
        writer: str,
        *,
        tenant: str = "default",
        pace: Pace | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self.writer = writer
        self._tenant = tenant
        self._clock = clock or SystemClock()
        self.pace = pace or (ON_A_SERVER if database.is_server else IN_A_FILE)
        self.epoch = 0
        """Of our own tenure; 0 before the first."""
        self.before: Holder | None = None
        """Whose lease fell to us by its silence."""
        self._seen: tuple[int, int] | None = None
        self._seen_at = 0.0
        self.trouble = Lasting(_log, "the lease of the runs cannot be taken or kept")
        self._moving = threading.Lock()
        """Held while the epoch moves on: a beat at the one before would look like a lease that is lost."""

    def take(self, stop: threading.Event) -> bool:
        """Wait as an onlooker until the lease is ours, or until `stop`: then it is not. A database that is away is
        waited for."""
        while not stop.is_set():
            try:
                is_taken = self.try_take()
            except WatchkeeperError as error:
                self.trouble.met(error.reason)
                self._seen = None  # what was silent meanwhile may have been the database
            else:
                self.trouble.over()
                if is_taken:
                    return True
            stop.wait(self.pace.beat)
        return False

    def try_take(self) -> bool:
        """Take the lease if nobody holds it, or if whoever does was silent for too long. Raises `Unavailable`."""
        holder = self.holder()
        if holder is not None and holder.epoch and not self._is_silent(holder):
            return False
        if holder is not None and holder.epoch:
            self._free(holder)
        return self._claim(holder)

    def holder(self) -> Holder | None:
        """Who holds the lease, as far as is known; an `epoch` of 0 says that it was let go. Raises `Unavailable`."""
        with self._database.read() as session:
            row = session.get(HolderRow, self._tenant)
            return _holder(row) if row else None

    def check(self, session: Session) -> None:
        """The guard of every transaction of a run: raises `Fenced` when the lease is no longer ours.

        A process that never took the lease carries out no run, and passes: an operator's command.
        """
        if self.epoch and self._epoch(session) != self.epoch:
            raise Fenced("another process has taken the playbooks over", hint="this one stops; it may be started anew")

    def advance(self, beyond: int) -> None:
        """Go on at an epoch after `beyond`: a control state restored from a copy is behind its engine.

        Raises `Fenced` when the lease is lost.
        """
        with self._moving:
            with self._database.write() as session:
                self.check(session)
                session.execute(update(EpochRow).where(EpochRow.tenant == self._tenant).values(epoch=beyond + 1))
                session.execute(self._of(self.epoch).values(epoch=beyond + 1))
            self.epoch = beyond + 1

    def beat(self) -> None:
        """A sign of life. Raises `Fenced` when the lease is lost, `Unavailable` when nobody can be told."""
        with self._moving, self._database.write() as session:
            if not _changed(session, self._of(self.epoch).values(beats=HolderRow.beats + 1)):
                raise Fenced("another process has taken the playbooks over")

    def release(self) -> None:
        """Let go, so that nobody has to wait for a silence. Raises `Unavailable`."""
        with self._database.write() as session:
            session.execute(self._of(self.epoch).values(epoch=0))

    @contextmanager
    def kept(self, stop: threading.Event) -> Iterator[threading.Event]:
        """Beat until the block ends, then let go. The event given is set when `stop` is, and when the lease is lost."""
        ending, over = _Ending(stop), threading.Event()
        thread = threading.Thread(target=self._keep, args=(ending, over), name="lease", daemon=True)
        thread.start()
        try:
            yield ending
        finally:
            over.set()
            thread.join()
            with suppress(WatchkeeperError):  # others find out by our silence
                self.release()

    def _keep(self, ending: threading.Event, over: threading.Event) -> None:
        while not over.wait(self.pace.beat):
            try:
                self.beat()
            except Fenced:
                ending.set()
                return
            except WatchkeeperError as error:
                self.trouble.met(error.reason)  # who cannot reach the control state can change nothing in it either
            else:
                self.trouble.over()

    def _of(self, epoch: int) -> Update:
        return update(HolderRow).where(HolderRow.tenant == self._tenant, HolderRow.epoch == epoch)

    def _epoch(self, session: Session) -> int:
        query = select(EpochRow.epoch).where(EpochRow.tenant == self._tenant)
        return session.scalar(query.with_for_update(read=True)) or 0

    def _is_silent(self, holder: Holder) -> bool:
        if is_gone(holder):
            return True
        mark, now = (holder.epoch, holder.beats), time.monotonic()
        if mark != self._seen:
            self._seen, self._seen_at = mark, now
        return now - self._seen_at >= self.pace.silence

    def _claim(self, seen: Holder | None) -> bool:
        """Raise the epoch and be the holder, unless something has moved since `seen`."""
        epoch, beats = (seen.epoch, seen.beats) if seen else (0, 0)
        with self._database.write() as session:
            for statement in _ROWS:
                session.execute(text(statement), {"tenant": self._tenant})
            still = self._of(epoch).where(HolderRow.beats == beats)
            if not _changed(session, still.values(beats=beats + 1)):
                return False
            session.execute(update(EpochRow).where(EpochRow.tenant == self._tenant).values(epoch=EpochRow.epoch + 1))
            mine = self._epoch(session)
            pid = os.getpid()
            who = {"host": this_host(), "pid": pid, "started": _started(pid), "sessions": self._database.sessions}
            now = self._clock.now()
            session.execute(self._of(epoch).values(epoch=mine, writer=self.writer, taken_at=now, **who))
        self.epoch, self._seen, self.before = mine, None, seen if epoch else None
        return True

    def _free(self, holder: Holder) -> None:
        """What a silent process has locked must not hold up the one that takes over.

        A server ends its sessions. A file's lock falls only with its process, which then is one of this host.
        """
        if self._database.is_server:
            self._end_sessions(holder.sessions)
        elif not is_gone(holder):
            end(holder)

    def _end_sessions(self, sessions: str) -> None:
        if sessions in ("", self._database.sessions):
            return
        with self._database.read() as session:  # a writer would wait for the very sessions that are to end
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = :sessions AND pid <> pg_backend_pid()"
                ),
                {"sessions": sessions},
            )


class _Ending(threading.Event):
    """Set by itself, or with another event."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        ends = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _SLICE if ends is None else min(_SLICE, ends - time.monotonic())
            if left <= 0:
                break
            self._other.wait(left)
        return self.is_set()


_ROWS = (
    "INSERT INTO respond_epochs (tenant, epoch) VALUES (:tenant, 0) ON CONFLICT DO NOTHING",
    "INSERT INTO respond_holders (tenant, epoch, host, pid, started, sessions, writer, beats, taken_at)"
    " VALUES (:tenant, 0, '', 0, 0, '', '', 0, 0) ON CONFLICT DO NOTHING",
)


def _changed(session: Session, statement: Update) -> bool:
    told = session.execute(statement)
    return isinstance(told, CursorResult) and told.rowcount == 1


def _holder(row: HolderRow) -> Holder:
    return Holder(row.epoch, row.host, row.pid, row.started, row.sessions, row.writer, row.beats, row.taken_at)


def is_gone(holder: Holder) -> bool:
    """Whether it surely lives no more: a process of this host's boot and process table that is not there."""
    return bool(holder.host) and holder.host == this_host() and _started(holder.pid) != holder.started


def end(holder: Holder) -> None:
    """Kill it, if it is surely the process that is meant; one that cannot be killed is left alone."""
    if holder.pid == os.getpid() or holder.host != this_host() or not hasattr(os, "pidfd_open"):
        return
    with suppress(OSError):
        handle = os.pidfd_open(holder.pid)
        try:
            if _started(holder.pid) == holder.started:  # asked while we have hold of it: the number cannot be reused
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


@cache
def this_host() -> str:
    """This boot of this host and its table of processes; empty where that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> int:
    """When a process began, in the kernel's ticks; 0 for one that is not there or is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])
