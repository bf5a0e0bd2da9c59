"""A folder of anybody's Sigma files is loaded as far as it can be, and the rest is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.conditions.model import Comparison, Operator, Or
from watchkeeper.detect.sigma.loading import load
from watchkeeper.detect.sigma.model import LogSource
from watchkeeper.events import Severity

RULE = """
title: A shell
id: 11111111-1111-4111-8111-111111111111
logsource: {category: Process_Creation, product: windows}
detection:
  selection: {Image|endswith: '\\cmd.exe'}
  condition: selection
level: high
tags: [attack.t1059]
"""
HEAD = "title: x\nlogsource: {product: windows}\n"
HOSTILE = {
    "no-detection": (HEAD, "there is no detection"),
    "no-logsource": ("title: x\ndetection: {a: {b: 1}, condition: a}\n", "there is no logsource"),
    "empty-logsource": ("logsource: {definition: x}\ndetection: {a: {b: 1}, condition: a}\n", "log source is empty"),
    "logsource-of-a-wrong-type": ("logsource: {product: [x]}\ndetection: {a: {b: 1}, condition: a}\n", "is list"),
    "condition-of-a-wrong-type": (HEAD + "detection: {a: {b: 1}, condition: {a: b}}\n", "the condition is no text"),
    "no-condition": (HEAD + "detection: {a: {b: 1}}\n", "the condition is no text"),
    "selection-of-a-wrong-type": (HEAD + "detection: {a: {b: {c: {d: 1}}}, condition: a}\n", ""),
    "an-unknown-modifier": (HEAD + "detection: {a: {b|magic: 1}, condition: a}\n", "Unknown modifier"),
    "an-unknown-selection": (HEAD + "detection: {a: {b: 1}, condition: c}\n", "c"),
    "look-around": (HEAD + "detection: {a: {b|re: '(?=x)y'}, condition: a}\n", "cannot run on RE2"),
    "a-back-reference": (HEAD + "detection: {a: {b|re: '(a)\\1'}, condition: a}\n", "cannot run on RE2"),
    "a-regex-that-is-too-large": (
        HEAD + "detection: {a: {b|re: '((a{1,900}){1,900}){1,900}'}, condition: a}\n",
        "cannot run on RE2",
    ),
    "an-old-count": (HEAD + "detection: {a: {b: 1}, condition: a | count() > 5}\n", "counts with a pipe"),
    "a-placeholder": (HEAD + "detection: {a: {b|expand: '%admins%'}, condition: a}\n", "%admins% has no values"),
    "an-explosion": (
        HEAD + "detection:\n  s: [" + ", ".join(["a"] * 2000) + "]\n  condition: " + " or ".join(["s"] * 2000) + "\n",
        "becomes too large",
    ),
    "open-brackets": (HEAD + f"detection: {{a: {{b: 1}}, condition: {'(' * 5000}a}}\n", ""),
    "deep-negation": (HEAD + f"detection: {{a: {{b: 1}}, condition: {'not ' * 3000}a}}\n", ""),
    "an-action-that-is-none": ("action: explode\n" + HEAD, "has the action 'explode'"),
    "no-yaml": ("a: [", "is no YAML"),
}


@pytest.mark.behaviour("rules.foreign-folders-load")
def test_a_rule_of_any_log_source_is_read_as_data(tmp_path: Path) -> None:
    (tmp_path / "shell.yml").write_text(RULE, encoding="utf-8")
    (rule,) = load([tmp_path]).rules
    assert rule.logsource == LogSource("windows", "process_creation")
    assert rule.condition == Comparison("Image", Operator.ENDS_WITH, "\\cmd.exe")
    heading = rule.heading
    assert (heading.id, heading.name, heading.title) == ("11111111-1111-4111-8111-111111111111", "shell", "A shell")
    assert (heading.level, heading.tags) == (Severity.HIGH, ("attack.t1059",))


@pytest.mark.behaviour("rules.refusals-are-told")
@pytest.mark.parametrize("flaw", HOSTILE)
def test_what_cannot_be_loaded_is_told_and_the_others_are_loaded(tmp_path: Path, flaw: str) -> None:
    text, reason = HOSTILE[flaw]
    (tmp_path / "a.yml").write_text(text, encoding="utf-8")
    (tmp_path / "b.yml").write_text(RULE, encoding="utf-8")
    book = load([tmp_path])
    assert [rule.heading.title for rule in book.rules] == ["A shell"]
    (refused,) = book.refused
    assert refused.source == str(tmp_path / "a.yml")
    assert reason in refused.reason
    assert refused.reason


@pytest.mark.behaviour("rules.refusals-are-told")
def test_a_catastrophic_regex_is_loaded_and_costs_what_others_cost(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(HEAD + "detection: {a: {b|re: '^(a+)+$'}, condition: a}\n", encoding="utf-8")
    (rule,) = load([tmp_path]).rules
    holds = compile_condition(rule.condition)
    assert [holds(Fields({"b": "a" * 50_000 + end})) for end in ("", "!")] == [True, False]


@pytest.mark.behaviour("rules.foreign-folders-load")
def test_what_decides_nothing_keeps_no_rule_out(tmp_path: Path) -> None:
    (tmp_path / "odd.yml").write_text(
        "title: [x]\nid: not-a-uuid\nlevel: 7\nstatus: fine\ndate: yesterday\ntags: {a: b}\nfalsepositives: none\n"
        "logsource: {service: Sysmon}\ndetection: {a: {b: 1}, condition: [a, not a]}\n",
        encoding="utf-8",
    )
    (rule,) = load([tmp_path]).rules
    heading = rule.heading
    assert (heading.id, heading.name, heading.title, heading.level) == ("not-a-uuid", "odd", "odd", Severity.MEDIUM)
    assert (heading.tags, heading.falsepositives) == ((), ("none",))
    assert isinstance(rule.condition, Or)


@pytest.mark.behaviour("rules.collections")
def test_a_collection_shares_what_is_global_and_repeats_with_changes(tmp_path: Path) -> None:
    (tmp_path / "several.yml").write_text(
        "action: global\ntitle: all\nlevel: low\ndetection: {condition: a}\n"
        "---\nlogsource: {product: windows}\ndetection: {a: {b: 1}}\n"
        "---\naction: repeat\nlogsource: {product: linux}\n"
        "---\naction: reset\n"
        "---\ntitle: own\nlogsource: {product: macos}\ndetection: {a: {b: 2}, condition: not a}\n",
        encoding="utf-8",
    )
    book = load([tmp_path])
    assert [(r.heading.title, r.logsource.product, r.heading.level.name) for r in book.rules] == [
        ("all", "windows", "LOW"),
        ("all", "linux", "LOW"),
        ("own", "macos", "MEDIUM"),
    ]
    assert book.refused == ()


@pytest.mark.behaviour("rules.placeholders")
def test_a_placeholder_means_any_value_of_its_list(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(
        HEAD + "detection: {a: {User|expand|startswith: 'corp-%admins%'}, condition: a}\n", encoding="utf-8"
    )
    book = load([tmp_path], {"admins": ("ann", "bob*x")})
    first, second = (rule.condition.args for rule in book.rules if isinstance(rule.condition, Or)).__next__()
    assert first == Comparison("User", Operator.STARTS_WITH, "corp-ann")
    assert isinstance(second, Comparison)
    assert (second.operator, len(second.parts)) == (Operator.LIKE, 4)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        load([tmp_path / "none"])
