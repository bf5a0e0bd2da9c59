"""Documents that refer to each other: correlations onto rules, filters onto rules, in one file or in many."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.conditions.model import And, Comparison, Not, Operator
from watchkeeper.detect.sigma.loading import load
from watchkeeper.detect.sigma.model import Rulebook
from watchkeeper.detect.sigma.rules import load_detections
from watchkeeper.events import Event

LOGIN = """
title: A login that failed
id: 11111111-1111-4111-8111-111111111111
name: failed
level: low
logsource: {product: mcp, service: watchkeeper, category: gateway}
detection: {s: {kind: gateway.request.decided, outcome: deny}, condition: s}
"""
MANY = """
title: Many
id: 22222222-2222-4222-8222-222222222222
level: high
correlation: {type: event_count, rules: [failed], group-by: [actor], timespan: 5m, condition: {gte: 10}}
"""
FILTER = """
title: The scanner
logsource: {product: mcp}
filter:
  rules: [failed]
  scanner: {actor: 'agent:scanner'}
  condition: not scanner
"""


def book(folder: Path, *documents: str) -> Rulebook:
    (folder / "all.yml").write_text("---\n".join(documents), encoding="utf-8")
    return load([folder])


def reasons(book: Rulebook) -> list[str]:
    return [one.reason for one in book.refused]


@pytest.mark.behaviour("rules.correlations-are-read")
def test_a_rule_that_a_correlation_counts_is_silent_by_itself(tmp_path: Path) -> None:
    found = book(tmp_path, MANY, LOGIN)
    (rule,), (many,) = found.rules, found.correlations
    assert (rule.alone, many.alone, many.rules) == (False, True, (rule.heading.id,))
    assert (many.heading.title, len(many.heading.version)) == ("Many", 16)
    loud = book(tmp_path, MANY.replace("type:", "generate: true, type:"), LOGIN)
    assert [rule.alone for rule in loud.rules] == [True]


def test_the_version_of_a_correlation_is_also_that_of_what_it_counts(tmp_path: Path) -> None:
    versions = {
        book(tmp_path, *documents).correlations[0].heading.version
        for documents in (
            (MANY, LOGIN),
            (MANY, LOGIN.replace("deny", "allow")),
            (MANY.replace("5m", "6m"), LOGIN),
            (MANY.replace("Many", "Other words"), LOGIN),
        )
    }
    assert len(versions) == 3


@pytest.mark.behaviour("rules.correlations-are-read")
def test_a_correlation_of_correlations_stands_after_what_it_needs(tmp_path: Path) -> None:
    outer = "title: O\nid: 0\nname: outer\ncorrelation: {type: temporal, rules: [Inner, failed], timespan: 1h}\n"
    found = book(tmp_path, outer, MANY + "name: Inner\n", LOGIN)
    assert [(one.heading.title, one.alone) for one in found.correlations] == [("Many", False), ("O", True)]
    assert found.refused == ()


@pytest.mark.behaviour("rules.refusals-are-told")
def test_what_refers_to_itself_or_to_nothing_is_refused(tmp_path: Path) -> None:
    circle = "title: {0}\nid: {0}\ncorrelation: {{type: temporal, rules: [{1}, failed], timespan: 1h}}\n"
    lost = circle.format("x", "nobody")
    found = book(tmp_path, circle.format("a", "b"), circle.format("b", "a"), lost, circle.format("y", "x"), LOGIN)
    assert found.correlations == ()
    assert sorted(reasons(found)) == [
        "it refers to a, which refers back or was not loaded",
        "it refers to b, which refers back or was not loaded",
        "it refers to nobody, which is not here",
        "it refers to x, which was not loaded",
    ]


@pytest.mark.behaviour("rules.refusals-are-told")
def test_a_name_of_two_rules_refers_to_none(tmp_path: Path) -> None:
    found = book(tmp_path, MANY, LOGIN, LOGIN.replace("1111-", "3333-"))
    assert reasons(found) == ["it refers to failed, which 2 rules are called"]


@pytest.mark.behaviour("rules.filters")
def test_a_filter_narrows_the_rules_it_names_of_its_log_source(tmp_path: Path) -> None:
    plain = book(tmp_path, LOGIN).rules[0]
    (rule,) = book(tmp_path, LOGIN, FILTER).rules
    assert rule.condition == And((plain.condition, Not(Comparison("actor", Operator.EQUALS, "agent:scanner"))))
    assert rule.heading.version != plain.heading.version
    for changed in ({"product: mcp": "product: windows"}, {"[failed]": "[Many]"}):
        text = FILTER
        for old, new in changed.items():
            text = text.replace(old, new)
        assert (
            book(tmp_path, LOGIN, MANY, text.replace("Many", "22222222-2222-4222-8222-222222222222")).rules[0].condition
            == plain.condition
        )
    assert isinstance(book(tmp_path, LOGIN, FILTER.replace("[failed]", "any")).rules[0].condition, And)


@pytest.mark.behaviour("rules.filters")
@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("rules: [failed]", "rules: [nobody]", "which is not here"),
        ("rules: [failed]", "rules: []", "names no rules"),
        ("rules: [failed]", "rules: [[1]]", "names no rules"),
        ("  condition: not scanner", "", "the condition is no text"),
        ("logsource: {product: mcp}", "", "there is no logsource"),
    ],
)
def test_a_flaw_of_a_filter_is_told(tmp_path: Path, old: str, new: str, reason: str) -> None:
    found = book(tmp_path, LOGIN, FILTER.replace(old, new))
    assert len(found.rules) == 1
    assert [reason in one for one in reasons(found)] == [True]


@pytest.mark.behaviour("rules.filters")
def test_our_own_rules_are_narrowed_and_counted_strictly(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(f"{LOGIN}---{MANY}---{FILTER}", encoding="utf-8")
    found = load_detections([tmp_path])
    (rule,), (many,) = found.rules, found.correlations
    assert (rule.alone, many.rules) == (False, (rule.id,))
    event = {"v": 1, "id": "e", "time": 0, "kind": "gateway.request.decided", "outcome": "deny"}
    assert rule.matches(Event(**event, actor="agent:x"))
    assert not rule.matches(Event(**event, actor="agent:scanner"))


@pytest.mark.behaviour("detect.unsupported-is-refused")
def test_a_flaw_in_one_of_many_documents_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(f"{LOGIN}---\n{LOGIN.replace('outcome:', 'verdict:')}", encoding="utf-8")
    with pytest.raises(Misconfigured) as told:
        load_detections([tmp_path])
    assert told.value.reason.startswith(f"{tmp_path / 'a.yml'}:10: there is no field verdict")


@pytest.mark.behaviour("detect.unsupported-is-refused")
@pytest.mark.parametrize(
    ("documents", "reason"),
    [
        ((LOGIN, MANY.replace("actor", "user")), "there is no field user"),
        ((LOGIN, MANY.replace("failed", "nobody")), "which is not here"),
        ((LOGIN, FILTER.replace("actor:", "user:")), "a filter reads user"),
        ((LOGIN, FILTER + "  scanner: {actor: x}\n"), "stands twice"),
        ((LOGIN, LOGIN), "belongs to"),
    ],
)
def test_a_flaw_in_our_own_folder_is_an_error(tmp_path: Path, documents: tuple[str, ...], reason: str) -> None:
    (tmp_path / "a.yml").write_text("---\n".join(documents), encoding="utf-8")
    with pytest.raises(Misconfigured) as told:
        load_detections([tmp_path])
    assert str(tmp_path / "a.yml") in told.value.reason
    assert reason in told.value.reason
