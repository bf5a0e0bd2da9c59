"""The fast matcher gives what a plain reading of every rule gives, on whatever records, before and after it learned."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from watchkeeper.core.content import content_folder
from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.fields import LONGEST, MOST, Fields, Record
from watchkeeper.detect.conditions.model import And, Comparison, Condition, Literal, Not, Operator, Or, Wild
from watchkeeper.detect.matching import scanning
from watchkeeper.detect.matching.index import Probe
from watchkeeper.detect.matching.matcher import Matcher
from watchkeeper.detect.sigma.rules import load_rules
from watchkeeper.events import Event

LETTERS = [
    "a",
    "b",
    "A",
    "\\",
    "/",
    "ß",
    "\u212a",
    "k",
    "s",
    "\u017f",
    "é",
    "É",
    "\u0130",
    "?",
    ".",
    "1",
    "0",
    "-",
    "\n",
]
ODD = ["\x00", "\ud800", '"', "\U0001f600"]
PATTERNS = [
    "a+b", "^a", "b$", "a|b", "(a|bc)k", "a?b", "[ab]k", "[^a]b", ".", "", "(?i)K", "a{2}", "a{0,2}s", "\\.", "(|a)b",
    "[[:alpha:]]b", "\\bA", "(?:s|ß)a", "a.b", "^$", "\\?", "(?s).b", "\\x61", "1|-1",
]  # fmt: skip
NAMES = ["x", "y", "x.y", "x.y.z", "body.x", "body.x.y", "server", "labels", "time", "a-b"]
TEXTUAL = [Operator.EQUALS, Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH]
TIMES = ["2026-01-05T04:30:00+01:00", "1767584600", 1767584600, "yesterday"]

texts = st.text(st.sampled_from(LETTERS), max_size=4) | st.text(st.sampled_from(LETTERS + ODD), max_size=3)
numbers = st.sampled_from([0, 1, -1, 10, 1.0, 1.5, 1e20, 10**20])
scalars = st.one_of(texts, numbers, st.sampled_from([True, False, None, "true", "1.0", *TIMES, "10.0.0.1", "fd00::1"]))
names = st.sampled_from(NAMES)


def textual(field: str, operator: Operator, text: str, cased: bool) -> Comparison:
    return Comparison(field, operator, text if cased else text.casefold(), cased=cased)


parts = st.lists(
    st.sampled_from([Wild(), Wild(one=True)]) | st.builds(Literal, st.sampled_from(["a", "b", "s", "é", "ab", "?"])),
    max_size=4,
)
leaves = st.one_of(
    st.builds(textual, names, st.sampled_from(TEXTUAL), texts, st.booleans()),
    st.builds(textual, st.just(""), st.just(Operator.CONTAINS), texts.filter(bool), st.booleans()),
    st.builds(lambda f, p, c: Comparison(f, Operator.LIKE, cased=c, parts=tuple(p)), names, parts, st.booleans()),
    st.builds(
        lambda f, v, flags: Comparison(f, Operator.REGEX, v, cased=True, flags=flags),
        names | st.just(""),
        st.sampled_from(PATTERNS),
        st.sampled_from(["", "i", "ims"]),
    ),
    st.builds(Comparison, names, st.just(Operator.EQUALS), numbers | st.booleans()),
    st.builds(
        Comparison,
        names,
        st.sampled_from(
            [Operator.LESS, Operator.LESS_EQUAL, Operator.GREATER, Operator.GREATER_EQUAL, Operator.NOT_EQUAL]
        ),
        numbers,
    ),
    st.builds(Comparison, names, st.sampled_from([Operator.EXISTS, Operator.ABSENT])),
    st.builds(Comparison, names, st.just(Operator.CIDR), st.sampled_from(["10.0.0.0/8", "fd00::/8"])),
    st.builds(
        Comparison,
        names,
        st.sampled_from([Operator.SAME_AS, Operator.SAME_START, Operator.SAME_END, Operator.SAME_PART]),
        names,
    ),
    st.builds(
        lambda f, part, n: Comparison(f, Operator.EQUALS, n, part=part),
        names,
        st.sampled_from(["hour", "year", "week"]),
        st.sampled_from([3, 2026, 2]),
    ),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda args: And(tuple(args)), st.lists(inner, max_size=3)),
        st.builds(lambda args: Or(tuple(args)), st.lists(inner, max_size=4)),
    ),
    max_leaves=8,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "z", "y.z"]), inner),
    max_leaves=6,
)
foreign = st.dictionaries(names, values, max_size=6)
ours = st.builds(
    lambda server, labels, body: Event(
        v=1, id="e", time=1767584600000000, kind="k", server=server, labels=tuple(labels), body=body
    ),
    texts,
    st.lists(texts, max_size=2),
    st.dictionaries(st.sampled_from(["x", "y", "x.y"]), values, max_size=3),
)


@dataclass(frozen=True)
class Ruled:
    condition: Condition


def plain(rules: list[Ruled], records: list[Record]) -> list[list[int]]:
    tests = [compile_condition(rule.condition) for rule in rules]
    return [[at for at, test in enumerate(tests) if test(Fields(record))] for record in records]


def indexed(rules: list[Ruled], records: list[Record], learn_after: int) -> list[list[int]]:
    rules = [Ruled(rule.condition) for rule in rules]
    matcher = Matcher.of(rules, learn_after)
    places = {id(rule): at for at, rule in enumerate(rules)}
    told = [written(record, at) for at, record in enumerate(records)]
    return [
        [places[id(rule)] for rule in matcher.match(record, raw)] for record, raw in zip(records, told, strict=True)
    ]


def written(record: Record, at: int) -> bytes | None:
    """The JSON text of some records, with and without escapes where both are right."""
    if not isinstance(record, dict) or at % 3 == 0:
        return None
    try:
        return json.dumps(record, ensure_ascii=at % 3 == 1).replace("/", "\\/" if at % 2 else "/").encode()
    except UnicodeEncodeError:
        return None


@pytest.mark.behaviour("detect.indexed-equals-naive")
@given(
    st.lists(st.builds(Ruled, conditions), min_size=1, max_size=10),
    st.lists(foreign | ours, min_size=1, max_size=8),
    st.sampled_from([1, 3, 1000]),
)
@example([Ruled(Comparison("x", Operator.CONTAINS, "s"))] * 9, [{"x": "\u017f"}], 1000)
@example([Ruled(Comparison("", Operator.CONTAINS, "1e+20", cased=True))], [{"x": 1e20}], 1000)
@example([Ruled(Comparison("", Operator.CONTAINS, "100"))], [{"x": 10**20}], 1000)
@example([Ruled(Comparison("x", Operator.EQUALS, 1))], [{"x": True}, {"x": 1.0}, {"x": "1.0"}, {"x": 1}], 1000)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_indexed_rule_matches_what_its_plain_reading_matches(
    rules: list[Ruled], records: list[Record], learn_after: int
) -> None:
    records = records * 2  # what is remembered of the first time decides the second
    assert indexed(rules, records, learn_after) == plain(rules, records)


@given(
    st.lists(texts.filter(lambda text: bool(text.strip("\0"))), min_size=1, max_size=8, unique=True),
    st.lists(texts, min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_every_scanner_finds_all_that_is_there(wanted: list[str], looked_at: list[str]) -> None:
    folded = sorted({text.casefold() for text in wanted})
    marked = {text: 1 << at for at, text in enumerate(folded)}
    engines = [scanning.hyperscan, None] if scanning.hyperscan else [None]
    for engine in engines:
        with mock.patch.object(scanning, "hyperscan", engine):
            scanners: list[scanning.Scanner] = [scanning.Each(marked), scanning.Database(marked)]
        for scanner, text in itertools.product(scanners, looked_at):
            found = scanner.marks(scanning.encoded(text))
            there = sum(mark for part, mark in marked.items() if part in text.casefold())
            assert found & there == there, (engine, scanner, text)
            assert found < 1 << len(marked)


def deep() -> Any:
    value: Any = "needle"
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.behaviour("detect.hostile-records")
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x" * LONGEST + "needle", id="long"),
        pytest.param("x" * (LONGEST - 6) + "needle", id="just-not-too-long"),
        pytest.param(["x"] * MOST + ["needle"], id="many"),
        pytest.param(deep(), id="deep"),
        pytest.param({"needle": "needle"}, id="object"),
        pytest.param(10**5000, id="digits"),
        pytest.param(object(), id="no-json"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(b"needle", id="bytes"),
    ],
)
def test_a_hostile_value_is_matched_as_far_as_it_is_looked_at(value: Any) -> None:
    rules = [
        Ruled(Comparison("x", Operator.CONTAINS, "needle")),
        Ruled(Comparison("", Operator.CONTAINS, "needle")),
        Ruled(Not(Comparison("x", Operator.REGEX, "n.edle", cased=True))),
        Ruled(Comparison("x", Operator.GREATER, 5)),
        Ruled(Comparison("x", Operator.EXISTS)),
    ]
    matcher = Matcher.of(rules, learn_after=1)
    fields = Fields({"x": value})
    for _ in range(2):
        expected = [rule for rule in rules if compile_condition(rule.condition)(fields)]
        assert matcher.match({"x": value}) == expected
    assert bool(matcher.counts.cut) is fields.cut


def test_a_condition_too_deep_for_generated_code_is_read_plainly() -> None:
    condition: Condition = Comparison("x", Operator.EQUALS, "a")
    for _ in range(90):
        condition = And((Or((condition, Comparison("x", Operator.EQUALS, "b"))), Comparison("x", Operator.EXISTS)))
    rules = [Ruled(condition)]
    records: list[Record] = [{"x": "b"}, {"x": "c"}, {"x": "a"}]
    assert indexed(rules, records, 1000) == plain(rules, records) == [[0], [], [0]]


def test_a_rule_that_fails_silences_no_other() -> None:
    failing, good = Ruled(Comparison("n", Operator.LESS, "no number")), Ruled(Comparison("x", Operator.EQUALS, "a"))
    told: list[tuple[Ruled, str]] = []
    matcher = Matcher[Ruled](
        lambda _: [failing, good], lambda _: None, lambda rule, error: told.append((rule, type(error).__name__))
    )
    assert matcher.match({"n": 1, "x": "a"}) == [good]
    assert told == [(failing, "TypeError")]


def test_records_are_routed_to_the_rules_of_their_source() -> None:
    of_a, of_b = Ruled(Comparison("x", Operator.EXISTS)), Ruled(Comparison("x", Operator.EXISTS))
    matcher = Matcher[Ruled](lambda key: [of_a] if key == "a" else [of_b], lambda record: record["source"])
    assert matcher.match({"source": "a", "x": 1})[0] is of_a
    assert matcher.match({"source": "b", "x": 1})[0] is of_b
    assert matcher.match({"source": "b"}) == []
    assert (matcher.counts.records, matcher.counts.candidates, matcher.counts.matches) == (3, 2, 2)


def test_our_own_rules_match_their_own_examples_in_both_ways() -> None:
    rules = load_rules([content_folder("detections")])
    matcher = Matcher.of(rules, learn_after=4)
    for event in [event for rule in rules for event in (*rule.match, *rule.clean)]:
        assert matcher.match(event) == [rule for rule in rules if rule.holds(Fields(event))]


def test_an_index_that_fails_costs_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [Ruled(Comparison("x", Operator.EQUALS, "a")), Ruled(Comparison("x", Operator.EQUALS, "b"))]
    matcher = Matcher.of(rules)
    monkeypatch.setattr(Probe, "learn", lambda *_: 1 / 0)
    assert matcher.match({"x": "b"}) == [rules[1]]
    assert matcher.counts.unindexed == 1
