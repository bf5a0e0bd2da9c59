"""Alerts and rules for the tests of pages."""

from __future__ import annotations

from typing import Any

from tests.web.conftest import NOW, decided
from watchkeeper.core.clock import SECOND
from watchkeeper.detect.alerts.queue.model import Alert, Assessment, Opened
from watchkeeper.detect.alerts.queue.precision import precision
from watchkeeper.web.alerts import AlertWhole, Reason, RuleLine


def an_alert(number: int = 0, **fields: Any) -> Alert:
    known: dict[str, Any] = {
        "id": f"{number:08d}-0000-8000-8000-000000000000", "tenant": "default", "kind": "raised",
        "time": NOW - number * SECOND, "rule": "r-1", "name": "a_rule", "title": f"Alert {number}", "severity": 4,
        "server": "files", "target": "read", "principal": "agent:ann", "outcome": "deny", "event": "e-1",
        "event_kind": "gateway.request.decided", "event_time": NOW,
    }  # fmt: skip
    return Alert(**known | fields)


def a_whole(alert: Alert, **fields: Any) -> AlertWhole:
    body = {
        "version": "1", "level": "medium", "tags": ["safe-mcp.t1001"], "response": "Look at it.",
        "reasons": ["the server's criticality is high: one level higher"], "news": ["principal"], "first": "f-1",
        "context": {"registry": {"known": False, "why": "there is no catalogue yet"},
                    "asset": {"known": True, "says": {"transport": "stdio", "criticality": "high", "shadow": False}}},
        "evidence": [{"writer": "gateway", "index": 3, "event": "e-0"}],
    }  # fmt: skip
    history = (Assessment(NOW, "operator:zoe", "acknowledge", "new", "acknowledged", note="mine"),)
    known: dict[str, Any] = {
        "opened": Opened(alert, body, None, history, (an_alert(9),)), "trigger": decided(NOW), "rule": a_line(),
        "condition": "detection:\n  s: {outcome: deny}", "reasons": (Reason("outcome", "equals", "deny", ("deny",)),),
        "may_assess": True, "may_except": True, "precision": precision("r-1", "A rule", {"true_positive": 3}, 2),
    }  # fmt: skip
    return AlertWhole(**known | fields)


def a_line(**fields: Any) -> RuleLine:
    known: dict[str, Any] = {
        "id": "r-1", "name": "a_rule", "title": "A rule", "level": 3, "kind": "rule", "state": "enabled",
        "tactic": "execution", "volume": (0, 3, 1), "precision": precision("r-1", "A rule", {"false_positive": 1}, 4),
    }  # fmt: skip
    return RuleLine(**known | fields)
