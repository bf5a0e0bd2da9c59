"""The register of what each rule may do here: enabling, disabling and simulating are facts with a name and a reason."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.model import Heading
from watchkeeper.detect.proving import _store
from watchkeeper.detect.proving.standing import Decided, State, check_enabling
from watchkeeper.events import Journal, new_event

ENABLED, DISABLED, SIMULATED = "detect.rule.enabled", "detect.rule.disabled", "detect.rule.simulated"


class Register:
    """On the control state; every change is recorded first."""

    def __init__(self, database: Database, journal: Journal, clock: Clock) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock

    def all(self) -> dict[str, Decided]:
        """By rule id. Raises `Unavailable`."""
        return _store.load(self._database)

    def enable(self, rule: Heading, by: str, reason: str, *, passes: bool, anyway: bool = False) -> Decided:
        """Let it raise alerts. Raises `Conflict` when it may not yet."""
        known = self._of(rule)
        check_enabling(known, rule.version, reason, passes=passes, anyway=anyway)
        return self._decide(rule, known, State.ENABLED, by, reason, anyway=anyway)

    def disable(self, rule: Heading, by: str, reason: str) -> Decided:
        """Let it do nothing. Raises `Invalid` without a reason."""
        if not reason.strip():
            raise Invalid("a reason is missing", hint="say it with --reason; it goes into the journal")
        return self._decide(rule, self._of(rule), State.DISABLED, by, reason, anyway=False)

    def note_simulated(self, rule: Heading, by: str, days: int, wakes: int, matches: int) -> Decided:
        """It was simulated as it is now, over a time with records."""
        now = self._clock.now()
        decided = msgspec.structs.replace(
            self._of(rule), simulated=rule.version, simulated_at=now, days=days, wakes=wakes
        )
        self._record(SIMULATED, rule, by, days=days, wakes=wakes, matches=matches)
        _store.keep(self._database, decided)
        return decided

    def _decide(self, rule: Heading, known: Decided, state: State, by: str, reason: str, *, anyway: bool) -> Decided:
        now = self._clock.now()
        decided = msgspec.structs.replace(known, state=state.value, by=by, reason=reason, at=now, anyway=anyway)
        said: dict[str, Any] = {"reason": reason}
        if state is State.ENABLED:
            said["anyway"] = anyway
        self._record(ENABLED if state is State.ENABLED else DISABLED, rule, by, **said)
        _store.keep(self._database, decided)
        return decided

    def _record(self, kind: str, rule: Heading, by: str, **said: Any) -> None:
        body = {"rule": rule.id, "title": rule.title, "version": rule.version, **said}
        now = self._clock.now()
        self._journal.record(new_event(now, kind, actor=by, target=rule.name, outcome="success", body=body))

    def _of(self, rule: Heading) -> Decided:
        return self.all().get(rule.id) or Decided(rule.id)
