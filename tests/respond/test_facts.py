"""What expressions see of an alert: typed, bounded, and unknown where nobody knew."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from watchkeeper.detect.alerts.model import Fact, Telling
from watchkeeper.detect.alerts.raising import alert_of as raised
from watchkeeper.detect.model import Detection, Heading
from watchkeeper.events import Event, Position, Severity, new_event
from watchkeeper.events.catalogue import problems
from watchkeeper.respond.expressions import Expression
from watchkeeper.respond.model import alert_of
from watchkeeper.respond.planning import facts_of

BY = Heading(id="7a1f", name="tool_changed", title="T", level=Severity.HIGH, version="1", playbook="rug_pull")
DIGEST = "sha256:2b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfe"


def seen(event: Event, context: dict[str, Fact]) -> dict[str, Any]:
    found = Detection(by=BY, event=event, position=Position("gateway", 3), group="g", key=(1,), severity=Severity.HIGH)
    alert = raised(found, 5, Telling(context=context))
    assert problems(alert) == []
    alert = msgspec.json.decode(msgspec.json.encode(alert), type=Event)
    facts: dict[str, Any] = facts_of({"id": "i"}, [alert_of(alert)])
    return facts


def call(**body: Any) -> Event:
    return new_event(
        1, "gateway.request.decided", actor="agent:desk", server="files", target="read", outcome="allow", body=body
    )


@pytest.mark.behaviour("playbooks.alert-facts")
def test_an_expression_sees_rule_session_definition_and_what_was_known() -> None:
    context = {
        "asset": Fact(known=True, says={"transport": "stdio", "criticality": "critical", "at": "uvx", "shadow": True}),
        "definition": Fact(known=True, says={"state": "held", "pinned": "sha256:aa", "seen": DIGEST, "labels": ["x"]}),
        "identity": Fact(known=False, why="nobody was verified"),
    }
    facts = seen(call(session="5f0c9a61d7b248e3a1c6", fingerprint=DIGEST), context)
    told = facts["alert"]
    assert (told["name"], told["session"], told["fingerprint"]) == ("tool_changed", "5f0c9a61d7b248e3a1c6", DIGEST)
    assert (told["stopped"], told["asset"]["criticality"], told["definition"]["seen"]) == (False, "critical", DIGEST)
    assert "at" not in told["asset"]
    for expression in (
        "alert.asset.known && alert.asset.shadow && alert.asset.transport == 'stdio'",
        "'x' in alert.definition.labels",
        "!alert.identity.known && alert.identity.grants == 0",
    ):
        assert Expression(expression).holds(facts)


@pytest.mark.behaviour("playbooks.alert-facts")
def test_what_is_of_another_type_or_too_long_is_not_known_or_cut() -> None:
    context = {
        "asset": Fact(known=True, says={"criticality": "x" * 900, "shadow": "yes", "transport": ["stdio"]}),
        "definition": Fact(known=True, says={"labels": [str(number) for number in range(90)], "state": {"a": 1}}),
    }
    facts = seen(call(session="s" * 900, fingerprint=7), context)
    told = facts["alert"]
    assert (told["session"], told["fingerprint"]) == ("", "")
    assert len(told["asset"]["criticality"]) == 200
    assert (told["asset"]["shadow"], len(told["definition"]["labels"])) == (False, 20)
    assert Expression("alert.asset.transport == '' || alert.asset.transport.size() <= 200").holds(facts)
