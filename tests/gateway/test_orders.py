"""The order book on a real control state and a real journal; gateways are answered for by real control sockets."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.control import serve
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from watchkeeper.core.files import socket_path
from watchkeeper.events import Event, Journal
from watchkeeper.gateway import _store
from watchkeeper.gateway.orders import Order, OrderBook, OrderKind, OrdersInForce, Probe
from watchkeeper.gateway.presence import Presence

Recorded = Callable[[], list[Event]]
HOLD = OrderKind.HOLD_TOOL
CALL = Probe("claude", "files", "read")


@pytest.fixture
def book(database: Database, journal: Journal, clock: ManualClock) -> OrderBook:
    return OrderBook(database, journal, clock)


@pytest.fixture
def presence(database: Database, clock: ManualClock) -> Presence:
    return Presence(database, clock)


def issue(
    book: OrderBook, kind: OrderKind = HOLD, target: str = "files/read", key: str = "run:1", **fields: Any
) -> Order:
    return book.issue(kind, target, **({"reason": "rug pull", "by": "system:respond", "key": key} | fields))


@contextmanager
def answering(path: Path, **answers: dict[str, Any]) -> Iterator[None]:
    """A gateway's control socket that says what the test wants; names have `_` for `.`."""
    loop = asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        def handler(answer: dict[str, Any]) -> Any:
            async def handle(_: dict[str, Any]) -> Any:
                return answer

            return handle

        return await serve(path, {name.replace("_", "."): handler(answer) for name, answer in answers.items()})

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:

        async def stop() -> None:
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def refusing(order: Order, **other: Any) -> dict[str, Any]:
    return {"effect": "deny", "enforced": True, "rules": [order.rule], "reason": "…"} | other


# the book


@pytest.mark.behaviour("gateway.order-idempotent")
@pytest.mark.either_state
def test_the_same_key_twice_is_one_order_and_one_fact(book: OrderBook, recorded: Recorded) -> None:
    first, again = issue(book), issue(book, reason="said otherwise")
    assert first == again
    assert book.in_force() == (first,)
    assert [(e.kind, e.target, e.body["generation"]) for e in recorded()] == [("gateway.order.issued", "files/read", 1)]


@pytest.mark.behaviour("gateway.order-idempotent")
def test_an_order_given_again_after_it_was_lifted_stays_lifted(book: OrderBook) -> None:
    order = issue(book)
    lifted = book.lift(order.id, by="operator:ada", reason="false alarm")
    assert issue(book) == lifted
    assert book.in_force() == ()


@pytest.mark.behaviour("gateway.order-idempotent")
@pytest.mark.parametrize("is_next_life", [True, False])
def test_an_order_repeated_after_a_crash_before_the_commit_has_the_same_ids(
    database: Database,
    journal: Journal,
    clock: ManualClock,
    recorded: Recorded,
    monkeypatch: pytest.MonkeyPatch,
    is_next_life: bool,
) -> None:
    book = OrderBook(database, journal, clock)
    with monkeypatch.context() as patched:
        patched.setattr(book, "_record", _dying(book._record))
        with pytest.raises(KeyboardInterrupt):
            issue(book)
    assert book.all() == ()
    order = issue(OrderBook(database, journal, clock) if is_next_life else book)
    facts = recorded()
    assert len(facts) == (2 if is_next_life else 1), "who lives knows what it has recorded already"
    assert {fact.id for fact in facts} == {facts[0].id}
    assert {fact.body["order"] for fact in facts} == {order.id}


def _dying(record: Callable[..., None]) -> Callable[..., None]:
    def act(*arguments: Any) -> None:
        record(*arguments)
        raise KeyboardInterrupt

    return act


@pytest.mark.either_state
def test_a_key_that_names_another_order_is_a_conflict(book: OrderBook) -> None:
    issue(book)
    with pytest.raises(Conflict):
        issue(book, target="files/write")


