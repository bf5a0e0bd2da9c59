"""The journal as a process uses it: append from any thread, commit in groups, wait for the disk.

Appending only buffers. What has gathered is committed when somebody waits for it, when the batch is full, or after a
few milliseconds; while one commit syncs, the next gathers. A thread that waits makes the commit itself when nobody else
is at it: waking another and being woken by it takes as long as the disk does. Event loops have the journal's own thread
commit for them. On a full disk nothing is acknowledged and nothing is taken any more; what was appended before is kept
in order and committed once there is room.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Invalid, Stalled, Unavailable, WatchkeeperError
from watchkeeper.events.journal.forms.seal import Pending
from watchkeeper.events.journal.model import JournalSettings, Position
from watchkeeper.events.journal.segments import NotWritten
from watchkeeper.events.journal.writing.log import Log
from watchkeeper.events.model import Event, Severity, encode, new_event

MAX_RECORD = 16 * 1024 * 1024
_BATCH_BYTES = 16 * 1024 * 1024
_log = logging.getLogger(__name__)
_Waiter = tuple[int, asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Journal:
    """One per process and writer; owns `journal/<writer>/` under a lock."""

    def __init__(self, log: Log, writer: str, clock: Clock, settings: JournalSettings) -> None:
        """Use `open`."""
        self.writer = writer
        self.failure = ""
        """Why nothing can be recorded just now; empty when all is well."""
        self.durable_index = log.size
        """The first index that is not yet durable."""
        self.also_erase: Callable[[str], object] = lambda _: None
        """Has a subject's data erased where others keep it, before its keys are destroyed here."""
        self.censor: Callable[[Event], Event] = lambda event: event
        """Has secrets masked in each event before it is stored."""
        self._log = log
        self._clock = clock
        self._settings = settings
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._done = threading.Condition(self._lock)
        self._pending: list[Pending] = []
        self._pending_bytes = 0
        self._batch: list[Pending] = []
        """Taken and not yet durable: being committed, or waiting to be tried again."""
        self._is_committing = False
        self._next = log.size
        self._oldest = 0.0
        self._wanted = 0
        self._waiters: list[_Waiter] = []
        self._is_idle = False
        self._is_closing = False
        self._is_final = False
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name=f"journal-{writer}", daemon=True)

    @classmethod
    def open(
        cls,
        data_dir: Path,
        writer: str,
        clock: Clock | None = None,
        settings: JournalSettings | None = None,
    ) -> Journal:
        """Recover the log, record that it was opened, and begin.

        Raises `Conflict` when another process has the log, `Untrusted` when it was tampered with, `Unavailable` when
        the disk refuses.
        """
        clock, settings = clock or SystemClock(), settings or JournalSettings()
        journal = cls(Log.open(data_dir, writer, clock, settings), writer, clock, settings)
        journal._thread.start()
        try:
            journal._record_opening()
        except WatchkeeperError:
            journal.close()
            raise
        return journal

    @property
    def log(self) -> Log:
        """For upkeep, which needs its folder and keys; nobody else commits to it."""
        return self._log

    @property
    def healthy(self) -> bool:
        return not self.failure and not self._is_closing

    def append(self, event: Event) -> int:
        """Take an event; its index, before it is durable. Any thread; never waits for the disk.

        Raises `Unavailable` when the journal is closed, failing, or too far behind, and `Invalid` for an event that
        is no JSON or beyond 16 MiB.
        """
        if not isinstance(event.actor, str):
            raise Invalid("an event's actor is no text", hint="leave it empty where nobody was verified")
        try:
            record = encode(self.censor(event))
        except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise Invalid(
                f"an event cannot be written as JSON: {error!r}", hint="use JSON types in its body"
            ) from error
        if len(record) > MAX_RECORD:
            raise Invalid(f"an event of {len(record)} bytes is too large to record", hint="cut its body")
        size = len(record)
        with self._lock:
            if self.failure or self._is_closing:
                self._refuse_if_failing()
            if self._pending_bytes > self._settings.pending_bytes:
                raise Stalled("the journal is behind: its disk is too slow", hint="check the disk's load")
            index = self._next
            self._next = index + 1
            pending = self._pending
            if not pending:
                self._oldest = time.monotonic()
            pending.append((event.actor, record))
            self._pending_bytes += size
            if self._is_idle or len(pending) == self._settings.batch_records:
                self._work.notify()
        return index

    def wait(self, index: int, timeout: float = 10) -> None:
        """Return once the record at `index` is durable; it is committed at once, by this thread if no other is at it.

        Raises `Unavailable` when it cannot be, or when others do not answer in time. It may still become durable later.
        """
        until = time.monotonic() + timeout
        while index >= self.durable_index:
            with self._lock:
                if index < self.durable_index:
                    return
                self._refuse_if_failing()
                leads = self._hurry(index)
                if not leads and not self._done.wait(until - time.monotonic()):
                    raise Stalled("the journal did not answer in time", hint="check the disk's load")
            if leads:
                self._commit_here()

    async def durable(self, index: int) -> None:
        """`wait` for an event loop: resumed by the commit itself, without a thread or a poll."""
        if index < self.durable_index:
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if index < self.durable_index:
                return
            self._refuse_if_failing()
            self._waiters.append((index, loop, future))
            self._hurry(index, leads=False)
        await future

    def record(self, event: Event) -> Position:
        """Append and wait: when it returns, the event is on disk. For threads and the command line."""
        index = self.append(event)
        self.wait(index)
        return Position(self.writer, index)

    def erase(self, subject: str, by: str) -> int:
        """Make every record of a subject (an event's `actor`) unreadable, in every log of this data folder, for good.

        Returns how many keys were destroyed. The erasure is recorded first; the proofs of the erased records stand.
        """
        if not subject:
            raise Invalid("the log's own records cannot be erased", hint="name the actor to erase")
        self.record(new_event(self._clock.now(), "journal.subject.erased", actor=by, severity=Severity.MEDIUM))
        self.also_erase(subject)
        return self._log.keys.erase(subject)

    def close(self) -> None:
        """Commit what was appended, if the disk allows, and let go of the log. May be called twice."""
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
            self._work.notify()
        self._thread.join()
        self._log.close()

    # ── the commit thread, and whoever commits in its stead ──

    def _run(self) -> None:
        try:
            while self._take():
                self._commit()
        except Exception as error:  # noqa: BLE001 — the thread's outermost loop: nobody may wait for ever
            self._break(error)
        finally:
            with self._lock:
                self._is_over = True  # of what is left nothing will become durable
                self._release(self.failure or "the journal is closed")

    def _commit_here(self) -> None:
        try:
            self._commit()
        except Exception as error:  # noqa: BLE001 — as in the thread's: the others may not wait for ever
            self._break(error)

    def _break(self, error: Exception) -> None:
        _log.error("a commit failed", exc_info=error)
        self._fail(f"the journal failed: {error!r}; it stays closed until the process is restarted", is_final=True)

    def _take(self) -> bool:
        """Wait until there is something to commit, and take it; False when closed and drained, or broken."""
        within = self._settings.commit_within_ms / 1000
        with self._lock:
            while self._is_committing or not self._is_due():
                if self._is_final or (self._is_closing and not self._is_committing and not self._pending):
                    return False
                self._wait_for_work(within)
            if self._batch and not self._may_retry():  # another thread failed with it
                return False
            self._begin()
            return True

    def _begin(self) -> None:
        """Take the next batch, unless one is left to be tried again. Holds the lock."""
        self._is_committing = True
        if self._batch:
            return
        most = self._settings.batch_records
        if len(self._pending) <= most and self._pending_bytes <= _BATCH_BYTES:
            self._batch, self._pending = self._pending, []
            return
        size = count = 0
        for _, record in self._pending[:most]:
            if size >= _BATCH_BYTES:
                break
            size += len(record)
            count += 1
        self._batch = self._pending[:count]
        del self._pending[:count]
        self._oldest = time.monotonic()

    def _wait_for_work(self, within: float) -> None:
        """Until the oldest record is due or somebody calls; holds the lock.

        Only after a quiet while does the thread sleep so deeply that an append must wake it: waking costs more than
        appending.
        """
        if self._is_committing:
            self._work.wait(max(within, 0.01))
        elif self._pending:
            self._work.wait(max(0.0, self._oldest + within - time.monotonic()))
        elif not self._work.wait(within) and not self._pending and not self._is_closing:
            self._is_idle = True
            self._work.wait()
            self._is_idle = False

    def _is_due(self) -> bool:
        if self._batch:
            return True
        if not self._pending:
            return False
        return (
            self._is_closing
            or self._wanted > self.durable_index
            or len(self._pending) >= self._settings.batch_records
            or time.monotonic() - self._oldest >= self._settings.commit_within_ms / 1000
        )

    def _commit(self) -> bool:
        """Commit the batch that `_begin` took. False when the disk refused; the batch is kept for another try."""
        batch = self._batch
        try:
            self._log.commit(batch)
        except Unavailable as error:
            self._fail(error.reason, is_final=isinstance(error, NotWritten) and error.is_final)
            return False
        size = sum([len(record) for _, record in batch])
        with self._lock:
            self.failure = ""
            self.durable_index += len(batch)
            self._pending_bytes -= size
            self._batch = []
            self._is_committing = False
            self._release()
            if self._is_closing or self._wanted > self.durable_index:
                self._work.notify()
        return True

    def _may_retry(self) -> bool:
        """Whether a batch that did not fit is to be tried again, after a pause. Holds the lock."""
        if not (self._is_closing or self._is_final):
            self._work.wait(self._settings.retry_ms / 1000)
        return not (self._is_closing or self._is_final)

    def _fail(self, reason: str, *, is_final: bool) -> None:
        with self._lock:
            if reason != self.failure:
                _log.error(reason, extra={"writer": self.writer})
            self.failure, self._is_final = reason, is_final
            self._is_committing = False
            self._release(reason)
            self._work.notify()

    def _release(self, failure: str = "") -> None:
        """Wake those whose record is durable, and on a failure all others too, with the reason. Holds the lock."""
        self._done.notify_all()
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        waiting: list[_Waiter] = []
        for waiter in self._waiters:
            if failure or waiter[0] < self.durable_index:
                by_loop.setdefault(waiter[1], []).append(waiter[2])
            else:
                waiting.append(waiter)
        self._waiters = waiting
        for loop, futures in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, futures, failure)
            except RuntimeError:  # that loop is closed: nobody is there to be woken
                continue

    # ── small things ──

    def _hurry(self, index: int, *, leads: bool = True) -> bool:
        """Have what `index` needs committed now. True when the caller has to: it has the batch. Holds the lock."""
        if index >= self._next:
            raise Invalid(f"index {index} was never appended", hint="wait for what `append` returned")
        if index >= self._wanted:
            self._wanted = index + 1
        if self._is_committing:
            return False  # whoever commits sees to what is wanted next
        if leads:
            self._begin()
        else:
            self._work.notify()
        return leads

    def _refuse_if_failing(self) -> None:
        if self.failure:
            raise Stalled(self.failure, hint="make room on the disk, or look at the process's log")
        if self._is_closing or self._is_over:
            raise Unavailable("the journal is closed", hint="open it again")

    def _record_opening(self) -> None:
        found = self._log.recovered
        if found.dropped:
            body: dict[str, int | str] = {"index": found.size, "bytes": found.dropped, "file": found.kept}
            self.append(self._own("journal.tail.dropped", Severity.MEDIUM, body))
        body = {"index": found.size, "dropped_bytes": found.dropped, "missing": found.missing}
        severity = Severity.HIGH if found.missing else Severity.INFORMATIONAL
        self.record(self._own("journal.writer.opened", severity, body))

    def _own(self, kind: str, severity: Severity, body: dict[str, int | str]) -> Event:
        actor = f"system:{self.writer}"
        return new_event(self._clock.now(), kind, actor=actor, severity=severity, target=self.writer, body=body)


def _resolve(futures: list[asyncio.Future[None]], failure: str) -> None:
    for future in futures:
        if future.done():
            continue
        if failure:
            future.set_exception(Stalled(failure, hint="make room on the disk, or look at the process's log"))
        else:
            future.set_result(None)
