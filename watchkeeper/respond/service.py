"""Response as one service of the watch process: reads alerts from the journal, opens incidents, sees runs through.

It stands on its own cursor. Killed anywhere, the next start reads from the cursor, records what was staged, and goes on
with every run that had not ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Stalled, Unavailable
from watchkeeper.core.lasting import Lasting
from watchkeeper.core.plugins import load
from watchkeeper.events import Event, Journal, JournalReader, Position
from watchkeeper.respond._dbos import DbosRunner
from watchkeeper.respond._engine_store import EngineStore
from watchkeeper.respond.acting import Watch
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.gates.steady import Steady
from watchkeeper.respond.heartbeats import Heartbeats, is_heartbeat
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.intake import Intake, Shelf
from watchkeeper.respond.integrations.routing import RoutedNotifier
from watchkeeper.respond.interface import Action, Services
from watchkeeper.respond.lease import Lease
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import alert_of
from watchkeeper.respond.notifications import ConsoleNotifier
from watchkeeper.respond.playbook import Shelved
from watchkeeper.respond.ports import Definitions, Errands, Notifier, Orders, Port
from watchkeeper.respond.progress import Progress
from watchkeeper.respond.runner import Document, DurableRunner, Taken
from watchkeeper.respond.runs import Ground, Runs
from watchkeeper.respond.settings import RespondSettings
from watchkeeper.respond.shelf import check_actions, files_of, load_files

RAISED = "detect.alert.raised"
LIFTED = "gateway.order.lifted"
_READ = frozenset({RAISED, LIFTED})
_CURSOR_EVERY = 1_000
"""Events without an alert after which the cursor is saved all the same."""

_POLL_SECONDS = 0.05
"""Between two looks for alerts. Each is a wake-up, and they are most of what an idle process costs."""
_RETRY_SECONDS = 0.25
_OPENINGS = 6
"""How often the engine is begun: whoever is cut off while they begin it leave behind what goes away in a moment."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


def load_actions() -> dict[str, Action]:
    """The installed actions by name. Raises `Misconfigured`."""
    actions: dict[str, Action] = {name: kind() for name, kind in load("actions").items()}
    check_actions(actions)
    return actions


def load_shelf(settings: RespondSettings, actions: Mapping[str, Action], known: Iterable[Shelved] = ()) -> Shelf:
    """The built-in playbooks and the operator's own; for `known` see `load_files`. Raises `Misconfigured`."""
    folders = [content_folder("playbooks")]
    if settings.playbooks:
        folders.append(Path(settings.playbooks))
    paths = [path for folder in folders for path in files_of(folder)]
    return Shelf(load_files(paths, actions, known), actions)


@dataclass(frozen=True)
class Connections:
    """What `app` connects response to."""

    database: Database
    journal: Journal
    reader: JournalReader
    orders: Orders
    definitions: Definitions
    errands: Errands | None = None
    electorate: Electorate = field(default_factory=Electorate)
    """Who may approve what; nobody, unless it is said."""
    also: Mapping[str, Port] = field(default_factory=dict)
    """Other ports of `Services` by name, as far as there are rooms behind them."""


