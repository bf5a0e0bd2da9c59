"""A question as a case of `*.tests.yaml`, to be answered as some verdict says: whoever runs it replays it."""

from __future__ import annotations

import json
from typing import Any

import yaml

from watchkeeper.policy.model import Question, Verdict
from watchkeeper.policy.reads import FACTS

_SETS = ("groups", *(fact for fact in FACTS if fact != "pin"))


def written(name: str, question: Question, schema: dict[str, Any] | None, expected: Verdict) -> dict[str, Any]:
    """The case as a tree."""
    ask: dict[str, Any] = {"principal": question.principal, "action": question.action, "server": question.server}
    ask |= {"target": question.target} if question.target else {}
    ask |= {"pin": question.pin}
    ask |= {fact: list(getattr(question, fact)) for fact in _SETS if getattr(question, fact)}
    if question.arguments:
        ask["arguments"] = json.loads(question.arguments)
    case: dict[str, Any] = {"name": name, "ask": ask, "effect": expected.effect.value, "rules": list(expected.rules)}
    return case if schema is None else case | {"input_schema": schema}


def as_yaml(cases: list[dict[str, Any]]) -> str:
    """A whole file of them."""
    return yaml.safe_dump({"cases": cases}, sort_keys=False, allow_unicode=False, width=110)
