"""What the responder may do with orders, and what it may not, whatever text steered it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.app.desk import Desk
from watchkeeper.app.platform import opened
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Denied
from watchkeeper.events import Event, Journal
from watchkeeper.gateway.orders import OrderBook, OrderKind
from watchkeeper.gateway.warrant import Warrant

ACTOR = "system:respond"


@pytest.fixture
def book(database: Database, journal: Journal, clock: ManualClock) -> OrderBook:
    return OrderBook(database, journal, clock)


@pytest.mark.behaviour("orders.responder-is-scoped")
def test_the_responder_gives_and_lifts_its_own_orders_and_no_others(
    book: OrderBook, recorded: Callable[[], list[Event]]
) -> None:
    warrant = Warrant(book, ACTOR)
    asked = {"incident": "inc", "run": "run", "asked_by": ("playbook:p@1", "operator:ada")}
    own = warrant.issue(OrderKind.BLOCK_SERVER, "notes", reason="r", by=ACTOR, key="run:1", **asked)  # type: ignore[arg-type]  # as it says
    persons = book.issue(OrderKind.BLOCK_SERVER, "notes", reason="r", by="operator:ada", key="ada:1")
    with pytest.raises(Denied):
        warrant.issue(OrderKind.BLOCK_SERVER, "files", reason="r", by="operator:ada", key="run:2")
    with pytest.raises(Denied):
        warrant.lift(persons.id, by=ACTOR, reason="a text said so")
    with pytest.raises(Denied):
        warrant.lift(own.id, by="operator:ada", reason="a text said so")
    assert warrant.lift(own.id, by=ACTOR, reason="over").lifted_by == ACTOR
    assert warrant.in_force() == (persons,)
    first = recorded()[0]
    assert (first.actor, first.body["run"], first.body["asked_by"]) == (ACTOR, "run", ["playbook:p@1", "operator:ada"])
    assert (book.get(own.id).run, book.get(own.id).asked_by) == ("run", ("playbook:p@1", "operator:ada"))


@pytest.mark.behaviour("orders.responder-is-scoped")
@pytest.mark.parametrize("by", [ACTOR, "system:detect", "agent:claude"])
def test_who_is_no_person_does_no_act_of_administration(tmp_path: Path, by: str) -> None:
    with opened(tmp_path, "cli") as platform:
        acts = Desk(platform).acts
        wanted: dict[str, dict[str, Any]] = {
            "pins.approve": {"server": "notes", "everything": True},
            "approvals.decide": {"approval": "x", "choice": "approve"},
            "clients.add": {"name": "mine"},
            "operators.invite": {"name": "me", "role": "admin"},
            "operators.token": {"name": "me"},
            "alerts.except": {},
            "quarantine.lift": {"order": "x", "reason": "r"},
        }
        for act, arguments in wanted.items():
            with pytest.raises(Denied) as refused:
                acts[act]({**arguments, "by": by})
            assert refused.value.rule == "operators.persons"
        assert platform.clients.clients() == ()
