from __future__ import annotations

import pytest
import re2

from watchkeeper.inspection.alternatives import alternatives
from watchkeeper.inspection.attacks import Attacks
from watchkeeper.inspection.channels import Channels
from watchkeeper.inspection.instructions import HiddenInstructions
from watchkeeper.inspection.invisible import Invisible
from watchkeeper.inspection.rules import options, portable
from watchkeeper.inspection.secrets import Secrets
from watchkeeper.inspection.suspicion import Suspicion
from watchkeeper.inspection.views import readings

INSPECTORS = (HiddenInstructions(), Secrets(), Attacks(), Channels(), Invisible(), Suspicion())
RULES = [rule for one in INSPECTORS for rule in one.rules]
TEXTS = [
    text for rule in RULES for example in (*rule.tests.match, *rule.tests.clean) for text in readings(example.encode())
]
NARROWED = {"secrets.seed-phrase"}
"""Its hint asks for a word that the pattern does not: twelve plain words by themselves are an ordinary sentence."""


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        (b"abc", [b"abc"]),
        (b"a|b|a", [b"a", b"b"]),
        (rb"\b(?:a|b(?:c|d))\b", [rb"\ba\b", rb"\bb(?:c|d)\b"]),
        (b"(?:a|b)|c", [b"a", b"b", b"c"]),
        (b"(?:a|b)(?:c|d)", [b"(?:a|b)(?:c|d)"]),
        (rb"[|(]|\||x", [b"[|(]", rb"\|", b"x"]),
        (rb"[^\w](?:a|[\])|]b)", [rb"[^\w]a", rb"[^\w][\])|]b"]),
        (b"(a|b)", [b"(a|b)"]),
    ],
)
def test_a_pattern_is_taken_apart_at_its_outermost_bars(pattern: bytes, parts: list[bytes]) -> None:
    assert alternatives(pattern) == parts


@pytest.mark.behaviour("inspection.hints-hide-nothing")
def test_the_alternatives_together_match_what_the_pattern_matches() -> None:
    for rule in RULES:
        whole = portable(rule.hint or rule.pattern, rule.case)
        compiled = re2.compile(whole, options=options(rule.case))
        parts = [re2.compile(part, options=options(rule.case)) for part in alternatives(whole)]
        for text in TEXTS:
            assert bool(compiled.search(text)) == any(part.search(text) for part in parts), rule.id


@pytest.mark.behaviour("inspection.hints-hide-nothing")
def test_wherever_a_rule_matches_its_hint_matches_too() -> None:
    for rule in RULES:
        if not rule.hint or rule.id in NARROWED:
            continue
        exact = re2.compile(portable(rule.pattern, rule.case), options=options(rule.case))
        hint = re2.compile(portable(rule.hint, rule.case), options=options(rule.case))
        for text in TEXTS:
            for either in (text, text.swapcase()):
                assert hint.search(either) or not exact.search(either), (rule.id, either)