@pytest.mark.behaviour("gateway.order-lifted")
@pytest.mark.either_state
def test_a_lifted_order_is_not_in_force_and_who_lifted_it_is_recorded(
    book: OrderBook, recorded: Recorded, clock: ManualClock
) -> None:
    order = issue(book)
    clock.advance(SECOND)
    lifted = book.lift(order.id, by="operator:ada", reason="false alarm")
    assert (lifted.lifted_by, lifted.lifted_at, lifted.generation) == ("operator:ada", clock.now(), 2)
    assert book.lift(order.id, by="operator:bob", reason="again") == lifted
    assert [(e.kind, e.actor, e.body["reason"]) for e in recorded()] == [
        ("gateway.order.issued", "system:respond", "rug pull"),
        ("gateway.order.lifted", "operator:ada", "false alarm"),
    ]
    assert (book.in_force(), book.all(), book.get(order.id), book.generation()) == ((), (lifted,), lifted, 2)
    with pytest.raises(NotFound):
        book.lift("none", by="operator:ada", reason="")


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (HOLD, "files"),
        (HOLD, "files/"),
        (HOLD, "/read"),
        (OrderKind.QUARANTINE_SERVER, "files/read"),
        (OrderKind.QUARANTINE_SERVER, ""),
        (OrderKind.QUARANTINE_PRINCIPAL, "agent:"),
    ],
)
def test_a_target_of_the_wrong_form_is_refused(book: OrderBook, kind: OrderKind, target: str) -> None:
    with pytest.raises(Invalid):
        issue(book, kind, target)


def test_a_tool_may_have_a_slash_in_its_name_and_an_agent_its_prefix(book: OrderBook) -> None:
    assert issue(book, target="files/a/b").target == "files/a/b"
    assert issue(book, OrderKind.QUARANTINE_PRINCIPAL, "agent:claude", key="2").target == "agent:claude"
    assert issue(book, OrderKind.QUARANTINE_PRINCIPAL, "claude", key="3").target == "agent:claude"


@pytest.mark.behaviour("gateway.agents-give-no-orders")
def test_an_agent_neither_gives_nor_lifts_orders(book: OrderBook) -> None:
    with pytest.raises(Denied):
        issue(book, by="agent:claude")
    order = issue(book)
    with pytest.raises(Denied):
        book.lift(order.id, by="agent:claude", reason="let me")


@pytest.mark.behaviour("gateway.order-fact-first")
@pytest.mark.either_state
def test_no_order_without_its_fact(database: Database, closed_journal: Journal, clock: ManualClock) -> None:
    book = OrderBook(database, closed_journal, clock)
    with pytest.raises(Unavailable):
        issue(book)
    assert (book.all(), book.generation()) == ((), 0)


@pytest.mark.either_state
def test_many_at_once_under_one_key_give_one_order(
    database: Database, journal: Journal, clock: ManualClock, recorded: Recorded
) -> None:
    given_: list[Order] = []
    books = [OrderBook(database, journal, clock) for _ in range(4)]
    threads = [threading.Thread(target=lambda b=b: given_.append(issue(b))) for b in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(given_) == 4
    assert len(set(given_)) == 1
    assert len(recorded()) == 1


# who is asked


def test_a_gateway_is_asked_while_its_process_lives(presence: Presence, database: Database, tmp_path: Path) -> None:
    presence.enter("a", tmp_path / "a.sock", 3)
    assert [(s.id, s.pid, s.acknowledged) for s in presence.serving()] == [("a", os.getpid(), 3)]
    presence.leave("a")
    assert presence.serving() == []


@pytest.mark.behaviour("gateway.silent-gateway-counts")
def test_a_gateway_that_went_silent_still_counts_as_serving(
    presence: Presence, clock: ManualClock, tmp_path: Path
) -> None:
    presence.enter("a", tmp_path / "a.sock", 3)
    clock.advance(3_600 * SECOND)
    assert [(s.id, s.is_late) for s in presence.serving()] == [("a", True)]
    presence.beat("a", 4)
    assert [(s.is_late, s.acknowledged) for s in presence.serving()] == [(False, 4)]


def test_a_gateway_whose_process_ended_is_not_asked(presence: Presence, database: Database, tmp_path: Path) -> None:
    presence.enter("a", tmp_path / "a.sock", 3)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(30)
    _alter(database, pid=ended.pid)
    assert presence.serving() == []


def test_a_gateway_that_is_gone_is_struck_off_when_another_begins(
    presence: Presence, database: Database, tmp_path: Path
) -> None:
    presence.enter("a", tmp_path / "a.sock", 3)
    _alter(database, birth="another")
    presence.enter("b", tmp_path / "b.sock", 3)
    with database.read() as session:
        assert session.get(_store.GatewayRow, ("default", "a")) is None
    assert [s.id for s in presence.serving()] == ["b"]


def test_a_process_that_took_over_a_dead_gateways_number_is_not_it(
    presence: Presence, database: Database, tmp_path: Path
) -> None:
    presence.enter("a", tmp_path / "a.sock", 3)
    _alter(database, birth="another")
    assert presence.serving() == []


def _alter(database: Database, **fields: Any) -> None:
    with database.write() as session:
        row = session.get_one(_store.GatewayRow, ("default", "a"))
        for name, value in fields.items():
            setattr(row, name, value)


# pushing and proving


@pytest.fixture
def path(tmp_path: Path, presence: Presence) -> Path:
    """The socket of a gateway in the register that has acknowledged nothing yet."""
    path = socket_path(tmp_path, "gateway-a")
    presence.enter("a", path, 0)
    return path


@pytest.mark.behaviour("gateway.contained-is-proven")
def test_contained_needs_every_acknowledgement_and_the_refusal_by_this_order(book: OrderBook, path: Path) -> None:
    order = issue(book)
    with answering(path, orders_refresh={"generation": 1}, probe=refusing(order)):
        proof = book.is_contained(order, CALL)
    assert (proof.is_verified, proof.acknowledged, proof.answers) == (True, {"a": 1}, {"a": refusing(order)})


@pytest.mark.behaviour("gateway.doubt-is-unverified")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"effect": "allow", "rules": []}, "let the probe pass"),
        ({"rules": ["starter.secret-leaving"]}, "for another reason"),
        ({"enforced": False}, "shadow mode"),
    ],
)
def test_a_probe_that_was_not_refused_by_this_order_proves_nothing(
    book: OrderBook, path: Path, answer: dict[str, Any], reason: str
) -> None:
    order = issue(book)
    with answering(path, orders_refresh={"generation": 1}, probe=refusing(order) | answer):
        proof = book.is_contained(order, CALL)
    assert not proof.is_verified
    assert reason in proof.reason


