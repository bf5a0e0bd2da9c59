"""Tickets in a tracker without keys for requests: one for an incident, whatever dies, and looked at after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.respond.integrations.conftest import errand, made
from tests.respond.integrations.servers import Elsewhere, Reply, Request, elsewhere
from tests.respond.integrations.tracker import Tracker
from watchkeeper.core.errors import Misconfigured
from watchkeeper.respond.errands import NotTaken, Receipt, Rejected, Verb
from watchkeeper.respond.integrations import Integration
from watchkeeper.respond.integrations.settings import TicketSettings


@pytest.fixture
def tracker() -> Tracker:
    return Tracker()


@pytest.fixture
def there(tracker: Tracker) -> Iterator[Elsewhere]:
    with elsewhere(tracker) as there:
        yield there


def ticket(there: Elsewhere, **mapped: Any) -> Integration:
    how = {"url": f"{there.url}/tickets", "authorization": "Bearer env:TOKEN", "ticket": TicketSettings(**mapped)}
    return made("ticket", there.host, **how)


def done(one: Integration, verb: Verb, key: str = "k", **members: Any) -> Receipt:
    asked = errand(verb, key, **members)
    return one.verify(asked, one.deliver(asked, again=False))


@pytest.mark.behaviour("integrations.ticket")
def test_a_ticket_is_made_changed_commented_on_and_closed_and_each_is_looked_at(
    tracker: Tracker, there: Elsewhere
) -> None:
    one = ticket(there, severity="priority", fixed={"queue": "security"})
    receipts = [
        done(one, Verb.CREATE, "1"),
        done(one, Verb.UPDATE, "2", text="more is known"),
        done(one, Verb.COMMENT, "3", text="the tool is held"),
        done(one, Verb.CLOSE, "4"),
    ]
    assert [(receipt.reference, receipt.verified) for receipt in receipts] == [("OPS-41", True)] * 4
    (kept,) = tracker.tickets.values()
    assert (kept["queue"], kept["priority"], kept["description"], kept["status"]) == (
        "security", "high", "more is known", "closed",
    )  # fmt: skip
    (comment,) = tracker.comments["OPS-41"]
    assert comment.startswith("the tool is held")


@pytest.mark.behaviour("integrations.nothing-twice")
def test_a_ticket_that_is_there_is_found_and_not_made_again(tracker: Tracker, there: Elsewhere) -> None:
    one = ticket(there)
    tracker.forgets_to_answer = True
    with pytest.raises(NotTaken):
        done(one, Verb.CREATE)
    tracker.forgets_to_answer = False
    assert done(one, Verb.CREATE).reference == done(one, Verb.CREATE, "another run").reference == "OPS-41"
    assert tracker.created == 1
    for _ in range(2):
        done(one, Verb.COMMENT, "c")
    assert len(tracker.comments["OPS-41"]) == 1
    assert done(one, Verb.CREATE, thread="another incident").reference == "OPS-42"


@pytest.mark.behaviour("integrations.lies")
def test_a_tracker_that_says_it_did_and_did_not_is_found_out(tracker: Tracker, there: Elsewhere) -> None:
    one = ticket(there)
    tracker.loses = True
    receipt = done(one, Verb.CREATE)
    assert receipt.verified is False
    assert "no ticket OPS-41" in receipt.said
    tracker.loses = False
    done(one, Verb.CREATE)
    tracker.loses = True
    for verb in (Verb.UPDATE, Verb.COMMENT, Verb.CLOSE):
        assert done(one, verb, verb.value, text="else").verified is False


@pytest.mark.behaviour("integrations.lies")
def test_a_search_that_finds_other_tickets_is_not_believed(tracker: Tracker) -> None:
    def generous(request: Any) -> Any:
        if request.verb == "GET":
            return 200, {"items": [{"id": "HR-1", "external_key": "somebody else's"}, "nonsense", None]}
        return tracker(request)

    with elsewhere(generous) as there:
        assert ticket(there).deliver(errand(Verb.CREATE), again=False).reference == "OPS-41"
        with pytest.raises(Rejected):
            ticket(there).deliver(errand(Verb.CLOSE), again=False)


@pytest.mark.parametrize("answer", [{"id": True}, {"id": "x" * 129}, {"id": "a\nb"}, {}, [], b"<html>"])
def test_an_answer_without_an_id_is_no_ticket(answer: Any) -> None:
    def answering(request: Request) -> Reply:
        return (200, {"items": []}) if request.verb == "GET" else (201, answer)

    with elsewhere(answering) as there, pytest.raises(NotTaken):
        ticket(there).deliver(errand(Verb.CREATE), again=False)


@pytest.mark.behaviour("integrations.addresses")
def test_an_id_of_the_tracker_leads_nowhere_else(there: Elsewhere) -> None:
    asked: list[str] = []

    def traversing(request: Any) -> Any:
        asked.append(request.path)
        if "external_key" in request.path:
            return 200, {"items": []}
        return 200, {"id": "../../admin?x=1#"}

    with elsewhere(traversing) as evil:
        assert done(ticket(evil), Verb.CREATE).verified is False
    assert asked[-1] == "/tickets/..%2F..%2Fadmin%3Fx%3D1%23"


def test_fields_may_lie_deep(there: Elsewhere) -> None:
    kept: dict[str, Any] = {}

    def jira_like(request: Any) -> Any:
        if "search" in request.path:
            return 200, {"issues": []}
        if request.verb == "POST":
            kept.update(request.json)
        return 200, {"key": "SEC-7"} | kept

    with elsewhere(jira_like) as evil:
        mapped = {
            "search": "/search?jql=labels%3D{key}", "create": "/issue", "read": "/issue/{id}",
            "comment": "/issue/{id}/comment", "items": "issues", "id": "key", "key": "fields.ours",
            "title": "fields.summary", "text": "fields.description", "fixed": {"fields.project.key": "SEC"},
        }  # fmt: skip
        receipt = done(ticket(evil, **mapped), Verb.CREATE)
    assert (receipt.reference, receipt.verified) == ("SEC-7", True)
    assert kept["fields"]["project"] == {"key": "SEC"}


@pytest.mark.parametrize(
    "wrong", [{"search": "/search"}, {"read": "/x"}, {"comment": "/y"}, {"create": "@evil.example"}]
)
def test_a_mapping_that_cannot_be_is_refused_when_it_is_made(there: Elsewhere, wrong: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        ticket(there, **wrong)
