"""Searching: the lake and the journal's tail answer as one, with or without a lake, and values are never SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.events.journal import Journal
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.lake.filters import Filter, can_match, matches
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.table import lake_folder
from watchkeeper.events.model import Event, Severity, encode, new_event
from watchkeeper.events.query import Expr, read
from watchkeeper.events.query.language import parse_time
from watchkeeper.events.query.model import All, AnyOf, Compare, Contains, Has, Is, Not, Pattern

T = 1_790_000_000_000_000
HOUR = 3_600_000_000


def record(data: Path, events: list[Event], writer: str = "gateway") -> None:
    journal = Journal.open(data, writer)
    try:
        for event in events:
            last = journal.append(event)
        journal.wait(last)
    finally:
        journal.close()


def fill(data: Path) -> None:
    with LakeReader(data) as lake:
        lake.fill()


def call(at: int, **fields: object) -> Event:
    return new_event(at, "gateway.request.decided", **fields)


@pytest.mark.behaviour("search.lake-and-tail")
def test_what_is_in_the_lake_and_what_is_not_yet_are_found_once_each(tmp_path: Path) -> None:
    old, new = [call(T + i) for i in range(5)], [call(T + 10 + i) for i in range(3)]
    record(tmp_path, old)
    fill(tmp_path)
    record(tmp_path, new)
    found = Search(tmp_path).events(since=T, until=T + HOUR)
    assert [event.id for event in found] == [event.id for event in reversed(old + new)]
    assert (found.from_lake, found.from_journal, found.is_cut, found.note) == (5, 3, False, "")


@pytest.mark.behaviour("search.while-recording")
def test_a_search_runs_while_the_writer_and_the_lake_run(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "gateway")
    with LakeReader(tmp_path) as lake:
        search = Search(tmp_path)
        for i in range(6):
            journal.record(call(T + i))
            if i % 2:
                lake.fill()
            assert len(search.events(since=T, until=T + HOUR)) == i + 1
    journal.close()


@pytest.mark.behaviour("search.without-lake")
def test_without_a_lake_the_journal_answers_and_it_is_said(tmp_path: Path) -> None:
    events = [call(T + i) for i in range(3)]
    record(tmp_path, events)
    found = Search(tmp_path).events(since=T, until=T + HOUR, newest_first=False)
    assert list(found) == events
    assert (found.from_lake, found.from_journal, found.note) == (0, 3, "there is no lake yet")


def test_an_empty_data_folder_has_no_events(tmp_path: Path) -> None:
    assert len(Search(tmp_path).events(unbounded=True)) == 0


@pytest.mark.behaviour("search.damaged-lake")
def test_a_damaged_lake_is_said_and_the_journal_answers_in_its_place(tmp_path: Path) -> None:
    events = [call(T + i) for i in range(3)]
    record(tmp_path, events)
    fill(tmp_path)
    for path in lake_folder(tmp_path).rglob("part-*.parquet"):
        path.write_bytes(b"")
    found = Search(tmp_path).events(since=T, until=T + HOUR, newest_first=False)
    assert list(found) == events
    assert found.from_lake == 0
    assert found.note.startswith("the lake cannot be read")
    assert Search(tmp_path).get(events[1].id) == events[1]


@pytest.mark.behaviour("search.range-is-said")
def test_without_a_range_the_last_day_is_searched_and_it_is_said(tmp_path: Path) -> None:
    clock = ManualClock(T + 48 * HOUR)
    record(tmp_path, [call(T), call(T + 47 * HOUR)])
    found = Search(tmp_path, clock).events(kind="gateway.request")
    assert (len(found), found.since, found.is_default_range) == (1, T + 24 * HOUR, True)
    assert len(Search(tmp_path, clock).events(kind="gateway.request", unbounded=True)) == 2


@pytest.mark.behaviour("search.limit-is-said")
@pytest.mark.parametrize("in_lake", [True, False])
def test_a_limit_that_cuts_is_said_and_keeps_the_newest(tmp_path: Path, in_lake: bool) -> None:
    record(tmp_path, [call(T + i, target=str(i)) for i in range(5)])
    if in_lake:
        fill(tmp_path)
    found = Search(tmp_path).events(since=T, until=T + HOUR, limit=2)
    assert ([e.target for e in found], found.is_cut) == (["4", "3"], True)
    found = Search(tmp_path).events(since=T, until=T + HOUR, limit=5)
    assert (len(found), found.is_cut) == (5, False)


@pytest.mark.behaviour("search.microseconds")
def test_a_range_is_exact_to_the_microsecond_in_the_lake(tmp_path: Path) -> None:
    """Delta keeps a file's greatest time in whole milliseconds: pruning by it must not lose the rest of that one."""
    record(tmp_path, [call(T + 5, target="a"), call(T + 1999, target="b")])
    fill(tmp_path)
    search = Search(tmp_path)
    assert [e.target for e in search.events(since=T + 1500, until=T + HOUR)] == ["b"]
    assert [e.target for e in search.events(since=T + 1999, until=T + 2000)] == ["b"]
    assert [e.target for e in search.events(since=T, until=T + 1999)] == ["a"]