@pytest.mark.behaviour("gateway.doubt-is-unverified")
def test_an_old_acknowledgement_proves_nothing(book: OrderBook, path: Path) -> None:
    order = issue(book)
    with answering(path, orders_refresh={"generation": 0}, probe=refusing(order)):
        assert book.is_contained(order, CALL).reason == "not acknowledged by a"


@pytest.mark.behaviour("gateway.doubt-is-unverified")
def test_a_gateway_that_does_not_answer_leaves_it_unverified(book: OrderBook, path: Path, presence: Presence) -> None:
    order = issue(book)
    assert (book.push(), book.is_contained(order, CALL).reason) == ({"a": 0}, "not acknowledged by a")
    presence.beat("a", 1)
    assert book.push() == {"a": 1}, "what it acknowledged by its own poll counts"
    with answering(path, orders_refresh={"generation": 1}):
        assert book.is_contained(order, CALL).reason == "a did not answer the probe"


@pytest.mark.behaviour("gateway.doubt-is-unverified")
def test_without_a_gateway_nothing_is_contained(book: OrderBook) -> None:
    assert book.push() == {}
    proof = book.is_contained(issue(book), CALL)
    assert (proof.is_verified, proof.reason) == (False, "no gateway is running")


def test_a_lifted_order_contains_nothing(book: OrderBook, path: Path) -> None:
    lifted = book.lift(issue(book).id, by="operator:ada", reason="false alarm")
    with answering(path, orders_refresh={"generation": 2}, probe=refusing(lifted)):
        assert book.is_contained(lifted, CALL).reason == "the order was lifted"


# what the hot path reads


names = st.text(alphabet="ab/", min_size=1, max_size=3)
kinds = st.sampled_from(OrderKind)


@settings(deadline=None)
@given(st.lists(st.tuples(kinds, names), max_size=6), names, names, names)
def test_what_is_denied_is_what_some_order_names(
    given_: list[tuple[OrderKind, str]], principal: str, server: str, tool: str
) -> None:
    orders = [Order(str(i), kind, target, "", "operator:ada", 1, i) for i, (kind, target) in enumerate(given_)]
    force = OrdersInForce(orders, 1)
    expected = {
        order.id
        for order in orders
        if (order.kind, order.target)
        in {
            (OrderKind.QUARANTINE_SERVER, server),
            (OrderKind.BLOCK_SERVER, server),
            (OrderKind.QUARANTINE_PRINCIPAL, principal),
            (OrderKind.HOLD_TOOL, f"{server}/{tool}"),
        }
    }
    denying = force.all_denying(f"agent:{principal}", server, tool)
    assert {order.id for order in denying} == expected
    assert force.denies(principal, server, tool) == (denying[0] if denying else None)
