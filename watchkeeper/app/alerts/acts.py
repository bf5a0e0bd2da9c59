"""The acts about alerts: the queue, what people make of it, the rules' precision, and exceptions with their impact."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.alerts.places import Places
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.alerts.exceptions.book import ExceptionBook
from watchkeeper.detect.alerts.exceptions.impact import Impact, impact_of
from watchkeeper.detect.alerts.exceptions.model import DAY, Draft, Exemption
from watchkeeper.detect.alerts.exceptions.reading import checked
from watchkeeper.detect.alerts.queue.book import AlertQueue
from watchkeeper.detect.alerts.queue.follower import QueueFollower
from watchkeeper.detect.alerts.queue.model import Filter
from watchkeeper.detect.alerts.queue.moves import wish_of
from watchkeeper.detect.alerts.queue.past import past_alerts
from watchkeeper.events import JournalReader
from watchkeeper.gateway.caller import DEFAULT

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

_MOST = 500
"""Alerts that are assessed at once."""
PAST_DAYS = 30.0


class Alerting:
    """On an open platform. While no watch runs, the queue is filled when it is asked for."""

    def __init__(self, platform: Platform, *, is_alone: bool = False) -> None:
        self._on = platform
        self._is_alone = is_alone
        reader = JournalReader(platform.data_dir, pass_over_corrupt=True)
        self._places = Places(reader)
        self._follower = QueueFollower(platform.database, reader, platform.clock)
        self.queue = AlertQueue(platform.database, platform.journal, platform.clock, self._places.read)
        self.exceptions = ExceptionBook(platform.database, platform.journal, platform.clock)
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "alerts.list": self.list,
            "alerts.show": self.show,
            "alerts.assess": self.assess,
            "alerts.precision": self.precision,
            "alerts.exceptions": self.list_exceptions,
            "alerts.try": self.try_exception,
            "alerts.except": self.add_exception,
            "alerts.unexcept": self.remove_exception,
        }

    def list(self, asked: dict[str, Any]) -> Any:
        """Some of the alerts that are asked for."""
        self._catch_up()
        wanted = msgspec.convert(asked.get("filter", {}), Filter)
        return self.queue.page(wanted, int(asked.get("limit", 100)), int(asked.get("offset", 0)))

    def show(self, asked: dict[str, Any]) -> Any:
        """One with everything about it."""
        self._catch_up()
        return self.queue.open(str(asked["alert"]), DEFAULT)

    def assess(self, asked: dict[str, Any]) -> Any:
        """Acknowledge, assign, close or reopen; the first that cannot be done ends it."""
        self._catch_up()
        names = [str(name) for name in asked["alerts"]]
        if not 0 < len(names) <= _MOST:
            raise Invalid(f"name 1 to {_MOST} alerts", hint="see `watchkeeper alerts list`")
        wish = wish_of(
            str(asked["act"]),
            asked["by"],
            to=str(asked.get("to", "")),
            disposition=str(asked.get("disposition", "")),
            note=str(asked.get("note", "")),
        )
        return [self.queue.assess(name, DEFAULT, wish) for name in names]

    def precision(self, asked: dict[str, Any]) -> Any:
        """Of every rule, or of one."""
        self._catch_up()
        days = float(asked.get("days", 90))
        return self.queue.precision(DEFAULT, str(asked.get("rule", "")), self._ago(days))

    def list_exceptions(self, asked: dict[str, Any]) -> Any:
        """Every exception, the newest first, each with its state now."""
        self._catch_up()
        rule, now = str(asked.get("rule", "")), self._on.clock.now()
        found = self.exceptions.list(DEFAULT, self.queue.rule_named(rule, DEFAULT) if rule else "")
        return [told(one) | {"state": one.state(now)} for one in found]

    def try_exception(self, asked: dict[str, Any]) -> Any:
        """What it would have held back."""
        self._catch_up()
        return self._impact(self._draft(asked), float(asked.get("past_days", PAST_DAYS)))

    def add_exception(self, asked: dict[str, Any]) -> Any:
        """Put one in force, its impact recorded with it."""
        self._catch_up()
        draft = self._draft(asked)
        impact: dict[str, Any] = msgspec.to_builtins(self._impact(draft, PAST_DAYS))
        one = self.exceptions.add(draft, asked["by"], impact)
        return {"exception": told(one) | {"state": "in force"}, "impact": impact}

    def remove_exception(self, asked: dict[str, Any]) -> Any:
        """End one."""
        one = self.exceptions.remove(str(asked["exception"]), DEFAULT, asked["by"], str(asked.get("because", "")))
        return told(one) | {"state": "removed"}

    def _draft(self, asked: dict[str, Any]) -> Draft:
        rule = str(asked.get("rule", ""))
        return Draft(
            where=asked["where"],
            reason=str(asked.get("reason", "")),
            days=float(asked.get("days", 0)),
            rule=self.queue.rule_named(rule, DEFAULT) if rule else "",
            over_critical=bool(asked.get("over_critical")),
        )

    def _impact(self, draft: Draft, days: float) -> Impact:
        condition = checked(msgspec.structs.replace(draft, reason=draft.reason or "-", days=draft.days or 1))
        one = Exemption(
            id="",
            tenant=DEFAULT,
            rule=draft.rule,
            where=draft.where,
            condition=condition,
            reason="",
            author="",
            created_at=0,
            expires_at=0,
            over_critical=draft.over_critical,
        )
        past = past_alerts(self._on.database, self._places.read, one, self._ago(days))
        return impact_of(one, past, days)

    def _ago(self, days: float) -> int:
        return self._on.clock.now() - int(days * DAY)

    def _catch_up(self) -> None:
        while self._is_alone and self._follower.step():
            continue


def told(one: Exemption) -> dict[str, Any]:
    """An exception as faces show it."""
    plain: dict[str, Any] = msgspec.to_builtins(one)
    del plain["condition"]
    return plain
