"""The book of approvals on a real control state and a real journal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.approvals.wanted import BOUNDS, wanted
from watchkeeper.core.clock import SECOND, ManualClock, SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, NotFound, Unavailable
from watchkeeper.events import Event, Journal
from watchkeeper.gateway.approvals import Approval, Approvals, Choice, State
from watchkeeper.gateway.approvals.book import TOO_MANY, stale
from watchkeeper.gateway.approvals.model import Bounds, Requirement
from watchkeeper.gateway.approvals.voting import BY_OPERATORS, LACKS_ROLE, LOST
from watchkeeper.operators import Roster

Recorded = Callable[[], list[Event]]
ADA, BOB = "operator:ada", "operator:bob"
WIDE = Bounds(per_principal=100, in_all=100, denial_seconds=60)


@pytest.fixture
def book(database: Database, journal: Journal, clock: ManualClock) -> Approvals:
    return Approvals(database, journal, clock)


def ask(book: Approvals, binding: str = "b-1", **fields: Any) -> Approval:
    return book.request(wanted(binding, **fields), BOUNDS)


def approve(book: Approvals, approval: Approval, by: str = ADA, **more: Any) -> Approval:
    return book.decide(approval.id, by=by, choice=Choice.APPROVE, **more)


def deny(book: Approvals, approval: Approval, by: str = ADA, **more: Any) -> Approval:
    return book.decide(approval.id, by=by, choice=Choice.DENY, **more)


def kinds(recorded: Recorded) -> list[str]:
    return [event.kind.removeprefix("gateway.approval.") for event in recorded() if ".approval." in event.kind]


@pytest.mark.behaviour("approvals.once")
def test_a_grant_is_used_by_one_call_and_no_second_one(book: Approvals, recorded: Recorded) -> None:
    asked = ask(book)
    assert book.consume(asked.id, "b-1", "c-1") is None
    assert approve(book, asked).state is State.GRANTED
    used = book.consume(asked.id, "b-1", "c-2")
    assert used is not None
    assert used.state is State.CONSUMED
    assert book.consume(asked.id, "b-1", "c-3") is None
    assert kinds(recorded) == ["requested", "decided", "consumed"]


@pytest.mark.behaviour("approvals.bound")
def test_a_grant_lets_no_other_call_pass(book: Approvals) -> None:
    asked = approve(book, ask(book))
    assert book.consume(asked.id, "b-2", "c-1") is None
    assert ask(book, "b-2").state is State.PENDING
    assert book.show(asked.id).state is State.GRANTED


@pytest.mark.behaviour("approvals.one-entry")
def test_the_same_request_is_one_entry_with_a_count(book: Approvals, recorded: Recorded) -> None:
    first = ask(book)
    again = [ask(book) for _ in range(4)][-1]
    assert (again.id, again.count, again.requested_at) == (first.id, 5, first.requested_at)
    assert kinds(recorded) == ["requested"]


@pytest.mark.behaviour("approvals.bounded")
def test_few_requests_are_open_at_once_for_one_client_and_in_all(book: Approvals, clock: ManualClock) -> None:
    for number in range(3):
        ask(book, f"b-{number}")
    with pytest.raises(Denied) as refused:
        ask(book, "b-more")
    assert refused.value.rule == TOO_MANY
    assert ask(book, "b-0").count == 2
    for number in range(2):
        ask(book, f"o-{number}", principal="agent:other")
    with pytest.raises(Denied):
        ask(book, "o-more", principal="agent:third")
    clock.advance(901 * SECOND)
    assert ask(book, "b-more").state is State.PENDING


@pytest.mark.behaviour("approvals.operators-decide")
@pytest.mark.parametrize("by", ["agent:claude", "agent:other", "claude", "", "AGENT:claude", " operator:ada"])
def test_whoever_is_no_operator_decides_nothing(book: Approvals, by: str) -> None:
    asked = ask(book)
    for choice in Choice:
        with pytest.raises(Denied) as refused:
            book.decide(asked.id, by=by, choice=choice)
        assert refused.value.rule == BY_OPERATORS
    assert book.show(asked.id).state is State.PENDING


@pytest.mark.behaviour("approvals.role")
def test_a_role_below_what_the_policy_demands_decides_nothing(book: Approvals) -> None:
    asked = ask(book)
    for role in ("viewer", "auditor", "analyst", "", "root"):
        with pytest.raises(Denied) as refused:
            approve(book, asked, role=role)
        assert refused.value.rule == LACKS_ROLE
        with pytest.raises(Denied):
            deny(book, asked, role=role)
    assert approve(book, asked, role="responder").state is State.GRANTED


@pytest.mark.behaviour("approvals.quorum")
def test_a_quorum_is_of_different_people(book: Approvals) -> None:
    asked = ask(book, requirements=(Requirement("mine.pay", "responder", 2),))
    assert approve(book, asked).state is State.PENDING
    with pytest.raises(Conflict):
        approve(book, asked)
    assert book.consume(asked.id, "b-1", "c") is None
    granted = approve(book, asked, BOB)
    assert (granted.state, [vote.operator for vote in granted.votes]) == (State.GRANTED, [ADA, BOB])


@pytest.mark.behaviour("approvals.quorum")
def test_each_policy_has_its_quorum_by_itself(book: Approvals) -> None:
    demands = (Requirement("a", "analyst", 2), Requirement("b", "admin", 1))
    asked = ask(book, requirements=demands)
    approve(book, asked, role="analyst")
    assert approve(book, asked, BOB, role="responder").state is State.PENDING
    assert approve(book, asked, "operator:eve", role="admin").state is State.GRANTED


@pytest.mark.behaviour("approvals.one-no")
def test_one_no_is_enough_also_after_the_quorum_was_reached(book: Approvals, clock: ManualClock) -> None:
    asked = approve(book, ask(book))
    assert deny(book, asked, BOB, reason="not today").state is State.DENIED
    assert book.consume(asked.id, "b-1", "c") is None
    with pytest.raises(Conflict):
        approve(book, asked, "operator:eve")
    standing = ask(book)
    assert (standing.id, standing.state, standing.because) == (asked.id, State.DENIED, "not today")
    clock.advance(61 * SECOND)
    assert ask(book).state is State.PENDING


@pytest.mark.behaviour("approvals.expire")
def test_what_nobody_decides_in_time_is_over(book: Approvals, clock: ManualClock, recorded: Recorded) -> None:
    asked = ask(book)
    clock.advance(900 * SECOND)
    assert book.show(asked.id).state is State.EXPIRED
    assert book.list("pending") == []
    with pytest.raises(Conflict):
        approve(book, asked)
    assert (book.expire(), book.expire()) == (1, 0)
    assert kinds(recorded) == ["requested", "expired"]
    assert ask(book).id != asked.id


@pytest.mark.behaviour("approvals.expire")
def test_a_grant_that_is_not_used_in_time_is_over(book: Approvals, clock: ManualClock) -> None:
    asked = approve(book, ask(book))
    clock.advance(300 * SECOND)
    assert book.consume(asked.id, "b-1", "c") is None
    assert book.show(asked.id).state is State.EXPIRED


@pytest.mark.behaviour("approvals.clock-put-back")
@pytest.mark.parametrize("is_granted", [True, False])
def test_a_clock_that_is_put_back_lets_nothing_live_longer_and_one_that_is_right_again_takes_nothing_away(
    database: Database, journal: Journal, clock: ManualClock, is_granted: bool
) -> None:
    book = Approvals(database, journal, clock)
    asked = ask(book)
    if is_granted:
        approve(book, asked)
    wrong = Approvals(database, journal, ManualClock(clock.now() - 3 * 3600 * SECOND))
    assert wrong.show(asked.id).state is State.EXPIRED
    assert wrong.consume(asked.id, "b-1", "c") is None
    with pytest.raises(Conflict):
        approve(wrong, asked)
    assert wrong.expire() == 0
    assert book.show(asked.id).state is (State.GRANTED if is_granted else State.PENDING)
    near = Approvals(database, journal, ManualClock(clock.now() - 59 * SECOND))
    assert (near.consume(asked.id, "b-1", "c") is not None) is is_granted, "two hosts may differ by a little"


@pytest.mark.behaviour("approvals.voided")
def test_other_policies_or_another_definition_void_what_is_open(book: Approvals, recorded: Recorded) -> None:
    pending, granted = ask(book), approve(book, ask(book, "b-2"))
    assert book.void(lambda one: stale(one, "p-1", "sha256:one")) == 0
    assert book.void(lambda one: stale(one, "p-2", "sha256:one")) == 2
    assert [book.show(one.id).state for one in (pending, granted)] == [State.VOIDED, State.VOIDED]
    assert book.show(granted.id).because == "other policies are in force"
    assert book.consume(granted.id, "b-2", "c") is None
    assert kinds(recorded)[-2:] == ["voided", "voided"]


@pytest.mark.behaviour("approvals.voided")
def test_asking_again_under_another_definition_voids_what_was_asked_before(book: Approvals) -> None:
    asked = approve(book, ask(book))
    ask(book, "b-2", definition="sha256:two")
    assert (book.show(asked.id).state, book.show(asked.id).because) == (State.VOIDED, "the definition changed")


@pytest.mark.behaviour("approvals.facts-first")
def test_what_cannot_be_recorded_does_not_happen(
    database: Database, clock: ManualClock, book: Approvals, closed_journal: Journal
) -> None:
    asked = ask(book)
    broken = Approvals(database, closed_journal, clock)
    with pytest.raises(Unavailable):
        approve(broken, asked)
    with pytest.raises(Unavailable):
        ask(broken, "b-2")
    assert [one.state for one in book.list()] == [State.PENDING]
    approve(book, asked)
    with pytest.raises(Unavailable):
        broken.consume(asked.id, "b-1", "c")
    assert book.show(asked.id).state is State.GRANTED


def test_what_was_decided_about_the_same_tool_is_remembered(book: Approvals, clock: ManualClock) -> None:
    first = deny(book, ask(book))
    clock.advance(SECOND)
    second = approve(book, ask(book, "b-2"))
    clock.advance(SECOND)
    ask(book, "b-3")
    other = ask(book, "b-4", target="read", principal="agent:other")
    assert [one.id for one in book.earlier(book.show(second.id))] == [first.id]
    assert list(book.earlier(other)) == []


def test_one_that_is_not_there_is_not_found(book: Approvals) -> None:
    with pytest.raises(NotFound):
        book.show("ask-no")
    with pytest.raises(NotFound):
        book.decide("ask-no", by=ADA, choice=Choice.DENY)


RACER = """
import sys
from pathlib import Path
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.events import Journal
from watchkeeper.gateway.approvals import Approvals

