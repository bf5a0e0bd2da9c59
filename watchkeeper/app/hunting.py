"""Hunts, wired: the thread that runs what is scheduled, and the acts about schedules and findings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.lakes import lake_in
from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.detect.hunts.loading import find, parse_hunt
from watchkeeper.detect.hunts.own import judge, keep, known_hunts, remove, text_of
from watchkeeper.detect.hunts.parameters import values
from watchkeeper.detect.hunts.standing.book import Book
from watchkeeper.detect.hunts.standing.findings import alert_for_found, found_event
from watchkeeper.detect.hunts.standing.keeper import Keeper
from watchkeeper.detect.hunts.standing.model import LEVELS, Schedule
from watchkeeper.events import new_event
from watchkeeper.events.lake.sql.model import Limits
from watchkeeper.events.query.language import parse_time

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

SAVED, REMOVED = "detect.hunt.saved", "detect.hunt.removed"
_MOST_TESTS = 20
_TRIAL = Limits(rows=1000, seconds=5.0, memory=1024**3)
"""What one test of a hunt may cost that somebody hands in."""


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
            "hunts.save": self.save,
            "hunts.remove": self.remove,
        }

    def schedules(self, _: dict[str, Any]) -> Any:
        return [msgspec.to_builtins(one) | {"next_at": one.next_at} for one in self._book.schedules()]

    def schedule(self, asked: dict[str, Any]) -> Any:
        """Checked here, too: what would fail each time is refused now."""
        wanted = msgspec.convert(asked["schedule"], Schedule)
        hunt = find(known_hunts(self._on.data_dir), wanted.hunt)
        values(hunt, wanted.parameters)
        if wanted.range not in ("", "all"):
            parse_time(wanted.range, self._on.clock.now())
        if wanted.alert not in LEVELS:
            raise Invalid(f"there is no level {wanted.alert!r}", hint=f"one of {', '.join(LEVELS[1:])}")
        return self._book.put(wanted, asked["by"])

    def unschedule(self, asked: dict[str, Any]) -> Any:
        self._book.end(asked["hunt"], asked.get("tenant", "default"), asked["by"])
        return {"hunt": asked["hunt"]}

    def runs(self, asked: dict[str, Any]) -> Any:
        limit = min(max(int(asked.get("limit", 20)), 1), 100)
        return self._book.runs(asked.get("hunt", ""), asked.get("tenant", "default"), limit)

    def save(self, asked: dict[str, Any]) -> Any:
        """A hunt of one's own, from its text: refused with the reason when it may not run or fails its tests."""
        name, text = str(asked["name"]), str(asked["text"])
        try:
            hunt = parse_hunt(text, name, "the hunt")
        except Misconfigured as error:
            raise Invalid(error.reason, hint=error.hint) from error
        if len(hunt.tests) > _MOST_TESTS:
            raise Invalid(f"a hunt that is saved so has at most {_MOST_TESTS} tests", hint="keep those that differ")
        again = judge(self._on.data_dir, hunt, force=bool(asked.get("force")), limits=_TRIAL)
        data = text.encode()
        body = {"hunt": name, "title": hunt.title, "digest": hashlib.sha256(data).hexdigest(), "again": again}
        fact = new_event(self._on.clock.now(), SAVED, actor=asked["by"], target=name, outcome="success", body=body)
        self._on.journal.record(fact)
        keep(self._on.data_dir, name, data)
        return {"hunt": name, "again": again}

    def remove(self, asked: dict[str, Any]) -> Any:
        """Forget one of one's own; what runs it by itself ends, and its history stays."""
        name, data_dir = str(asked["hunt"]), self._on.data_dir
        text_of(data_dir, name)
        ended = [one.tenant for one in self._book.schedules() if one.hunt == name]
        for tenant in ended:
            self._book.end(name, tenant, asked["by"])
        fact = new_event(
            self._on.clock.now(), REMOVED, actor=asked["by"], target=name, outcome="success", body={"hunt": name}
        )
        self._on.journal.record(fact)
        remove(data_dir, name)
        return {"hunt": name, "schedules": len(ended)}

    def escalate(self, asked: dict[str, Any]) -> Any:
        """A row becomes a fact and an alert; response makes an incident of it, as of any other."""
        hunt = find(known_hunts(self._on.data_dir), asked["hunt"])
        if asked["level"] not in LEVELS[1:]:
            raise Invalid(f"there is no level {asked['level']!r}", hint=f"one of {', '.join(LEVELS[1:])}")
        now, tenant = self._on.clock.now(), asked.get("tenant", "default")
        found = found_event(
            hunt, asked["row"], asked["digest"], by=asked["by"], tenant=tenant, now=now, note=str(asked.get("note", ""))
        )
        position = self._on.journal.record(found)
        alert = alert_for_found(hunt, found, position, asked["level"], self._on.clock.now())
        self._on.journal.record(alert)
        return {"found": found.id, "alert": alert.id}
