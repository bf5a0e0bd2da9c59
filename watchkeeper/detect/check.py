"""Running the tests that rules carry inside."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from watchkeeper.detect.model import Rule
from watchkeeper.detect.sigma.rules import load_rules


class Outcome(msgspec.Struct, frozen=True):
    """What became of one rule's tests."""

    rule: str
    title: str
    source: str
    examples: int
    wrong: tuple[str, ...]
    """One sentence for each that failed; empty when all hold."""


def test_rules(folder: Path) -> list[Outcome]:
    """The outcome for each rule of a folder. Raises `Misconfigured` when one cannot be loaded."""
    return [check(rule) for rule in load_rules([folder])]


def check(rule: Rule) -> Outcome:
    """The outcome for one rule: it must match every `match`, no `clean`, and have one of each."""
    wrong = [*_missing(rule)]
    wrong += [f"match {at} is not matched" for at, event in enumerate(rule.match, 1) if not rule.matches(event)]
    wrong += [f"clean {at} is matched" for at, event in enumerate(rule.clean, 1) if rule.matches(event)]
    return Outcome(rule.id, rule.title, rule.source, len(rule.match) + len(rule.clean), tuple(wrong))


def _missing(rule: Rule) -> Iterable[str]:
    if not rule.match:
        yield "there is no example that it must match"
    if not rule.clean:
        yield "there is no example that it must not match"
