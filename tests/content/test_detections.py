"""The detections that come with the product: each passes its own tests, and other Sigma tools can read it.

Beyond its own tests a rule is held against what the product can record (a field that no event has never matches),
against its neighbours (one fact, one alert) and against the catalogues of techniques.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from sigma.collection import SigmaCollection

from watchkeeper.core.content import content_folder
from watchkeeper.detect.check import check
from watchkeeper.detect.check import test_rules as run_rule_tests
from watchkeeper.detect.conditions.fields import MEMBERS
from watchkeeper.detect.model import Rule
from watchkeeper.detect.proving.frameworks import item_of, load_frameworks
from watchkeeper.detect.sigma.rules import load_detections, load_rules, parse_rule
from watchkeeper.events.catalogue import ENTRIES
from watchkeeper.events.catalogue.fields import lines_of
from watchkeeper.events.catalogue.fits import misfit

FOLDER = content_folder("detections")
SMALLEST = {"rules": 100, "SAFE-MCP techniques": 50}
"""What issue 6 asks for."""


@cache
def rules() -> tuple[Rule, ...]:
    return load_rules([FOLDER])


@pytest.mark.behaviour("detect.rules-carry-tests")
def test_every_rule_passes_the_tests_it_carries() -> None:
    outcomes = run_rule_tests(FOLDER)
    assert {outcome.source: outcome.wrong for outcome in outcomes if outcome.wrong} == {}
    assert len(outcomes) >= SMALLEST["rules"]


@pytest.mark.behaviour("detect.rules-are-sigma")
def test_every_rule_is_plain_sigma_for_other_tools() -> None:
    texts = [
        path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.yml")) if path.parent.name != "foreign"
    ]
    collection = SigmaCollection.from_yaml("\n---\n".join(texts))  # in one, as correlations refer to others
    assert {rule.name: rule.errors for rule in collection.rules if rule.errors} == {}
    assert len(collection.rules) == len(texts)


def test_every_rule_says_where_it_errs_and_what_it_is_about() -> None:
    for rule in (*rules(), *(one.heading for one in load_detections([FOLDER]).correlations)):
        assert rule.falsepositives
        assert rule.response, f"{rule.name} does not say what to do first"
        assert any(tag.startswith("attack.") for tag in rule.tags)
        assert not isinstance(rule, Rule) or rule.kinds, f"{rule.title} looks at every event"
        assert Path(rule.source).stem == rule.name


@pytest.mark.behaviour("detect.rules-name-techniques")
def test_every_technique_that_a_rule_names_is_in_its_catalogue() -> None:
    catalogues = load_frameworks(content_folder("frameworks"))
    known = {one.name: {item.id for item in one.items} for one in catalogues}
    named = {(one.name, item_of(tag, one)) for one in catalogues for rule in rules() for tag in rule.tags}
    assert {(name, item) for name, item in named if item and item not in known[name]} == set()
    assert len({item for name, item in named if name == "safe-mcp" and item}) >= SMALLEST["SAFE-MCP techniques"]


@pytest.mark.behaviour("detect.rules-read-what-is-recorded")
def test_every_field_that_a_rule_reads_is_one_that_its_events_have() -> None:
    unknown = {
        (rule.name, field) for rule in rules() for field in rule.reads if field != "*" and not _is_recorded(rule, field)
    }
    assert unknown == set()


def _is_recorded(rule: Rule, field: str) -> bool:
    member, _, path = field.partition(".")
    if member != "body":
        return member in MEMBERS
    return any(path in _members(kind) for kind in rule.kinds or ENTRIES)


@cache
def _members(kind: str) -> frozenset[str]:
    return frozenset(re.sub(r"\[\]|\.\*", "", line.path) for line in lines_of(kind))


@pytest.mark.behaviour("detect.rules-read-what-is-recorded")
def test_every_example_of_a_rule_could_have_been_recorded() -> None:
    """Examples may leave out what a rule does not read; what they hold has the catalogue's names and types."""
    found = {(rule.name, event.kind, misfit(event)) for rule in rules() for event in (*rule.match, *rule.clean)}
    assert {one for one in found if one[2] and "missing required field" not in one[2]} == set()


@pytest.mark.behaviour("detect.one-fact-one-alert")
def test_no_two_rules_say_the_same_of_one_event() -> None:
    said = {
        (rule.name, other.name)
        for rule in rules()
        for event in rule.match
        for other in rules()
        if other is not rule and rule.alone and other.alone and other.matches(event)
    }
    assert said == set()


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "detection.md"


def test_the_documented_rule_passes_its_tests() -> None:
    example = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    assert check(parse_rule(example, "documented.yml")).wrong == ()
