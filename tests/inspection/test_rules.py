from __future__ import annotations

from pathlib import Path

import pytest
import re2

from watchkeeper.core.errors import Misconfigured
from watchkeeper.inspection.attacks import Attacks
from watchkeeper.inspection.instructions import HiddenInstructions
from watchkeeper.inspection.rules import load_rules, loosened, options, portable
from watchkeeper.inspection.secrets import Secrets
from watchkeeper.inspection.views import unescape

RULE = """
inspector: mine
rules:
  - id: mine.one
    label: hidden_instruction
    severity: {severity}
    surfaces: [result]
    pattern: '{pattern}'
    description: d
    false_positives: none
    tests: {{match: [], clean: []}}
"""


@pytest.mark.parametrize("pattern", ["^a", "a$", r"\Sa", "(?i)a", "a\\pL", "[é]", "[a^]b"])
def test_what_the_engines_read_differently_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        portable(pattern)


def test_white_space_is_spelled_out_inside_and_outside_a_class() -> None:
    assert portable(r"a\s[\s,]") == rb"a[\t\n\x0b\f\r ][\t\n\x0b\f\r ,]"


def test_a_negated_class_may_begin_with_a_circumflex() -> None:
    assert portable(r"[^a]\[") == rb"[^a]\["


@pytest.mark.behaviour("inspection.bad-rule-named")
@pytest.mark.parametrize(
    ("pattern", "severity"), [("(", 3), ("a", 9), ("(?=a)", 3), ("(a)\\1", 3), ("a*", 3), ("a" * 3001, 3)]
)
def test_a_rule_that_cannot_work_is_named_with_its_file(tmp_path: Path, pattern: str, severity: int) -> None:
    (tmp_path / "r.yaml").write_text(RULE.format(pattern=pattern, severity=severity))
    with pytest.raises(Misconfigured) as caught:
        load_rules(tmp_path, "mine")
    assert str(tmp_path / "r.yaml") in caught.value.reason
    assert "mine.one" in caught.value.reason


def test_a_file_that_is_no_rule_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("rules: 3")
    with pytest.raises(Misconfigured) as caught:
        load_rules(tmp_path, "mine")
    assert "r.yaml" in caught.value.reason


def test_two_rules_of_one_id_are_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(RULE.format(pattern="abc", severity=3))
    with pytest.raises(Misconfigured):
        load_rules(tmp_path, "mine")


def test_an_inspector_without_rules_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RULE.format(pattern="abc", severity=3))
    with pytest.raises(Misconfigured):
        load_rules(tmp_path, "other")


@pytest.mark.behaviour("inspection.loosened-finds-all")
@pytest.mark.parametrize(
    ("pattern", "loose"),
    [
        ("a{0,40}b", "a*b"),
        ("[^x]{1,200}?y", "[^x]+?y"),
        ("z{3}", "z{3}"),
        ("a{0,3}", "a{0,3}"),
        ("a{20,64}", "a{20,64}"),
        (r"\{0,40}", r"\{0,40}"),
        ("[{0,40}]", "[{0,40}]"),
        (r"\\{0,9}", r"\\*"),
    ],
)
def test_a_long_counted_repeat_counts_no_more_in_the_fast_pass(pattern: str, loose: str) -> None:
    assert loosened(pattern) == loose


@pytest.mark.behaviour("inspection.loosened-finds-all")
def test_what_a_rule_finds_its_loosened_pattern_finds_too() -> None:
    for inspector in (Attacks(), HiddenInstructions(), Secrets()):
        for rule in inspector.rules:
            exact = re2.compile(portable(rule.pattern), options=options(rule.case))
            loose = re2.compile(portable(loosened(rule.pattern)), options=options(rule.case))
            for example in rule.tests.match:
                for text in (example.encode(), unescape(example.encode())):
                    assert not exact.search(text) or loose.search(text), rule.id


def test_a_character_beyond_ascii_is_written_as_its_bytes_in_either_case() -> None:
    assert portable("é+") == rb"(?:\xc3\x89|\xc3\xa9)+"
    assert portable("é", case=True) == rb"(?:\xc3\xa9)"
    assert portable("无") == rb"(?:\xe6\x97\xa0)"
