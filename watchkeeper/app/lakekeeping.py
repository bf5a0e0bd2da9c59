"""Keeping the lake: the acts upon it, which the watch does, and a command while none runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

import msgspec

from watchkeeper.app.administration import WATCH
from watchkeeper.app.admission import Access
from watchkeeper.app.desk import CLI
from watchkeeper.app.lakes import leave_word
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.settings import Loaded
from watchkeeper.core import control
from watchkeeper.core.errors import NotFound, WatchkeeperError
from watchkeeper.core.files import socket_path
from watchkeeper.core.state import is_there
from watchkeeper.events import JournalReader, Severity, new_event
from watchkeeper.events.journal.reading.telling import telling_reader
from watchkeeper.events.lake.holds import Hold, Holds, Scope
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.ledger import Ledger

Act = Callable[[dict[str, Any]], Any]
_WITHIN = 3600.0
"""Seconds that a command waits for the watch: tidying a large lake takes minutes."""


def lake_reader(loaded: Loaded, platform: Platform) -> LakeReader:
    """What fills and keeps the lake; leaves word where it lies, by reference to secrets and never with them."""
    settings, data_dir = loaded.settings.lake, loaded.data_dir

    def tell(kind: str, severity: Severity, body: Mapping[str, Any]) -> None:
        actor = f"system:{platform.journal.writer}"
        now = platform.clock.now()
        platform.journal.record(
            new_event(now, kind, actor=actor, target="lake", outcome="success", severity=severity, body=dict(body))
        )

    place = leave_word(data_dir, settings)
    journal = telling_reader(data_dir, "lake", platform.journal.record, platform.clock)
    return LakeReader(data_dir, settings, platform.clock, place=place, tell=tell, journal=journal)


class LakeKeeping:
    """The acts upon a lake."""

    def __init__(self, platform: Platform, lake: LakeReader) -> None:
        self._on = platform
        self._lake = lake
        self._holds = Holds(platform.data_dir)
        with suppress(WatchkeeperError):  # whoever deletes is told
            self._holds.settle()

    def acts(self) -> dict[str, Act]:
        """By name, each told who does it."""
        acts: dict[str, Act] = {
            "lake.tidy": self.tidy,
            "lake.retention": self.retain,
            "lake.place_hold": self.place,
            "lake.lift_hold": self.lift,
            "lake.restore_hold": self.restore,
        }
        return Access(self._on).admitted(acts)

    def tidy(self, asked: dict[str, Any]) -> Any:
        self._lake.fill()
        mended = self._lake.mend(thorough=bool(asked.get("thorough")))
        self._lake.tidy()
        return {"mended": mended, "sorted": self._lake.sort()}

    def retain(self, asked: dict[str, Any]) -> Any:
        self._lake.fill()
        return self._lake.retain(dry_run=bool(asked.get("dry_run")))

    def place(self, asked: dict[str, Any]) -> Hold:
        scope = msgspec.convert(asked["scope"], Scope)
        if scope.incident:
            scope = self._about(scope)
        now = self._on.clock.now()
        hold = Hold(name=asked["name"], reason=asked["reason"], by=asked["by"], placed_at=now, scope=scope)
        self._holds.place(hold)  # in force before it is recorded: a crash between leaves it in force
        self._record("lake.hold.placed", hold, asked["by"], {"reason": hold.reason})
        return hold

    def lift(self, asked: dict[str, Any]) -> Hold:
        hold = self._holds.get(asked["name"])
        self._record("lake.hold.lifted", hold, asked["by"], {"reason": asked["reason"], "placed_by": hold.by})
        return self._holds.lift(asked["name"])

    def restore(self, asked: dict[str, Any]) -> tuple[Hold, ...]:
        why = self._holds.doubt()
        holds = self._holds.restore()
        body = {"reason": asked["reason"], "why": why, "holds": [hold.name for hold in holds]}
        event = new_event(
            self._on.clock.now(),
            "lake.hold.restored",
            actor=asked["by"],
            target="lake",
            outcome="success",
            severity=Severity.HIGH if why else Severity.LOW,
            body=body,
        )
        self._on.journal.record(event)
        return holds

    def _about(self, scope: Scope) -> Scope:
        """The incident by its id, with its alerts and the events they were raised for. Raises `NotFound`."""
        ledger = Ledger(self._on.database, self._on.journal, JournalReader(self._on.data_dir, pass_over_corrupt=True))
        case = IncidentDesk(self._on.database, ledger, self._on.clock).show(scope.incident)
        ids = {one for alert in case.alerts for one in (alert.id, alert.trigger) if one}
        return msgspec.structs.replace(scope, incident=case.incident.id, events=tuple(sorted(ids)))

    def _record(self, kind: str, hold: Hold, by: str, more: dict[str, Any]) -> None:
        body = {**more, "scope": msgspec.to_builtins(hold.scope)}
        now = self._on.clock.now()
        self._on.journal.record(new_event(now, kind, actor=by, target=hold.name, outcome="success", body=body))


def lake_act(loaded: Loaded, act: str, **arguments: Any) -> Any:
    """Do `act`: the running watch does it; while none runs this process does.

    Raises whatever it raises, and `NotFound` when nothing ever ran on this folder.
    """
    try:
        return control.ask(socket_path(loaded.data_dir, WATCH), act, arguments, timeout=_WITHIN)
    except control.NoService:
        pass
    if not is_there(loaded.data_dir):
        raise NotFound(
            f"nothing ever ran on {loaded.data_dir}", hint="start with `watchkeeper up`, or name the folder with --data"
        )
    with ExitStack() as stack:
        platform = stack.enter_context(
            opened(loaded.data_dir, CLI, settings=loaded.settings.journal, state=loaded.settings.state)
        )
        reader = lake_reader(loaded, platform)
        if not act.endswith("_hold"):
            stack.enter_context(reader)
        return msgspec.to_builtins(LakeKeeping(platform, reader).acts()[act](dict(arguments)))
