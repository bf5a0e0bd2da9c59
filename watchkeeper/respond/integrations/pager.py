"""Pagers: PagerDuty's Events API v2, and the alert API that Opsgenie made known.

Both take a key, under which the same event twice is one page. PagerDuty's answer repeats the key, which is looked at;
Opsgenie says later what became of a request, which is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import Severity
from watchkeeper.respond.errands import Errand, NotTaken, Receipt, Repeats, Verb
from watchkeeper.respond.integrations.interface import Ground, Integration
from watchkeeper.respond.integrations.settings import IntegrationSettings
from watchkeeper.respond.integrations.wire import Answer, Wire
from watchkeeper.respond.integrations.wording import severity_of, subject, text

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
OPSGENIE = "https://api.opsgenie.com"
_VERBS = frozenset({Verb.TRIGGER, Verb.ACKNOWLEDGE, Verb.RESOLVE})
_SEVERITIES = {Severity.CRITICAL: "critical", Severity.HIGH: "error", Severity.MEDIUM: "warning"}
_PRIORITIES = {Severity.CRITICAL: "P1", Severity.HIGH: "P2", Severity.MEDIUM: "P3", Severity.LOW: "P4"}
_TEXT = 1_024


class _Pager:
    verbs = _VERBS
    repeats = Repeats.KEYED

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground, home: str) -> None:
        where = f"respond.integrations.{name}"
        self._secret = ground.read_secret(f"{where}.secret", settings.secret)
        if not self._secret:
            raise Misconfigured(f"{where}.secret: a pager is shown a key", hint='write "env:NAME"')
        self._wire = Wire(where, settings, ground, [self._secret])
        self._url = self._wire.check("url", settings.url or home).rstrip("/")


class PagerDuty(_Pager):
    """Events API v2."""

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground) -> None:
        super().__init__(name, settings, ground, PAGERDUTY)

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        key = dedup_key(errand)
        body: dict[str, Any] = {
            "routing_key": self._secret.reveal(),
            "event_action": errand.verb.value,
            "dedup_key": key,
            "payload": {
                "summary": subject(errand)[:_TEXT],
                "source": "watchkeeper",
                "severity": _SEVERITIES.get(Severity(errand.severity), "info"),
                "timestamp": to_iso(errand.time),
                "custom_details": {"number": errand.number, "text": text(errand)[:_TEXT]},
            },
            "client": "Watchkeeper",
        }
        if errand.link:
            body["client_url"] = errand.link
        answer = self._wire.send("POST", self._url, body)
        said = answer.json
        is_theirs = isinstance(said, dict) and said.get("status") == "success" and said.get("dedup_key") == key
        return Receipt(said=answer.said, reference=key, verified=None if is_theirs else False)

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        return receipt


class Opsgenie(_Pager):
    """Alerts by alias."""

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground) -> None:
        super().__init__(name, settings, ground, OPSGENIE)

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        alias = dedup_key(errand)
        if errand.verb is Verb.TRIGGER:
            details = {"number": errand.number} | ({"link": errand.link} if errand.link else {})
            body: dict[str, Any] = {
                "message": subject(errand)[:130],
                "alias": alias,
                "description": text(errand),
                "priority": _PRIORITIES.get(Severity(errand.severity), "P5"),
                "source": "watchkeeper",
                "tags": ["watchkeeper", severity_of(errand)],
                "details": details,
            }
            answer = self._ask("POST", "/v2/alerts", body)
        else:
            act = "acknowledge" if errand.verb is Verb.ACKNOWLEDGE else "close"
            note = {"source": "watchkeeper", "note": text(errand)[:_TEXT]}
            answer = self._ask("POST", f"/v2/alerts/{quote(alias, safe='')}/{act}?identifierType=alias", note)
        said = answer.json
        request = said.get("requestId", "") if isinstance(said, dict) else ""
        if not isinstance(request, str) or not request:
            return Receipt(said=f"it names no request: {answer.said}", reference=alias, verified=False)
        return Receipt(said=answer.said, reference=alias, detail={"request": request[:128]})

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        request = receipt.detail.get("request")
        if not request:
            return receipt
        answer = self._ask("GET", f"/v2/alerts/requests/{quote(request, safe='')}")
        said = answer.json
        data = said.get("data") if isinstance(said, dict) else None
        if not isinstance(data, dict) or "success" not in data:
            raise NotTaken(f"it does not say yet what became of the request: {answer.said}")
        return msgspec.structs.replace(receipt, said=answer.said, verified=data["success"] is True)

    def _ask(self, verb: str, path: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"GenieKey {self._secret.reveal()}"}
        return self._wire.send(verb, self._url + path, body, headers)


def dedup_key(errand: Errand) -> str:
    """The page's name there: our thread, so that what resolves it finds it."""
    return f"watchkeeper-{derived_id('page', errand.thread or errand.key)}"


_STYLES: dict[str, Callable[[str, IntegrationSettings, Ground], Integration]] = {
    "pagerduty": PagerDuty,
    "opsgenie": Opsgenie,
}


def pager(name: str, settings: IntegrationSettings, ground: Ground) -> Integration:
    """One of them. Raises `Misconfigured`."""
    if settings.style not in _STYLES:
        raise Misconfigured(f"respond.integrations.{name}.style: a pager has one", hint=f"write {' or '.join(_STYLES)}")
    return _STYLES[settings.style](name, settings, ground)