class RespondService:
    """Made by `app`, run in a thread of the watch process."""

    def __init__(
        self,
        data_dir: Path,
        settings: RespondSettings,
        connections: Connections,
        *,
        clock: Clock | None = None,
        runner: DurableRunner | None = None,
        notifier: Notifier | None = None,
        watch: Watch | None = None,
        lease: Lease | None = None,
        steady: Steady | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._reader = connections.reader
        self._connections = connections
        self.heartbeats = Heartbeats(clock)
        self._lease = lease or Lease(connections.database, connections.journal.writer, clock=clock)
        desk = Ledger(connections.database, connections.journal, connections.reader)
        self.incidents = IncidentDesk(connections.database, desk, clock)
        database = connections.database.guarded(self._lease.check)
        self._ledger = Ledger(database, connections.journal, connections.reader)
        shelf = load_shelf(settings, load_actions())
        self.notifications = ConsoleNotifier(database, self._ledger)
        self.intake = Intake(database, self._ledger, clock, settings, shelf)
        progress = Progress(database, self._ledger, clock, connections.orders.in_force)
        orders = connections.orders.fenced(self._lease.check)
        if connections.errands is not None and notifier is None:
            notifier = RoutedNotifier(self.notifications, connections.errands, settings.integrations)
        notifier = notifier or self.notifications
        also: dict[str, Any] = {name: port.fenced(self._lease.check) for name, port in connections.also.items()}
        services = Services(connections.definitions, orders, notifier, clock, errands=connections.errands, **also)
        store = EngineStore.beside(connections.database, data_dir / "playbooks.db")
        self._runner: DurableRunner = runner or DbosRunner(store)
        ground = Ground(database, self._ledger, services, shelf.actions, progress, connections.electorate)
        self.runs = Runs(ground, self._runner, watch, steady)
        self.healthy = False
        self.failure = ""
        self._trouble = Lasting(_log, "alerts wait to be taken")
        self._place: dict[str, int] = {}

    def waiting(self) -> int:
        """Records of the journal that were not looked at yet, counted now; all of them while it only looks on."""
        return sum(one.records for one in self._reader.waiting(dict(self._place)).values())

    def progress(self) -> dict[str, Any]:
        """For the status: how many records wait to be looked at, and why anything waits."""
        return {"waiting": self.waiting(), "trouble": self.trouble}

    @property
    def trouble(self) -> str:
        """Why alerts or runs wait, in words; empty while nothing does."""
        told = (self._lease.trouble.why, self._trouble.why, *self.runs.troubles, self._runner.trouble)
        by_cause: dict[str, str] = {}
        for why in told:  # what cannot be read cannot be written either: a cause is said once
            by_cause.setdefault(why.partition(": ")[2] or why, why)
        return "; ".join(filter(None, by_cause.values()))

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. While another process holds the runs, this one looks on and does nothing.

        Raises `Fenced` when another process took over, and `Unavailable`.
        """
        self.failure = "another process holds the runs; this one looks on"
        if not self._lease.take(stop):
            return
        self.failure = ""
        with self._lease.kept(stop) as ending:
            if not self._open(ending):
                return
            try:
                self._patiently(self._resume, ending)
                self.healthy = not ending.is_set()
                with self.runs.ticking():
                    self._follow(ending)
            finally:
                self.healthy = False
                self.runs.interpreter.waiting.end()
                self._runner.close()

    def _open(self, ending: threading.Event) -> bool:
        """Whether the engine began before `ending`. A database that is away is waited for; all else that is in its way
        goes away in a moment, or is raised."""
        for left in reversed(range(_OPENINGS)):
            try:
                if self._patiently(self._try_to_open, ending):
                    return True
            except Unavailable:
                if not left or ending.wait(_RETRY_SECONDS):
                    raise
            if ending.is_set():
                return False
        raise Unavailable("the playbook engine cannot begin", hint="another process may hold the runs; see which does")

    def _try_to_open(self) -> bool:
        self.runs.interpreter.waiting.resume()
        try:
            self._runner.open(self.runs.interpreter, self._lease.epoch)
        except Taken as error:
            self._lease.advance(error.epoch)
            return False
        return True

    def _patiently(self, act: Callable[[], T], ending: threading.Event) -> T | None:
        """What `act` returns, however often the control state has to be waited for; `None` when it ends first."""
        while not ending.is_set():
            try:
                done = act()
            except Stalled as error:
                self.failure = error.reason
                self._trouble.met(error.reason)
                ending.wait(_RETRY_SECONDS)
            else:
                self.failure = ""
                self._trouble.over()
                return done
        return None

    def _resume(self) -> None:
        """What an earlier life left: staged events, runs of another engine, runs that never began."""
        if self._lease.before is not None and self._lease.before.writer != self._lease.writer:
            self._ledger.adopt(self._lease.before.writer)
        self._ledger.flush()
        self.runs.resume()

    def _follow(self, stop: threading.Event) -> None:
        cursor = self._patiently(self.intake.cursor, stop)
        if cursor is None:
            return
        self._place = cursor
        unsaved = 0
        for record in chain.from_iterable(self._reader.tail(cursor, stop, poll=_POLL_SECONDS)):
            after = cursor | {record.position.writer: record.position.index + 1}
            kind = record.event.kind if record.event else ""
            if (
                record.event is not None
                and kind in _READ
                and not self._take(record.event, record.position, after, stop)
            ):
                break
            self._place = cursor = after
            unsaved = 0 if kind in _READ else unsaved + 1
            if unsaved >= _CURSOR_EVERY:
                self._save_cursor(cursor)
                unsaved = 0
        self._save_cursor(cursor)

    def _save_cursor(self, cursor: dict[str, int]) -> None:
        with suppress(Stalled):  # who begins before it reads what is known already
            self.intake.save_cursor(cursor)

    def _take(self, event: Event, at: Position, cursor: dict[str, int], stop: threading.Event) -> bool:
        """Whether it was taken: a full disk or a locked database passes, and the alert must not be lost."""
        while not stop.is_set():
            try:
                due = self._digest(event, at, cursor)
            except Unavailable as error:
                self.healthy, self.failure = False, error.reason
                self._trouble.met(error.reason)
                stop.wait(_RETRY_SECONDS)
                continue
            self.healthy, self.failure = True, ""
            self._trouble.over()
            self._begin(due, stop)
            self._ledger.flush()
            return True
        return False

    def _digest(self, event: Event, at: Position, cursor: dict[str, int]) -> Sequence[Document]:
        if event.kind == RAISED and is_heartbeat(event):
            self._connections.journal.append(self.heartbeats.hear(event))
            self.intake.save_cursor(cursor)
            return ()
        if event.kind == RAISED:
            self.heartbeats.note(event)
            return self.intake.take(alert_of(event, at.writer, at.index), cursor)
        self.intake.note_lifted(event, at, cursor)
        return ()

    def _begin(self, documents: Sequence[Document], stop: threading.Event) -> None:
        """Whoever is stopped here leaves runs that never began: the next life begins them."""
        for document in documents:
            self._patiently(partial(self.runs.carrier.begin, document["run"]), stop)
