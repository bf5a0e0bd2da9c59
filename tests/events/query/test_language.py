"""Reading a query: what each form means, that errors point at their place, and that writing turns reading round."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.events.query import BadQuery, read, written
from watchkeeper.events.query.fields import FIELDS
from watchkeeper.events.query.language import LONGEST
from watchkeeper.events.query.model import All, AnyOf, Compare, Contains, Has, Is, Not, Pattern
from watchkeeper.events.query.written import term

NOW = 1_790_000_000_000_000
HOUR = 3_600_000_000


def one(text: str) -> object:
    return read(text, NOW).where


@pytest.mark.behaviour("query.reads")
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", None),
        ("   ", None),
        ("secret", Contains("secret")),
        ('"two words"', Contains("two words")),
        (r'"a \"b\" \\ c"', Contains('a "b" \\ c')),
        ("server:github", Is("server", (Pattern("github"),))),
        ("tool:create_issue", Is("target", (Pattern("create_issue"),))),
        ("tool:create_*", Is("target", (Pattern("create_*", is_wild=True),))),
        ('tool:"create_*"', Is("target", (Pattern("create_*"),))),
        ("actor:agent:claude", Is("actor", (Pattern("agent:claude"),))),
        ("outcome:deny,ask", Is("outcome", (Pattern("deny"), Pattern("ask")))),
        ('server:""', Is("server", (Pattern(""),))),
        ("session:*", Has("session")),
        ("severity:>=medium", Compare("severity", ">=", 3)),
        ("severity:high", Compare("severity", "=", 4)),
        ("severity:2", Compare("severity", "=", 2)),
        ("duration:>30ms", Compare("duration", ">", 30_000)),
        ("duration_us:>100000", Compare("duration_us", ">", 100_000)),
        ("status:403,404", AnyOf((Compare("status", "=", 403), Compare("status", "=", 404)))),
        ("-kind:gateway.session", Not(Is("kind", (Pattern("gateway.session"),)))),
        ("NOT label:shadow", Not(Is("label", (Pattern("shadow"),)))),
        ("a b", All((Contains("a"), Contains("b")))),
        ("a AND b", All((Contains("a"), Contains("b")))),
        ("a OR b c", AnyOf((Contains("a"), All((Contains("b"), Contains("c")))))),
        ("(a OR b) c", All((AnyOf((Contains("a"), Contains("b"))), Contains("c")))),
        ("body.route:all", Is("body.route", (Pattern("all"),))),
        ("finding:secret", Is("finding", (Pattern("secret"),))),
        ("ORDER", Contains("ORDER")),
        ("a-b", Contains("a-b")),
        ("-", Contains("-")),
    ],
)
def test_each_form_means_what_it_says(text: str, meant: object) -> None:
    assert one(text) == meant


@pytest.mark.behaviour("query.times")
def test_times_bound_the_whole_search() -> None:
    found = read("after:24h x before:1h after:2h", NOW)
    assert (found.since, found.until, found.where) == (NOW - 2 * HOUR, NOW - HOUR, Contains("x"))
    assert read("before:2026-01-01T00:00Z", NOW).until == 1_767_225_600_000_000


@pytest.mark.behaviour("query.errors-point")
@pytest.mark.parametrize(
    ("text", "at", "length", "hint"),
    [
        ("severty:high", 0, 7, "did you mean severity:?"),
        ("ok https://evil.example", 3, 5, '"quotes"'),
        ('x "open', 2, 1, 'add a "'),
        ("(a b", 0, 1, "add a )"),
        ("a b)", 3, 1, ""),
        ("x ()", 2, 2, ""),
        ("OR b", 0, 1, ""),
        ("a OR", 4, 1, ""),
        ("server:", 0, 7, "server:VALUE"),
        ("severity:loud", 9, 4, "informational"),
        ("status:many", 7, 4, "number"),
        ("duration:fast", 9, 4, "30ms"),
        ("a after:yesterday", 2, 15, "15m"),
        ("(after:1h OR b)", 1, 8, "outside"),
        ("-after:1h", 1, 8, "outside"),
        ("after:1h before:2h", 9, 7, "exchange"),
        ("tool:" + "*a" * 17, 5, 34, ""),
        ("a" * (LONGEST + 1), LONGEST, 1, "shorten"),
        ("a " * 101, 200, 1, "shorten"),
        ("(" * 21 + "a" + ")" * 21, 20, 1, "flatter"),
        ("a \ud800", 2, 1, "anew"),
    ],
)
def test_an_error_says_where_it_is(text: str, at: int, length: int, hint: str) -> None:
    with pytest.raises(BadQuery) as caught:
        read(text, NOW)
    assert (caught.value.at, caught.value.length) == (at, length)
    assert hint in caught.value.hint


def test_a_megabyte_is_refused_at_once() -> None:
    with pytest.raises(BadQuery) as caught:
        read("x" * 1_000_000, NOW)
    assert len(caught.value.text) == LONGEST


words = st.text(string.ascii_letters + string.digits + '"\\()*,:- \té', min_size=1, max_size=12)
patterns = st.builds(Pattern, words)
wild = st.builds(lambda text: Pattern(text + "*", is_wild=True), st.text("abc.é", max_size=5)).filter(
    lambda pattern: pattern.text != "*"
)
texts = st.sampled_from([name for name, field in FIELDS.items() if field.type in ("text", "list", "member")])
leaves = st.one_of(
    st.builds(Contains, words),
    st.builds(lambda name, values: Is(name, tuple(values)), texts, st.lists(patterns | wild, min_size=1, max_size=3)),
    st.builds(Compare, st.just("status"), st.sampled_from(["=", "<", "<=", ">", ">="]), st.integers(-9, 999)),
    st.builds(Compare, st.just("severity"), st.sampled_from(["=", ">="]), st.integers(1, 5)),
    st.builds(Has, texts),
)
trees = st.recursive(
    leaves,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(lambda some: All(tuple(some)), st.lists(parts, min_size=2, max_size=3)),
        st.builds(lambda some: AnyOf(tuple(some)), st.lists(parts, min_size=2, max_size=3)),
    ),
    max_leaves=6,
)


@pytest.mark.behaviour("query.written")
@given(tree=trees)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_as_the_same(tree: object) -> None:
    text = written(tree)  # type: ignore[arg-type]
    assert read(text, NOW).where == tree, text


@given(text=st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    try:
        found = read(text, NOW).where
    except BadQuery as bad:
        error = bad
    else:
        assert read(written(found), NOW).where == found
        return
    assert 0 <= error.at <= len(text)


@pytest.mark.behaviour("query.pivots")
@given(value=words)
@settings(max_examples=100, deadline=None)
def test_a_pivot_finds_exactly_its_value(value: str) -> None:
    assert one(term("server", value)) == Is("server", (Pattern(value),))
