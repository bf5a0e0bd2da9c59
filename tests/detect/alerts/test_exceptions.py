"""Exceptions: with a reason and an end, their impact shown, never over what is critical unless they say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.detect.alerts.found import T, a_call, a_rule, found
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from watchkeeper.detect.alerts import EXCEPTED, RAISED, REPEATED, AlertAdmission, Knowledge, Limits
from watchkeeper.detect.alerts.exceptions.book import ExceptionBook
from watchkeeper.detect.alerts.exceptions.held import Held
from watchkeeper.detect.alerts.exceptions.impact import Past, impact_of
from watchkeeper.detect.alerts.exceptions.model import DAY, Draft, Exemption
from watchkeeper.events import Event, Severity
from watchkeeper.events.catalogue.fits import misfit

RULE = a_rule()
OPERATOR = "operator:ann"


class Noted:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_full = False

    def record(self, event: Event) -> None:
        if self.is_full:
            raise Unavailable("no space left")
        assert misfit(event) == ""
        self.events.append(event)


@pytest.fixture
def journal() -> Noted:
    return Noted()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(T)


@pytest.fixture
def book(tmp_path: Path, journal: Noted, clock: ManualClock) -> Iterator[ExceptionBook]:
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    yield ExceptionBook(database, journal, clock)
    database.close()


def draft(where: dict[str, Any] | None = None, **fields: Any) -> Draft:
    return Draft(where={"actor": "agent:ann"} if where is None else where, **{"reason": "known", "days": 30} | fields)


@pytest.mark.behaviour("alerts.exception-holds")
def test_what_an_exception_holds_back_is_recorded_counted_and_no_alert(book: ExceptionBook) -> None:
    one = book.add(draft(rule=RULE.id), OPERATOR)
    admission = AlertAdmission(knowledge=Knowledge(exceptions=Held(book.in_force)))
    told = [e for n in range(12) for e in admission.admit(found(RULE, a_call(n, n), n), T)]
    told += admission.pass_time(T + DAY, T + DAY)
    assert [event.kind for event in told] == [EXCEPTED, REPEATED, REPEATED]
    assert (told[0].body["exception"], told[0].body["because"], told[2].body["count"]) == (one.id, "known", 12)
    assert [event.body["exception"] for event in told[1:]] == [one.id, one.id]
    assert [misfit(event) for event in told] == ["", "", ""]
    others = admission.admit(found(RULE, a_call(20, 20, actor="agent:bob"), 20), T)
    assert [event.kind for event in others] == [RAISED]


@pytest.mark.behaviour("alerts.exception-holds")
@pytest.mark.parametrize(
    ("where", "fields"),
    [
        ({"server": "FILES", "actor|startswith": ["agent:a", "agent:b"]}, {}),
        ({"target": "re*"}, {}),
        ({"body.path|re": "^/tmp/"}, {}),
        ({"actor": "agent:ann"}, {"rule": RULE.id}),
    ],
    ids=["all-of-fields", "wildcard", "pattern", "rule"],
)
def test_a_condition_is_read_as_a_sigma_selection(where: dict[str, Any], fields: dict[str, Any]) -> None:
    one = made(where, **fields)
    held = Held(lambda: [one])
    event = a_call(body={"path": "/tmp/a"})
    assert held.by(found(RULE, event), Severity.HIGH, T) == one
    other = a_call(actor="agent:zoe", target="write", server="mail")
    assert held.by(found(RULE, other), Severity.HIGH, T) is None


@pytest.mark.behaviour("alerts.exception-not-over-critical")
def test_what_is_critical_comes_through_unless_the_exception_says_so() -> None:
    plain, over = made(), made(over_critical=True)
    rule = a_rule(level="critical")
    for one, kind in ((plain, RAISED), (over, EXCEPTED)):
        admission = AlertAdmission(Limits(), Knowledge(exceptions=Held(lambda one=one: [one])))  # type: ignore[misc]
        (alert,) = admission.admit(found(rule, a_call()), T)
        assert alert.kind == kind


@pytest.mark.behaviour("alerts.exception-ends")
def test_an_exception_ends_by_itself_and_when_it_is_removed(book: ExceptionBook, clock: ManualClock) -> None:
    one = book.add(draft(days=1), OPERATOR)
    held = Held(book.in_force)
    asked = found(RULE, a_call())
    assert held.by(asked, Severity.HIGH, T + DAY - 1) == one
    assert held.by(asked, Severity.HIGH, T + DAY) is None
    assert [o.state(T + DAY) for o in book.list("default")] == ["expired"]
    other = book.add(draft(days=2), OPERATOR)
    book.remove(other.id[:36], "default", OPERATOR, "over")
    assert Held(book.in_force).by(asked, Severity.HIGH, T + DAY) is None
    assert {o.id: o.state(T) for o in book.list("default")} == {one.id: "in force", other.id: "removed"}
    with pytest.raises(Conflict):
        book.remove(other.id, "default", OPERATOR)


@pytest.mark.behaviour("alerts.exception-ends")
@pytest.mark.parametrize(
    "wrong",
    [{"reason": " "}, {"days": 0}, {"days": 367}, {"days": float("nan")}, {"where": {}}, {"where": {"nobody": 1}},
     {"where": {"actor|huh": "a"}}, {"where": {"target|re": "(?=a)"}}, {"where": {"body": "x"}}, {"where": ["a"]},
     {"where": {"target": ["x" * 100] * 400}}, {"where": {f"body.a{i}": 1 for i in range(21)}},
     {"where": {"target|expand": "%all%"}}],
    ids=range(13),
)  # fmt: skip
def test_an_exception_without_reason_end_or_sense_is_refused(
    book: ExceptionBook, journal: Noted, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Invalid):
        book.add(draft(**wrong), OPERATOR)
    assert (book.list("default"), journal.events) == ([], [])


@pytest.mark.behaviour("alerts.exception-recorded")
def test_adding_and_removing_is_recorded_before_it_takes_effect(book: ExceptionBook, journal: Noted) -> None:
    one = book.add(draft(), OPERATOR, {"would_hold": 3})
    book.remove(one.id, "default", OPERATOR, "no longer needed")
    added, ended = journal.events
    assert (added.kind, added.actor, added.target, added.severity) == (
        "admin.exception.added", OPERATOR, one.id, Severity.MEDIUM,
    )  # fmt: skip
    assert added.body["impact"] == {"would_hold": 3}
    assert (ended.kind, ended.body["because"]) == ("admin.exception.ended", "no longer needed")
    journal.is_full = True
    with pytest.raises(Unavailable):
        book.add(draft(), OPERATOR)
    assert len(book.list("default")) == 1


def test_no_agent_decides_about_an_exception_and_no_tenant_about_anothers(book: ExceptionBook) -> None:
    with pytest.raises(Denied):
        book.add(draft(), "agent:ann")
    one = book.add(draft(), OPERATOR)
    with pytest.raises(NotFound):
        book.remove(one.id, "other", OPERATOR)
    assert Held(book.in_force).by(found(RULE, a_call(tenant="other")), Severity.LOW, T) is None


def test_exceptions_that_cannot_be_read_any_more_hold_until_their_end() -> None:
    now, one = [0.0], made()
    states: Iterator[Sequence[Exemption] | None] = iter([[one], None])

    def load() -> Sequence[Exemption]:
        found_ = next(states)
        if found_ is None:
            raise Unavailable("locked")
        return found_

    held = Held(load, clock=lambda: now[0])
    asked = found(RULE, a_call())
    assert held.by(asked, Severity.LOW, T) == one
    now[0] = 5
    assert held.by(asked, Severity.LOW, T) == one
    assert held.by(asked, Severity.LOW, T + 400 * DAY) is None


def test_an_exception_that_cannot_be_read_holds_nothing_back_and_stops_no_other(
    book: ExceptionBook, tmp_path: Path
) -> None:
    broken, whole = book.add(draft(), OPERATOR), book.add(draft({"server": "files"}), OPERATOR)
    with closing(Database.at(tmp_path / "state.db")) as database, database.write() as session:
        session.execute(text("update detect_exceptions set condition = '[]' where id = :id"), {"id": broken.id})
    assert [one.id for one in book.in_force()] == [whole.id]
    held = Held(book.in_force)
    assert held.by(found(RULE, a_call()), Severity.HIGH, T) == whole
    assert held.by(found(RULE, a_call(server="mail")), Severity.HIGH, T) is None


@pytest.mark.behaviour("alerts.exception-impact")
def test_the_impact_counts_what_would_be_held_and_says_what_is_not_known() -> None:
    ann, bob = a_call(), a_call(actor="agent:bob")
    past = [
        Past("1", "default", RULE.id, "A call", 3, T, ann, "true_positive"),
        Past("2", "default", RULE.id, "A call", 3, T, bob),
        Past("3", "default", RULE.id, "A call", 3, T, None),
        Past("4", "default", RULE.id, "A call", 5, T, ann),
        Past("5", "default", "other", "Another", 3, T, ann),
        Past("6", "elsewhere", RULE.id, "A call", 3, T, ann),
        Past("7", "default", RULE.id, "A call", 3, T, ann),
    ]
    impact = impact_of(made(rule=RULE.id), past, 7)
    assert (impact.looked_at, impact.would_hold, impact.not_known, impact.critical) == (7, 2, 1, 1)
    assert (impact.true_positives, impact.by_rule, impact.examples) == (1, {"A call": 2}, ("1", "7"))
    assert impact_of(made(), past, 7).by_rule == {"A call": 2, "Another": 1}


def made(where: dict[str, Any] | None = None, **fields: Any) -> Exemption:
    """An exception that stands in no book."""
    from watchkeeper.detect.alerts.exceptions.reading import condition_of

    where = where or {"actor": "agent:ann"}
    return Exemption(
        id="0193", tenant="default", where=where, condition=condition_of(where), reason="known", author=OPERATOR,
        created_at=T, expires_at=T + DAY, **{"rule": "", **fields},
    )  # fmt: skip
