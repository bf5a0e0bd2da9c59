"""What a condition needs: found by reading it, never too much of it."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.detect.conditions.expressions import literals_of
from watchkeeper.detect.conditions.model import And, Comparison, Condition, Not, Operator, Or
from watchkeeper.detect.conditions.needs import Atom, Clause, How, cheapest, needs_of


def contains(text: str) -> Comparison:
    return Comparison("x", Operator.CONTAINS, text)


def part(*texts: str) -> Clause:
    return frozenset(Atom("x", How.PART, text) for text in texts)


HERE = frozenset({Atom("x", How.PRESENT)})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (contains("abc"), part("abc")),
        (And((contains("ab"), contains("abcd"))), part("abcd")),
        (Or((contains("ab"), contains("cd"))), part("ab", "cd")),
        (Or((contains("ab"), Comparison("x", Operator.ABSENT))), None),
        (Not(contains("ab")), None),
        (Not(Not(contains("ab"))), part("ab")),
        (Not(Or((contains("ab"), Comparison("x", Operator.ABSENT)))), HERE),
        (And(()), None),
        (Or(()), frozenset()),
        (Comparison("x", Operator.EQUALS, 5.0), frozenset({Atom("x", How.EXACT, "5"), Atom("x", How.EXACT, "5.0")})),
        (Comparison("x", Operator.ENDS_WITH, "\\a.exe"), frozenset({Atom("x", How.TAIL, "\\a.exe")})),
        (Comparison("x", Operator.ENDS_WITH, "\\b\\a.exe"), part("\\b\\a.exe")),
        (Comparison("x", Operator.GREATER, 5), HERE),
    ],
)
def test_the_cheapest_need_stands_for_a_condition(condition: Condition, expected: Clause | None) -> None:
    def cost(clause: Clause) -> float:
        return sum(100 if atom.how is How.PRESENT else 1 / len(atom.text) for atom in clause)

    assert cheapest(needs_of(condition), cost) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("abc.*def", [{"abc"}, {"def"}]),
        ("(abc|DE)f", [{"abcf", "def"}]),
        ("a|", []),
        ("(ab)?c", [{"c"}]),
        ("(ab)+", [{"ab"}]),
        ("x[yz]", [{"xy", "xz"}]),
        ("[^a]bc", [{"bc"}]),
        ("foo\\d{3}|bar", [{"foo", "bar"}]),
        ("(?i)stra\u00dfe", [{"stra"}, {"e"}]),
        ("[[:alpha:]]x", []),
        ("\\\\PGMessage", [{"\\pgmessage"}]),
        ("a{0,3}", []),
        ("(a", []),
    ],
)
def test_the_literals_of_an_expression_are_in_all_it_matches(source: str, expected: list[set[str]]) -> None:
    assert [set(texts) for texts in literals_of(source)] == expected


pieces = st.sampled_from(["a", "b", "ab", "K", "[ab]", "[^a]", ".", "\\.", "^", "$", "\\b", "\\s", "s", "é"])
expressions = st.recursive(
    pieces,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{0,1}"])).map(lambda two: f"(?:{two[0]}){two[1]}"),
    ),
    max_leaves=6,
)


@given(expressions, st.sampled_from(["", "i", "s"]), st.text("abABkKsé\u212a\u017f. \n", max_size=8))
@settings(max_examples=300, deadline=None)
def test_what_an_expression_needs_is_there_when_it_matches(source: str, flags: str, text: str) -> None:
    if re2.search(f"(?{flags}){source}" if flags else source, text):
        folded = text.casefold()
        assert all(any(one in folded for one in texts) for texts in literals_of(source, flags))