data, writer, ids = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
journal = Journal.open(data, writer, SystemClock())
book = Approvals(Database.at(data / "state.db"), journal, SystemClock())
print("ready", flush=True)
sys.stdin.readline()
print(",".join(one for one in ids if book.consume(one, f"b-{ids.index(one)}", writer)), flush=True)
journal.close()
"""


@pytest.mark.behaviour("approvals.race")
@pytest.mark.state_in_a_file
def test_of_two_processes_that_use_a_grant_up_exactly_one_succeeds(
    database: Database, journal: Journal, tmp_path: Path
) -> None:
    book = Approvals(database, journal, SystemClock())
    many = [approve(book, book.request(wanted(f"b-{number}"), WIDE)) for number in range(12)]
    ids = ",".join(one.id for one in many)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), writer, ids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for writer in ("racer-1", "racer-2")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [one for racer in racers for one in racer.communicate(timeout=60)[0].strip().split(",") if one]
    assert sorted(won) == sorted(ids.split(","))
    assert {book.show(one.id).state for one in many} == {State.CONSUMED}


@pytest.fixture
def roster(database: Database, journal: Journal, clock: ManualClock) -> Roster:
    roster = Roster(database, journal, clock)
    roster.invite("ada", "responder", "operator:host")
    roster.invite("bob", "responder", "operator:host")
    clock.advance(SECOND)
    return roster


@pytest.fixture
def watched(database: Database, journal: Journal, clock: ManualClock, roster: Roster) -> Approvals:
    """A book that knows who operates."""
    return Approvals(database, journal, clock, standing=roster)


TWO = (Requirement("mine.pay", "responder", 2),)


@pytest.mark.behaviour("approvals.word-of-the-revoked")
def test_who_was_revoked_counts_towards_no_quorum(watched: Approvals, roster: Roster, clock: ManualClock) -> None:
    asked = ask(watched, requirements=TWO)
    approve(watched, asked, role="responder")
    assert watched.missing(watched.show(asked.id)) == {"mine.pay": 1}
    clock.advance(SECOND)
    roster.revoke("ada", "operator:host")
    assert watched.missing(watched.show(asked.id)) == {"mine.pay": 2}
    clock.advance(SECOND)
    after = approve(watched, asked, BOB, role="responder")
    assert after.state is State.PENDING
    assert [vote.operator for vote in after.votes] == [BOB]
    assert approve(watched, asked, "operator:host").state is State.GRANTED


@pytest.mark.behaviour("approvals.word-of-the-revoked")
def test_who_is_invited_again_must_approve_again(watched: Approvals, roster: Roster, clock: ManualClock) -> None:
    asked = ask(watched, requirements=TWO)
    approve(watched, asked, role="responder")
    clock.advance(SECOND)
    roster.revoke("ada", "operator:host")
    with pytest.raises(Denied) as refused:
        approve(watched, asked, role="responder")
    assert refused.value.rule == LACKS_ROLE
    roster.invite("ada", "responder", "operator:host")
    clock.advance(SECOND)
    assert approve(watched, asked, BOB, role="responder").state is State.PENDING
    assert approve(watched, asked, role="responder").state is State.GRANTED


@pytest.mark.behaviour("approvals.word-of-the-revoked")
def test_a_grant_by_somebody_who_was_revoked_carries_no_call(
    watched: Approvals, roster: Roster, clock: ManualClock
) -> None:
    asked = ask(watched)
    assert approve(watched, asked, role="responder").state is State.GRANTED
    clock.advance(SECOND)
    roster.revoke("ada", "operator:host")
    assert watched.consume(asked.id, "b-1", "c-1") is None
    void = watched.show(asked.id)
    assert (void.state, void.because) == (State.VOIDED, LOST)


@pytest.mark.behaviour("approvals.word-of-the-revoked")
def test_a_yes_counts_in_the_role_that_its_operator_has_now(
    watched: Approvals, roster: Roster, clock: ManualClock
) -> None:
    asked = ask(watched, requirements=TWO)
    approve(watched, asked, role="responder")
    clock.advance(SECOND)
    roster.change("ada", "viewer", "operator:host")
    assert approve(watched, asked, BOB, role="responder").state is State.PENDING
    roster.change("ada", "admin", "operator:host")
    assert watched.missing(watched.show(asked.id)) == {}


def test_who_was_never_on_the_roster_is_believed_and_so_is_a_webhook(watched: Approvals) -> None:
    asked = ask(watched, requirements=TWO)
    approve(watched, asked, "operator:host")
    assert approve(watched, asked, "webhook:chat", role="responder").state is State.GRANTED
    assert watched.consume(asked.id, "b-1", "c-1") is not None
