"""The detections that come with the product: each passes its own tests, and other Sigma tools can read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sigma.collection import SigmaCollection

from watchkeeper.core.content import content_folder
from watchkeeper.detect.check import check
from watchkeeper.detect.check import test_rules as run_rule_tests
from watchkeeper.detect.sigma.rules import load_rules, parse_rule

FOLDER = content_folder("detections")


@pytest.mark.behaviour("detect.rules-carry-tests")
def test_every_rule_passes_the_tests_it_carries() -> None:
    outcomes = run_rule_tests(FOLDER)
    assert {outcome.source: outcome.wrong for outcome in outcomes if outcome.wrong} == {}
    assert len(outcomes) >= 3


@pytest.mark.behaviour("detect.rules-are-sigma")
def test_every_rule_is_plain_sigma_for_other_tools() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.yml"))}
    errors = {name: SigmaCollection.from_yaml(text).rules[0].errors for name, text in texts.items()}
    assert {name: found for name, found in errors.items() if found} == {}


def test_every_rule_says_where_it_errs_and_what_it_is_about() -> None:
    for rule in load_rules([FOLDER]):
        assert rule.falsepositives
        assert rule.response, f"{rule.name} does not say what to do first"
        assert any(tag.startswith("attack.") for tag in rule.tags)
        assert rule.kinds, f"{rule.title} looks at every event"
        assert Path(rule.source).stem == rule.name


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "detection.md"


def test_the_documented_rule_passes_its_tests() -> None:
    example = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    assert check(parse_rule(example, "documented.yml")).wrong == ()
