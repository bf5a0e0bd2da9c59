from __future__ import annotations

import json
import re

import pytest

from watchkeeper.inspection import RuleInspector
from watchkeeper.inspection.attacks import Attacks
from watchkeeper.inspection.channels import Channels
from watchkeeper.inspection.instructions import HiddenInstructions
from watchkeeper.inspection.invisible import Invisible
from watchkeeper.inspection.leaving import Leaving
from watchkeeper.inspection.personal import Personal
from watchkeeper.inspection.rules import Rule
from watchkeeper.inspection.secrets import Secrets

INSPECTORS: list[RuleInspector] = [
    Attacks(),
    Channels(),
    HiddenInstructions(),
    Invisible(),
    Leaving(),
    Personal(),
    Secrets(),
]
RULES = [(inspector, rule) for inspector in INSPECTORS for rule in inspector.rules]
each_rule = pytest.mark.parametrize(("inspector", "rule"), RULES, ids=lambda value: getattr(value, "id", "in"))


def written_out(text: str) -> bytes:
    """`{x*3}` as `xxx`."""
    return re.sub(r"\{([^{}*]*)\*(\d+)\}", lambda found: found[1] * int(found[2]), text).encode()


@each_rule
def test_a_rule_matches_its_examples(inspector: RuleInspector, rule: Rule) -> None:
    assert rule.tests.match
    for example in rule.tests.match:
        data = written_out(example)
        json.loads(data)
        for surface in rule.surfaces:
            assert rule.id in {finding.rule for finding in inspector.inspect(surface, data)}, example


@each_rule
def test_no_rule_of_the_inspector_matches_the_clean_examples(inspector: RuleInspector, rule: Rule) -> None:
    assert rule.tests.clean
    for example in rule.tests.clean:
        data = written_out(example)
        json.loads(data)
        for surface in rule.surfaces:
            assert inspector.inspect(surface, data) == (), example


def test_ids_begin_with_the_name_of_their_set_and_labels_are_known() -> None:
    for inspector, rule in RULES:
        assert rule.id.split(".")[0] == inspector.name.removeprefix("hidden_")
        assert rule.label in {
            "attack",
            "exfiltration",
            "hidden_instruction",
            "invisible_text",
            "personal_data",
            "secret",
            "sensitive_leaving",
        }
        assert rule.description.endswith(".")


def test_the_content_itself_holds_nothing_that_looks_like_a_live_secret() -> None:
    for _, rule in RULES:
        for example in rule.tests.match:
            if rule.label == "secret" and "*" in example:
                assert re.search(r"\{[^{}*]*\*\d+\}", example)
