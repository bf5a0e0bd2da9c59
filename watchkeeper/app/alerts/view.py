"""Alerts and rules as the console's port wants them: the same acts as the command line's, asked by who is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.admission import Access
from watchkeeper.app.alerts.acts import Alerting
from watchkeeper.app.alerts.rulebook import Entry, Rulebook
from watchkeeper.core.errors import Denied, NotFound
from watchkeeper.detect.alerts.exceptions.impact import Impact
from watchkeeper.detect.alerts.queue.model import Filter, Page
from watchkeeper.detect.alerts.queue.precision import Precision
from watchkeeper.events import Event
from watchkeeper.gateway.caller import DEFAULT
from watchkeeper.operators import Acting
from watchkeeper.web.alerts import PAGE, AlertWhole, RuleLine, RuleWhole

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform
    from watchkeeper.app.settings import Loaded

_DAYS, _LONG_DAYS = 14, 30
_RECENT = 12


class AlertsView:
    """Asks the policies about operators first."""

    def __init__(self, loaded: Loaded, platform: Platform) -> None:
        self._alerting = Alerting(platform)
        self._access = Access(platform)
        self._rules = Rulebook(loaded, platform)

    def page(self, acting: Acting, asked: Mapping[str, Any], offset: int) -> Page:
        self._access.require(acting, "read_alerts")
        return self._alerting.queue.page(msgspec.convert(dict(asked), Filter), PAGE, offset)

    def show(self, acting: Acting, alert_id: str) -> AlertWhole:
        self._access.require(acting, "read_alerts")
        opened = self._alerting.queue.open(alert_id, DEFAULT)
        trigger = msgspec.convert(opened.trigger, Event) if opened.trigger is not None else None
        entry = self._rules.find(opened.alert.rule)
        told = self._precision(opened.alert.rule)
        return AlertWhole(
            opened=opened,
            trigger=trigger,
            rule=self._line(entry, told, ()) if entry is not None else None,
            condition=entry.condition if entry is not None else "",
            reasons=entry.reasons(trigger) if entry is not None and trigger is not None else (),
            is_other_version=entry is not None and opened.body.get("version", "") not in ("", entry.heading.version),
            may_assess=self._may(acting, "assess_alerts"),
            may_except=self._may(acting, "except_alerts"),
            precision=told,
        )

    def assess(self, acting: Acting, alert_id: str, said: Mapping[str, str]) -> None:
        self._access.require(acting, "assess_alerts")
        self._alerting.assess({**said, "alerts": [alert_id], "by": acting.actor})

    def try_exception(self, acting: Acting, draft: Mapping[str, Any]) -> Impact:
        self._access.require(acting, "read_alerts")
        impact: Impact = self._alerting.try_exception(dict(draft))
        return impact

    def add_exception(self, acting: Acting, draft: Mapping[str, Any]) -> None:
        self._access.require(acting, "except_alerts")
        self._alerting.add_exception({**draft, "by": acting.actor})

    def rules(self, acting: Acting) -> Sequence[RuleLine]:
        self._access.require(acting, "read_alerts")
        told = {one.rule: one for one in self._alerting.queue.precision(DEFAULT)}
        volumes = self._alerting.queue.volume(DEFAULT, _DAYS)
        return [
            self._line(entry, told.get(entry.id), volumes.get(entry.id, [0] * _DAYS)) for entry in self._rules.all()
        ]

    def rule(self, acting: Acting, rule_id: str) -> RuleWhole:
        self._access.require(acting, "read_alerts")
        entry = self._rules.find(rule_id)
        if entry is None:
            raise NotFound(f"there is no rule {rule_id[:80]!a}", hint="see the list of rules")
        volume = self._alerting.queue.volume(DEFAULT, _LONG_DAYS).get(entry.id, [0] * _LONG_DAYS)
        recent = self._alerting.queue.page(Filter(state="all", rule=entry.id, kind="all"), _RECENT)
        _, why = self._rules.standing(entry)
        line = self._line(entry, self._precision(entry.id), volume)
        return RuleWhole(
            line=line,
            condition=entry.condition,
            text=entry.text,
            source=entry.heading.source,
            group=entry.group,
            falsepositives=entry.heading.falsepositives,
            response=entry.heading.response,
            playbook=entry.heading.playbook,
            why_state=why,
            must_match=entry.must_match,
            must_not=entry.must_not,
            wrong=entry.wrong,
            exceptions=self._alerting.list_exceptions({"rule": entry.id}),
            recent=recent.alerts,
        )

    def _line(self, entry: Entry, told: Precision | None, volume: Sequence[int]) -> RuleLine:
        return RuleLine(
            id=entry.id,
            name=entry.heading.name,
            title=entry.heading.title,
            level=int(entry.heading.level),
            kind=entry.kind,
            state=self._rules.standing(entry)[0],
            tags=entry.heading.tags,
            tactic=entry.tactic,
            precision=told,
            volume=tuple(volume),
        )

    def _precision(self, rule: str) -> Precision | None:
        return next(iter(self._alerting.queue.precision(DEFAULT, rule)), None) if rule else None

    def _may(self, acting: Acting, act: str) -> bool:
        try:
            self._access.check(acting, act)
        except Denied:
            return False
        return True
