"""Hunts, wired: the thread that runs what is scheduled, and the acts about schedules and findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.lakes import lake_in
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.hunts.loading import find
from watchkeeper.detect.hunts.own import known_hunts
from watchkeeper.detect.hunts.parameters import values
from watchkeeper.detect.hunts.standing.book import Book
from watchkeeper.detect.hunts.standing.findings import alert_for_found, found_event
from watchkeeper.detect.hunts.standing.keeper import Keeper
from watchkeeper.detect.hunts.standing.model import LEVELS, Schedule

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform


def book_of(platform: Platform) -> Book:
    """On this platform's control state."""
    return Book(platform.database, platform.journal, platform.clock)


def keeper_of_hunts(platform: Platform) -> Keeper:
    """Runs what is due, of ours and of the folder's own."""
    data_dir = platform.data_dir

    return Keeper(
        book_of(platform),
        platform.journal,
        platform.clock,
        lambda: known_hunts(data_dir),
        lambda tenant: lake_in(data_dir, tenant),
    )


class Hunting:
    """The acts."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self._book = book_of(platform)
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "hunts.schedules": self.schedules,
            "hunts.schedule": self.schedule,
            "hunts.unschedule": self.unschedule,
            "hunts.runs": self.runs,
            "hunts.escalate": self.escalate,
        }

    def schedules(self, _: dict[str, Any]) -> Any:
        return [msgspec.to_builtins(one) | {"next_at": one.next_at} for one in self._book.schedules()]

    def schedule(self, asked: dict[str, Any]) -> Any:
        """Checked here, too: what would fail each time is refused now."""
        wanted = msgspec.convert(asked["schedule"], Schedule)
        hunt = find(known_hunts(self._on.data_dir), wanted.hunt)
        values(hunt, wanted.parameters)
        if wanted.alert not in LEVELS:
            raise Invalid(f"there is no level {wanted.alert!r}", hint=f"one of {', '.join(LEVELS[1:])}")
        return self._book.put(wanted, asked["by"])

    def unschedule(self, asked: dict[str, Any]) -> Any:
        self._book.end(asked["hunt"], asked.get("tenant", "default"), asked["by"])
        return {"hunt": asked["hunt"]}

    def runs(self, asked: dict[str, Any]) -> Any:
        limit = min(max(int(asked.get("limit", 20)), 1), 100)
        return self._book.runs(asked.get("hunt", ""), asked.get("tenant", "default"), limit)

    def escalate(self, asked: dict[str, Any]) -> Any:
        """A row becomes a fact and an alert; response makes an incident of it, as of any other."""
        hunt = find(known_hunts(self._on.data_dir), asked["hunt"])
        if asked["level"] not in LEVELS[1:]:
            raise Invalid(f"there is no level {asked['level']!r}", hint=f"one of {', '.join(LEVELS[1:])}")
        now, tenant = self._on.clock.now(), asked.get("tenant", "default")
        found = found_event(hunt, asked["row"], asked["digest"], by=asked["by"], tenant=tenant, now=now)
        position = self._on.journal.record(found)
        alert = alert_for_found(hunt, found, position, asked["level"], self._on.clock.now())
        self._on.journal.record(alert)
        return {"found": found.id, "alert": alert.id}
