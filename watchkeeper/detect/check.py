"""Running the tests that rules carry inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.correlation.trying import is_told
from watchkeeper.detect.model import Rule
from watchkeeper.detect.sigma.reading.trials import Trials
from watchkeeper.detect.sigma.rules import Detections, load_detections
from watchkeeper.events import Event


class Outcome(msgspec.Struct, frozen=True):
    """What became of one rule's tests."""

    rule: str
    title: str
    source: str
    examples: int
    wrong: tuple[str, ...]
    """One sentence for each that failed; empty when all hold."""


def test_rules(folder: Path) -> list[Outcome]:
    """The outcome for each rule and correlation of a folder. Raises `Misconfigured` when one cannot be loaded."""
    detections = load_detections([folder])
    single = [check(rule) for rule in detections.rules]
    return single + [check_correlation(one, detections) for one in detections.correlations]


def check(rule: Rule) -> Outcome:
    """The outcome for one rule: it must match every `match`, no `clean`, and have one of each."""
    wrong = [*_missing(rule)]
    wrong += [f"match {at} is not matched" for at, event in enumerate(rule.match, 1) if not rule.matches(event)]
    wrong += [f"clean {at} is matched" for at, event in enumerate(rule.clean, 1) if rule.matches(event)]
    return Outcome(rule.id, rule.title, rule.source, len(rule.match) + len(rule.clean), tuple(wrong))


def check_correlation(correlation: Correlation, detections: Detections) -> Outcome:
    """The outcome for one correlation: it must be told in every sequence of `match` and in no `clean`, of each one."""
    heading, trials = correlation.heading, detections.trials[correlation.heading.id]

    def told(events: Sequence[Event]) -> bool:
        return is_told(correlation, detections.correlations, detections.rules, events)

    wrong = [*_missing(trials)]
    wrong += [f"match {at} is not matched" for at, events in enumerate(trials.match, 1) if not told(events)]
    wrong += [f"clean {at} is matched" for at, events in enumerate(trials.clean, 1) if told(events)]
    count = len(trials.match) + len(trials.clean)
    return Outcome(heading.id, heading.title, heading.source, count, tuple(wrong))


def _missing(tests: Rule | Trials) -> Iterable[str]:
    if not tests.match:
        yield "there is no example that it must match"
    if not tests.clean:
        yield "there is no example that it must not match"