def odd_events() -> list[Event]:
    texts = ["plain", "O'Brien", "\\", "%", "_", '"', "';--", "ÄÖ", "\U0001f600", "a\nb", "*"]
    return [
        call(
            T + i,
            server=text,
            target=texts[-i],
            actor=f"agent:{text}",
            outcome="deny" if i % 2 else "allow",
            severity=Severity(1 + i % 5),
            labels=("exercise",) if i % 3 else (),
            body={"reason": text, "arguments": f'{{"x":"{text}"}}', "nested": {"deep": [text]}}
            | {"session": text, "number": i - 1, "flag": i % 2 == 0, "findings": [{"label": text, "severity": 3}]}
            | ({"method": text, "status": i, "duration_us": i, "rules": [text, "r"]} if i % 3 else {}),
        )
        for i, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    data = tmp_path_factory.mktemp("filled")
    events = odd_events()
    events.append(new_event(T + 50, "registry.pin.changed", server="files", target="read"))
    record(data, events)
    fill(data)
    return data, events


texts = st.sampled_from(["", "plain", "O'Brien", "\\", "%", "_", '"', "';--", "äö", "\U0001f600", "a\nb", "*", "deep"])
narrowed = st.fixed_dictionaries(
    {},
    optional={
        "server": texts | st.text(max_size=5),
        "target": texts,
        "actor": texts.map(lambda text: f"agent:{text}"),
        "text": texts | st.text(max_size=4),
        "outcome": st.sampled_from(["", "deny", "allow"]),
        "severity": st.integers(0, 6),
        "labels": st.sampled_from([(), ("exercise",), ("o'clock",), ("exercise", "shadow")]),
        "kind": st.sampled_from(["", "gateway", "gateway.", "gateway.request", "gateway.req", "*.changed", "g*d", "*"]),
        "since": st.integers(T - 5, T + 60),
        "until": st.integers(T - 5, T + 60),
    },
)


@pytest.mark.behaviour("search.lake-equals-journal")
@given(narrow=narrowed)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_lake_finds_what_the_journal_would_find(
    filled: tuple[Path, list[Event]], narrow: dict[str, object]
) -> None:
    data, events = filled
    wanted = Filter(**narrow)  # type: ignore[arg-type]
    found = Search(data).events(unbounded=True, limit=1000, newest_first=False, **narrow)
    expected = {event.id for event in events if matches(wanted, event)}
    assert {event.id for event in found if event.kind != "journal.writer.opened"} == expected


patterns = (texts | st.text(max_size=4)).map(Pattern) | texts.map(lambda text: Pattern(f"*{text}*", is_wild=True))
_COLUMNS = ("server", "target", "actor", "reason", "arguments", "result", "kind", "method", "label", "rule")
_MEMBERS = ("finding", "session", "body.reason", "body.number", "body.flag", "body.nested", "body.deep")
named = st.sampled_from((*_COLUMNS, *_MEMBERS))
asked = st.recursive(
    st.one_of(
        st.builds(Contains, texts.filter(bool)),
        st.builds(lambda name, values: Is(name, tuple(values)), named, st.lists(patterns, min_size=1, max_size=2)),
        st.builds(
            Compare,
            st.sampled_from(["severity", "status", "duration", "version"]),
            st.sampled_from(["=", "<", "<=", ">", ">="]),
            st.integers(-1, 6),
        ),
        st.builds(Has, named),
    ),
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(lambda some: All(tuple(some)), st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda some: AnyOf(tuple(some)), st.lists(parts, min_size=1, max_size=3)),
    ),
    max_leaves=5,
)


@pytest.mark.behaviour("query.two-meanings-agree")
@given(where=asked)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_query_means_the_same_in_the_lake_and_in_memory(filled: tuple[Path, list[Event]], where: Expr) -> None:
    data, events = filled
    found = Search(data).events(unbounded=True, limit=1000, where=where)
    expected = {event.id for event in events if matches(Filter(where=where), event)}
    assert {event.id for event in found if event.kind != "journal.writer.opened"} == expected


def test_what_an_agent_wrote_stands_for_no_member_of_the_body(tmp_path: Path) -> None:
    forged = call(T, body={"session": "mine", "arguments": '{"session":"yours"}', "said": '","session":"yours"'})
    record(tmp_path, [forged])
    asked = read("session:yours", T).where
    assert [len(Search(tmp_path).events(unbounded=True, where=asked)), matches(Filter(where=asked), forged)] == [
        0,
        False,
    ]
    fill(tmp_path)
    assert len(Search(tmp_path).events(unbounded=True, where=asked)) == 0
    assert len(Search(tmp_path).events(unbounded=True, where=read("session:mine", T).where)) == 1


