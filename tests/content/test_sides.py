"""What one side of a call holds does not hide from the rules what the other side holds."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.detect.sigma.rules import load_rules
from watchkeeper.events import Event, new_event

LABELS = {"secrets": "secret", "instructions": "hidden_instruction", "leaving": "sensitive_leaving"}


def decided(
    sent: list[str], came: list[str], *, outcome: str = "allow", answer: str = "deny", target: str = "write"
) -> Event:
    """A call, with ids of the rules that noticed something in it and in its answer."""
    findings = [
        {"inspector": "x", "rule": rule, "label": _label(rule), "severity": 5, "path": f"{path}/text"}
        for path, rules in (("/arguments", sent), ("/content/0", came))
        for rule in rules
    ]
    said: dict[str, Any] = {"outcome": answer, "rules": [], "reason": "", "asked": None}
    body: dict[str, Any] = {"method": "tools/call", "findings": findings, "answer": said}
    if sent:
        body["noticed"] = sorted(set(sent))
    if came:
        said["noticed"] = sorted(set(came))
        said["asked"] = {"effect": answer, "action": "receive", "target": target}
        said["asked"]["findings"] = sorted({_label(rule) for rule in came})
    return new_event(0, "gateway.request.decided", server="notes", target=target, outcome=outcome, body=body)


def _label(rule: str) -> str:
    return "exfiltration" if rule.startswith("channels.") else LABELS[rule.partition(".")[0]]


@cache
def alone() -> tuple[Any, ...]:
    return tuple(rule for rule in load_rules([content_folder("detections")]) if rule.alone)


def told(event: Event) -> set[str]:
    return {rule.name for rule in alone() if rule.matches(event)}


WORDS, PHRASE, KEY = "leaving.seed-words", "secrets.seed-phrase", "secrets.private-key"
TOKEN, TAGS, ORDER = "secrets.github-token", "instructions.unicode-tags", "instructions.override"


@pytest.mark.behaviour("detect.each-side-is-told")
@pytest.mark.parametrize(
    ("event", "alerts"),
    [
        # what left, whatever the answer holds
        (decided([WORDS, PHRASE], [PHRASE]), {"wallet_key_leaving"}),
        (decided(["secrets.wallet-key"], ["secrets.wallet-key"]), {"wallet_key_leaving"}),
        (decided(["leaving.token"], [TOKEN]), {"settings_or_accounts_leaving", "secret_in_result"}),
        (decided(["leaving.token", TOKEN], [TOKEN]), {"settings_or_accounts_leaving"}),
        # what came, whatever was sent
        (decided([WORDS], [KEY]), {"wallet_key_leaving", "private_key_in_answer"}),
        (decided([KEY], [TOKEN]), {"secret_in_result"}),
        (decided([KEY], [ORDER]), {"hidden_instruction_in_result"}),
        (decided([TAGS], [ORDER]), {"text_nobody_sees", "hidden_instruction_in_result"}),
        (decided([TAGS], [TAGS]), {"text_nobody_sees"}),
        (
            decided(["channels.encoded-query"], ["instructions.template-image"], target="post_message"),
            {"covert_chat", "data_in_a_picture"},
        ),
        # a call that is refused in shadow mode only goes on, and has an answer
        (decided([], [TOKEN], outcome="deny"), {"secret_in_result"}),
        (decided([], [KEY], outcome="deny"), {"private_key_in_answer"}),
        (decided([TOKEN], [PHRASE], outcome="deny"), {"secret_leaving", "private_key_in_answer"}),
        (decided([TOKEN], [TOKEN], outcome="deny"), {"secret_leaving"}),
    ],
)
def test_what_one_side_holds_does_not_hide_what_the_other_holds(event: Event, alerts: set[str]) -> None:
    assert told(event) == alerts
