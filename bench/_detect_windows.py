"""SigmaHQ's rules over real Windows events: how fast they load, how fast they match, and whether the index is right.

The way of an event is that of `rules eval`: a line of JSON is decoded, brought into Sigma's names, routed by its log
source, and matched; a matcher learns on the first half of the (shuffled) events, and is measured on one pass of the
other half, which it has not seen. One core, processor time, because neighbours on the machine distort it less.

The peer is every routed rule as a plain closure over the same records, in the same run; a sample of the events is
matched in both ways, and one difference ends the run with an error.
"""

from __future__ import annotations

import gzip
import tarfile
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.matching.matcher import Matcher
from watchkeeper.detect.sigma.cache import load_cached
from watchkeeper.detect.sigma.foreign.origins import KNOWN, origin_of
from watchkeeper.detect.sigma.foreign.shapes import is_as_told, normal
from watchkeeper.detect.sigma.loading import load
from watchkeeper.detect.sigma.model import ReadRule, Rulebook

_decode = msgspec.json.Decoder().decode


def rows(sigma: Path, *, quick: bool) -> list[dict[str, Any]]:
    """Every figure. `sigma` holds SigmaHQ's rules and the events, as the corpora have them."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sigma / "sigmahq-rules.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        book, loading = _loading(Path(folder) / "rules", Path(folder) / "cache")
    with gzip.open(sigma / "otrf-windows-events.jsonl.gz") as file:
        lines = file.read().splitlines()
    half = len(lines) // 2
    return [*loading, *_rates(book, lines[:half], lines[half:], quick=quick)]


def _loading(rules: Path, cache: Path) -> tuple[Rulebook, list[dict[str, Any]]]:
    began = time.process_time()
    book = load([rules])
    cold = time.process_time() - began
    load_cached([rules], folder=cache)
    began = time.process_time()
    kept = load_cached([rules], folder=cache)
    cached = time.process_time() - began
    assert kept == book
    assert not book.refused, book.refused[:3]
    number = len(book.rules)
    return book, [
        {"metric": f"seconds_to_load_{name}", "value": round(value, 2), "unit": "s", "rules": number}
        for name, value in (("cold", cold), ("cached", cached))
    ]


def _rates(book: Rulebook, first: list[bytes], second: list[bytes], *, quick: bool) -> list[dict[str, Any]]:
    size = sum(map(len, first + second)) // (len(first) + len(second))
    naive = _Naive(book.rules)
    plain = naive.rate(second[:: len(second) // (100 if quick else 400)])
    found = []
    for name, is_routed in (("", True), *((("_unrouted", False),) if not quick else ())):
        tries = []
        for _ in range(1 if quick or not is_routed else 3):
            matcher = _matcher(book.rules, is_routed=is_routed)
            _pass(matcher, first)
            seen = msgspec.structs.replace(matcher.counts)
            tries.append(len(second) / _pass(matcher, second))
        found.append({
            "metric": f"sigma_events_per_second_windows{name}", "value": round(max(tries)), "unit": "events/s",
            "peer": "naive closures, routed, same run", "peer_value": round(plain),
            "ratio": round(max(tries) / plain, 1), "rules": len(book.rules), "bytes": size, "events": len(second),
            "candidates_per_event": round((matcher.counts.candidates - seen.candidates) / len(second), 2),
            "matches": matcher.counts.matches - seen.matches,
        })  # fmt: skip
        if is_routed:
            found[-1]["compared_with_naive"] = naive.compare(matcher, second[: 300 if quick else 3_000])
            again = len(second) / _pass(matcher, second)
            found[-1]["value_when_seen_before"] = round(again)
    return found


def _matcher(rules: tuple[ReadRule, ...], *, is_routed: bool) -> Matcher[ReadRule]:
    if is_routed:
        return Matcher(lambda origin: _admitted(rules, origin), origin_of)
    return Matcher.of(rules)


def _admitted(rules: Iterable[ReadRule], origin: Any) -> list[ReadRule]:
    return [rule for rule in rules if origin.admits(rule.logsource, KNOWN)]


def _pass(matcher: Matcher[ReadRule], lines: list[bytes]) -> float:
    match = matcher.match
    began = time.process_time()
    for line in lines:
        event = _decode(line)
        record = normal(event)
        match(record, line if is_as_told(event, record) else None)
    return time.process_time() - began


class _Naive:
    """Every rule that an event's source admits, one after the other."""

    def __init__(self, rules: tuple[ReadRule, ...]) -> None:
        self._rules = rules
        self._tests = {rule.heading.id: compile_condition(rule.condition) for rule in rules}
        self._of: dict[Any, list[ReadRule]] = {}

    def match(self, line: bytes) -> list[str]:
        """Ids of the rules that match."""
        record = normal(_decode(line))
        origin = origin_of(record)
        rules = self._of.get(origin)
        if rules is None:
            rules = self._of[origin] = _admitted(self._rules, origin)
        fields = Fields(record)
        return [rule.heading.id for rule in rules if self._tests[rule.heading.id](fields)]

    def rate(self, lines: list[bytes]) -> float:
        """Events a second."""
        began = time.process_time()
        for line in lines:
            self.match(line)
        return len(lines) / (time.process_time() - began)

    def compare(self, matcher: Matcher[ReadRule], lines: list[bytes]) -> int:
        """How many events were matched in both ways. Ends the run at a difference."""
        for line in lines:
            event = _decode(line)
            record = normal(event)
            matched = matcher.match(record, line if is_as_told(event, record) else None)
            expected = self.match(line)
            if [rule.heading.id for rule in matched] != expected:
                raise SystemExit(f"the index and the plain reading differ on {line[:500]!r}: {expected}")
        return len(lines)