_ODD = st.text('aKk1 ._-"\\/\n\x1f,{}:\u212a\u0130ß', max_size=6)
_PARTS = st.fixed_dictionaries(
    {}, optional={"arguments": _ODD | st.just({"k": "a"}), "result": _ODD, "a": _ODD, "k1": st.lists(_ODD, max_size=2)}
)


@pytest.mark.behaviour("search.lake-equals-journal")
@given(_PARTS, _ODD, _ODD, st.text("aAKk1._ -", min_size=1, max_size=3), st.booleans())
def test_what_is_passed_over_by_its_bytes_is_nothing_that_would_have_been_found(
    body: dict[str, object], actor: str, target: str, text: str, is_query: bool
) -> None:
    event = new_event(T, "k.a1.x", actor=actor, target=target, body=body)
    wanted = Filter(
        where=All((Contains(text), Not(Contains("no")))) if is_query else None, text="" if is_query else text
    )
    assert can_match(wanted)(encode(event)) or not matches(wanted, event)


@pytest.mark.behaviour("search.lake-and-tail")
def test_a_record_without_the_text_is_passed_over_by_its_bytes() -> None:
    event = encode(new_event(T, "k.a1.x", actor="agent:Ada"))
    assert [can_match(Filter(text=text))(event) for text in ("ADA", "bob", "", 'b"b')] == [True, False, True, True]


