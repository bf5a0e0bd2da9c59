"""Rules over our own events: `mcp_events_per_second_N_rules`, one core, the journal's bytes decoded each time.

Events are those of the lake's benchmarks (about 930 bytes, arguments and results as text). Rules are made: a third
looks for words in arguments, a third in results (some by regular expression), the rest at names and outcomes, each
beside the kind or method that it is about. One rule in twenty is made to match now and then.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

from _lake_events import Estate

from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.conditions.model import And, Comparison, Condition, Literal, Not, Operator, Or, Wild
from watchkeeper.detect.matching.matcher import Matcher
from watchkeeper.events import Event
from watchkeeper.events.model import decode, encode

RULES = (100, 500, 3_000)
_CALL = "gateway.request.decided"
_HINTS = (
    "ignore",
    "override",
    "secret",
    "token",
    "password",
    "exfil",
    "curl",
    "base64",
    "ssh",
    "passwd",
    "sudo",
    "cron",
)


@dataclass(frozen=True)
class Made:
    """A rule, as far as a matcher knows it."""

    condition: Condition


def rules(count: int) -> list[Made]:
    """The same for the same count."""
    dice = random.Random(count)
    return [Made(_condition(dice, at)) for at in range(count)]


def _condition(dice: random.Random, at: int) -> Condition:
    call = Comparison("kind", Operator.EQUALS, _CALL)
    method = Comparison("body.method", Operator.EQUALS, "tools/call")
    allowed = Not(Comparison("server", Operator.EQUALS, f"trusted-{at}"))
    if at % 20 == 7:
        common = Comparison("body.result", Operator.CONTAINS, f"needle-{dice.choice(('curl', 'ssh'))}")
        return And((call, common, allowed))
    match at % 3:
        case 0:
            return And((call, method, _words(dice, at, "body.arguments"), allowed))
        case 1:
            return And((call, _words(dice, at, "body.result"), allowed))
        case _:
            return And((call, _names(dice, at), Comparison("outcome", Operator.EQUALS, "allow")))


def _words(dice: random.Random, at: int, field: str) -> Condition:
    one, two = (f"{dice.choice(_HINTS)}{dice.choice(' -_/.:')}{at + n}" for n in range(2))
    match at % 4:
        case 0:
            return Or(tuple(Comparison(field, Operator.CONTAINS, text) for text in (one, two, f"{one}{two}")))
        case 1:
            return And((Comparison(field, Operator.CONTAINS, one), Comparison(field, Operator.CONTAINS, "http")))
        case 2:
            return Comparison(field, Operator.LIKE, parts=(Wild(), Literal(one), Wild(), Literal(two), Wild()))
        case _:
            return Comparison(field, Operator.REGEX, rf"{one.replace('.', '')}\s+[a-z]{{2,}}", cased=True, flags="i")


def _names(dice: random.Random, at: int) -> Condition:
    target = Comparison("target", Operator.EQUALS, f"{dice.choice(('delete', 'read', 'run'))}_{at}")
    if at % 2:
        return And((target, Comparison("body.bytes_out", Operator.GREATER, 1_000)))
    return Or((target, Comparison("actor", Operator.STARTS_WITH, f"agent:test-{at}")))


def measure(*, quick: bool = False) -> list[dict[str, Any]]:
    """A row for each number of rules, learned on the first half and measured on the other."""
    lines = [encode(event) for event in Estate().events(10_000 if quick else 60_000)]
    half = len(lines) // 2
    size = sum(map(len, lines)) // len(lines)
    return [_row(count, lines[:half], lines[half:], size) for count in RULES]


def _row(count: int, first: list[bytes], second: list[bytes], size: int) -> dict[str, Any]:
    made = rules(count)
    matcher: Matcher[Made] = Matcher(lambda _: made, _kind)
    _pass(matcher, first)
    third = len(second) // 3
    rate = max(third / _pass(matcher, second[at * third : (at + 1) * third]) for at in range(3))
    naive = _naive_rate(made, second[: max(20, 20_000 // count)])
    return {
        "metric": f"mcp_events_per_second_{count}_rules", "value": round(rate), "unit": "events/s",
        "peer": "naive closures, same run", "peer_value": round(naive), "ratio": round(rate / naive, 1),
        "bytes": size, "matches": matcher.counts.matches,
    }  # fmt: skip


def _kind(event: Event) -> str:
    return event.kind


def _pass(matcher: Matcher[Made], lines: list[bytes]) -> float:
    match = matcher.match
    began = time.process_time()
    for line in lines:
        match(decode(line))
    return time.process_time() - began


def _naive_rate(made: list[Made], lines: list[bytes]) -> float:
    tests = [compile_condition(rule.condition) for rule in made]
    began = time.process_time()
    for line in lines:
        fields = Fields(decode(line))
        for test in tests:
            test(fields)
    return len(lines) / (time.process_time() - began)


if __name__ == "__main__":
    for row in measure():
        print(row)
