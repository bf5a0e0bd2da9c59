"""Incidents of another system: each line whole or reported, none twice, nothing lost."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.respond.cases.conftest import ADA, START, Cases
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid
from watchkeeper.respond.cases.importing import read
from watchkeeper.respond.cases.model import Filter

AT = START - 1000 * SECOND


def line(**members: Any) -> str:
    return msgspec.json.encode({"external_id": "SEC-1", "title": "t", "opened_at": AT} | members).decode()


def take(cases: Cases, *lines: str, **more: Any) -> list[tuple[int, str]]:
    numbered = list(enumerate(lines, 1))
    return [(one.line, one.what) for one in cases.book.importing.take("old", numbered, ADA, **more)]


@pytest.mark.behaviour("cases.import-is-whole-or-reported")
def test_lines_are_taken_or_refused_one_by_one_and_never_twice(either: Cases) -> None:
    good = line(
        status="closed",
        closed_at=AT + SECOND,
        disposition="false-positive",
        notes=[{"text": "as it was", "by": "carol"}],
        tasks=[{"title": "to do", "done_at": AT}],
        rules=["r1"],
        server="files",
    )
    lines = (good, "{", line(external_id="SEC-2", status="closed"), line(external_id="SEC-3", severity=9), good)
    whats = [(1, "taken"), (2, "refused"), (3, "refused"), (4, "refused"), (5, "known")]
    assert take(either, *lines) == whats
    assert take(either, good, line(title="other words")) == [(1, "known"), (2, "differs")]
    (one,) = either.book.reading.page(Filter()).incidents
    assert (one.source, one.external_id, one.status, one.disposition) == ("old", "SEC-1", "closed", "false_positive")
    file = either.book.reading.open(one.number)
    assert ([note.text for note in file.notes], [task.done_at for task in file.tasks]) == (["as it was"], [AT])
    (told,) = either.events("respond.incident.imported")
    assert (told.actor, told.body["external_id"]) == (ADA, "SEC-1")
    refused = either.book.importing.take("old", [(7, line(severity=9))], ADA)[0]
    assert (refused.line, "severity" in refused.why) == (7, True)


@pytest.mark.behaviour("cases.import-is-whole-or-reported")
def test_a_dry_run_says_the_same_and_changes_nothing(cases: Cases) -> None:
    said = take(cases, line(), line(), line(title="x"), "[]", dry_run=True)
    assert said == [(1, "would be taken"), (2, "known"), (3, "differs"), (4, "refused")]
    assert cases.book.reading.page(Filter()).total == 0
    assert cases.events("respond.incident.imported") == []


def test_what_was_imported_claims_no_containment_and_no_alert_joins_it(cases: Cases) -> None:
    take(cases, line(server="files", contained_at=AT, alerted_at=START))
    (one,) = cases.book.reading.page(Filter()).incidents
    assert (one.state, one.advice != "") == ("unverified", True)
    assert cases.alert(1) != one.number


@pytest.mark.parametrize(
    "bad",
    [
        line(opened_at=0),
        line(opened_at=START + SECOND),
        line(opened_at="yesterday"),
        line(status="ajar"),
        line(disposition="boring"),
        line(closed_at=AT),
        line(first_event_at=AT, alerted_at=AT - 1),
        line(notes=[{"text": ""}]),
        line(notes=[{"text": "x" * 10_001}]),
        line(title="a\x00b"),
        line(more=1),
        line(assignee="agent:x"),
        "null",
        "",
        "[" * 100_000,
        line(title="x" * 300_000),
        '{"external_id": "a", "title": "\\ud800", "opened_at": 1}',
    ],
)
def test_a_line_that_cannot_be_is_refused_with_why(cases: Cases, bad: str) -> None:
    (one,) = cases.book.importing.take("old", [(1, bad)], ADA)
    assert (one.what, bool(one.why)) == ("refused", True)
    assert cases.book.reading.page(Filter()).total == 0


@pytest.mark.behaviour("cases.import-times")
@pytest.mark.parametrize(
    "members", [{"opened_at": AT // SECOND}, {"opened_at": AT // 1000}, {"alerted_at": AT // 1000}]
)
def test_a_time_in_seconds_or_milliseconds_is_refused_and_the_reason_says_microseconds(
    cases: Cases, members: dict[str, int]
) -> None:
    (one,) = cases.book.importing.take("old", [(1, line(**members))], ADA)
    assert (one.what, "microseconds" in one.why) == ("refused", True)


@given(text=st.text(max_size=300) | st.binary(max_size=300).map(lambda data: data.decode("latin-1")))
def test_any_line_is_a_record_or_is_refused(text: str) -> None:
    with contextlib.suppress(Invalid):
        assert read(text).external_id


def test_too_many_lines_at_once_and_strangers_are_refused(cases: Cases) -> None:
    with pytest.raises(Invalid):
        cases.book.importing.take("old", [(at, line()) for at in range(501)], ADA)
    with pytest.raises(Invalid):
        cases.book.importing.take("old", [(1, line())], "agent:x")
    with pytest.raises(Invalid):
        cases.book.importing.take(" ", [(1, line())], ADA)