@pytest.mark.behaviour("search.pages")
@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("in_lake", [0, 7, 12])
def test_pages_hold_each_event_once_though_others_arrive(tmp_path: Path, in_lake: int, newest_first: bool) -> None:
    events = [call(T + i // 3, target=str(i)) for i in range(12)]
    if in_lake:
        record(tmp_path, events[:in_lake])
        fill(tmp_path)
    if in_lake < 12:
        record(tmp_path, events[in_lake:])
    search, seen, cursor = Search(tmp_path), [], ""
    while True:
        page = search.events(
            since=T, until=T + HOUR, kind="gateway.request", limit=5, after=cursor, newest_first=newest_first
        )
        seen += [event.id for event in page]
        record(tmp_path, [call(T + HOUR // 2 if newest_first else T - 1, target="late")])
        if len(seen) == 5:
            fill(tmp_path)
        cursor = page.next
        if not cursor:
            break
    assert [name for name in seen if name in {event.id for event in events}] == [
        event.id for event in (reversed(events) if newest_first else events)
    ]
    assert len(seen) == 12


@pytest.mark.parametrize("text", ["x", "1.2", "1.2.a b", "-1.2.a", "1.2." + "a" * 200, "\u0661.2.a"])
def test_a_word_that_no_page_ended_with_is_no_cursor(tmp_path: Path, text: str) -> None:
    with pytest.raises(Invalid):
        Search(tmp_path).events(after=text)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_whole_lake_is_read_in_pages_in_order(tmp_path: Path, size: int) -> None:
    events = [call(T + i * HOUR // 4 + i % 2) for i in range(40)] + [call(T + 5) for _ in range(5)]
    record(tmp_path, events)
    fill(tmp_path)
    search = Search(tmp_path)
    pages = list(search.lake_pages(search.snapshot(), Filter(kind="gateway.request"), size))
    assert sorted(e.id for page in pages for e in page) == sorted(e.id for e in events)
    times = [event.time for page in pages for event in page]
    assert times == sorted(times)
    assert max(map(len, pages)) <= size


@pytest.mark.behaviour("search.values-are-not-sql")
@pytest.mark.parametrize("value", ["' OR 1=1 --", "\\' OR 1=1 --", "'; DROP TABLE events; --", "x') OR ('1'='1"])
def test_a_value_is_never_read_as_sql(filled: tuple[Path, list[Event]], value: str) -> None:
    for name in ("server", "actor", "target", "outcome", "text", "tenant"):
        assert len(Search(filled[0]).events(unbounded=True, **{name: value})) == 0
    assert len(Search(filled[0]).events(unbounded=True, labels=(value,))) == 0


def test_a_kind_with_other_letters_than_kinds_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        Search(tmp_path).events(kind="gateway'")
    with pytest.raises(Invalid):
        Search(tmp_path).events(limit=0)


@pytest.mark.behaviour("search.tenants-apart")
@pytest.mark.parametrize("in_lake", [True, False])
def test_another_tenants_events_are_not_found(tmp_path: Path, in_lake: bool) -> None:
    record(tmp_path, [call(T, tenant="a"), call(T, tenant="b")])
    if in_lake:
        fill(tmp_path)
    assert [e.tenant for e in Search(tmp_path).events(unbounded=True, tenant="a")] == ["a"]


@pytest.mark.parametrize("in_lake", [True, False])
def test_an_event_is_found_by_its_id_with_its_place(tmp_path: Path, in_lake: bool) -> None:
    events = [call(T + i) for i in range(3)]
    record(tmp_path, events)
    if in_lake:
        fill(tmp_path)
    position, event = Search(tmp_path).find(events[1].id)
    assert (position.writer, event) == ("gateway", events[1])
    with pytest.raises(NotFound):
        Search(tmp_path).get("none")


@pytest.mark.parametrize(
    ("text", "ago"), [("15m", 15 * 60), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600), ("30s", 30), ("now", 0)]
)
def test_a_span_is_counted_back_from_now(text: str, ago: int) -> None:
    assert parse_time(text, T) == T - ago * 1_000_000


def test_a_time_is_iso_or_refused() -> None:
    assert parse_time("1970-01-01T00:00:01Z", T) == 1_000_000
    with pytest.raises(Invalid):
        parse_time("yesterday", T)


@pytest.mark.behaviour("search.erased-are-counted")
def test_erased_records_are_skipped_and_counted(tmp_path: Path) -> None:
    record(tmp_path, [call(T, actor="agent:gone"), call(T + 1, actor="agent:stays"), call(T + 2, actor="agent:gone")])
    SubjectKeys(tmp_path).erase("agent:gone")
    found = Search(tmp_path).events(since=T, until=T + HOUR)
    assert ([e.actor for e in found], found.unreadable) == (["agent:stays"], 2)
    with LakeReader(tmp_path) as lake:
        lake.fill()
        assert (lake.unreadable, lake.lag().rows) == (2, 0)
    assert [e.actor for e in Search(tmp_path).events(since=T, until=T + HOUR)] == ["agent:stays"]


@pytest.mark.behaviour("search.newest-days-first")
@pytest.mark.parametrize("now", [T, T + 30 * 24 * HOUR, T + 400 * 24 * HOUR], ids=["all later", "in between", "old"])
def test_pages_over_many_days_are_those_of_one_piece(tmp_path: Path, now: int) -> None:
    events = [call(T + day * 24 * HOUR + at, target=str(at % 3)) for day in (0, 1, 2, 9, 10, 33, 60) for at in range(4)]
    record(tmp_path, events)
    fill(tmp_path)
    search, seen, after = Search(tmp_path, ManualClock(now)), [], ""
    while True:
        page = search.events(unbounded=True, kind="gateway.request", target="0", limit=3, after=after)
        seen += list(page)
        after = page.next
        if not after:
            break
    assert seen == [event for event in sorted(events, key=lambda e: -e.time) if event.target == "0"]
    some = search.events(since=events[5].time, until=events[21].time, kind="gateway.request")
    assert list(some) == list(reversed(events[5:21]))


@pytest.mark.behaviour("search.newest-days-first")
def test_a_page_of_the_newest_does_not_look_at_older_days(tmp_path: Path) -> None:
    old, new = [call(T + at) for at in range(3)], [call(T + 5 * 24 * HOUR + at) for at in range(3)]
    record(tmp_path, old)
    fill(tmp_path)
    for path in lake_folder(tmp_path).rglob("part-*.parquet"):
        path.write_bytes(b"")  # whoever reads this fails
    record(tmp_path, new)
    fill(tmp_path)
    search = Search(tmp_path, ManualClock(T + 5 * 24 * HOUR + 10))
    page = search.events(unbounded=True, kind="gateway.request", limit=2)
    assert (list(page), page.from_lake, page.note) == ([new[2], new[1]], 2, "")


@pytest.mark.behaviour("respond.counted-once")
@pytest.mark.parametrize("filled", [0, 1, 2])
@pytest.mark.parametrize("newest_first", [True, False])
def test_what_was_recorded_twice_under_one_id_is_found_once(tmp_path: Path, filled: int, newest_first: bool) -> None:
    twins = [new_event(T + at, "respond.incident.noted") for at in range(4)]
    for number, writer in enumerate(("dead", "heir")):
        record(tmp_path, twins, writer)
        if number < filled:
            fill(tmp_path)
    for limit in (100, 1, 2, 3):
        found: list[str] = []
        after = ""
        while True:
            how: dict[str, Any] = {"limit": limit, "newest_first": newest_first, "after": after}
            page = Search(tmp_path).events(unbounded=True, kind="respond.incident", **how)
            found += [event.id for event in page]
            if not page.is_cut:
                break
            after = page.next
        assert found == [event.id for event in (reversed(twins) if newest_first else twins)]
