"""The suppressions in force, held against findings. `suppression` says what an entry is, and which are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase

import msgspec

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.inspection.inspection import BROKEN
from watchkeeper.inspection.model import SUPPRESSED, UNSHOWN, Finding
from watchkeeper.inspection.suppression import Suppression

NEVER = UNSHOWN | {BROKEN, "not_inspected"}
"""Labels that no entry reaches."""


class Suppressions:
    """The entries in force. Immutable; what has run out is told, not obeyed."""

    def __init__(self, entries: Sequence[Suppression] = (), clock: Clock | None = None) -> None:
        self.entries = tuple(entries)
        self._today: Callable[[], date] = (lambda: day_of(clock)) if clock is not None else (lambda: date.max)

    def __bool__(self) -> bool:
        return bool(self.entries)

    @property
    def expired(self) -> tuple[Suppression, ...]:
        """Those that hold no more."""
        today = self._today()
        return tuple(entry for entry in self.entries if entry.expires < today)

    def of(self, server: str, name: str, fingerprint: str, rule: str, label: str) -> Suppression | None:
        """The entry that speaks of a finding; None when it counts."""
        if not self.entries or label in NEVER:
            return None
        today = self._today()
        for entry in self.entries:
            if (
                entry.rule == rule
                and entry.server == server
                and entry.expires >= today
                and entry.fingerprint in ("", fingerprint)
                and fnmatchcase(name, entry.name)
            ):
                return entry
        return None

    def applied(self, server: str, name: str, fingerprint: str, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """The findings of a definition, those that are suppressed under that label."""
        if not self.entries or not findings:
            return findings
        return tuple(
            msgspec.structs.replace(one, label=SUPPRESSED, severity=1)
            if self.of(server, name, fingerprint, one.rule, one.label)
            else one
            for one in findings
        )


def day_of(clock: Clock) -> date:
    """Today, UTC."""
    return datetime.fromtimestamp(clock.now() / SECOND, UTC).date()
