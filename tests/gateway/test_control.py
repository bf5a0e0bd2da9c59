"""A gateway's ear: real control sockets, real state, the live guard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.control import ask_async
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound, Stalled, Unavailable
from watchkeeper.events import Event, Journal
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.control import GatewayControl
from watchkeeper.gateway.identity import Identities
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.orders import NO_ROUTE, Containment, Order, OrderBook, OrderKind, Probe
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.presence import Presence
from watchkeeper.gateway.sightings import observing
from watchkeeper.inspection.fingerprints import definitions_in
from watchkeeper.inspection.inspection import Inspection
from watchkeeper.policy.engine import PolicyEngine
from watchkeeper.registry import Pins, PinState

Recorded = Callable[[], list[Event]]
Start = Callable[..., "asyncio.Future[GatewayControl]"]
FILES = {"files": Route(name="files")}
CALL = Probe("claude", "files", "read")
TOOLS = definitions_in("tools/list", b'{"tools":[{"name":"read","description":"Reads.","inputSchema":{}}]}')


async def until(happened: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for what another thread does, bounded."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def inspection() -> Inspection:
    return Inspection.from_plugins()


@pytest.fixture
def book(database: Database, journal: Journal, clock: ManualClock) -> OrderBook:
    return OrderBook(database, journal, clock)


@pytest.fixture
async def start(
    tmp_path: Path, database: Database, journal: Journal, clock: ManualClock, inspection: Inspection
) -> AsyncIterator[Callable[..., object]]:
    """Starts gateways of their own memory on one control state; their listeners are closed in the end."""
    running: list[GatewayControl] = []

    async def begin(gateway_id: str = "a", routes: dict[str, Route] = FILES) -> GatewayControl:
        orders, pins = OrdersInForce(), Pins(database, journal, clock)
        identities = Identities(database, journal, clock)
        guard = Guard(
            orders=orders,
            pins=pins,
            inspection=inspection,
            policy=PolicyEngine.load(),
            observe=observing(pins),
            groups_of=identities.groups_of,
        )
        control = GatewayControl(
            gateway_id,
            tmp_path,
            database=database,
            journal=journal,
            clock=clock,
            orders=orders,
            pins=pins,
            identities=identities,
            guard=guard,
            routes=routes,
        )
        await control.start()
        running.append(control)
        return control

    yield begin
    for control in running:
        await control.close()


async def prove(book: OrderBook, order: Order, probe: Probe = CALL) -> Containment:
    return await asyncio.to_thread(book.is_contained, order, probe)


def hold(book: OrderBook) -> Order:
    return book.issue(OrderKind.HOLD_TOOL, "files/read", reason="rug pull", by="system:respond", key="run:1")


@pytest.mark.behaviour("gateway.contained-is-proven")
async def test_an_order_is_in_force_in_every_gateway_and_proven_by_their_live_guards(
    start: Start, book: OrderBook, recorded: Recorded
) -> None:
    await start("a")
    await start("b")
    order = hold(book)
    proof = await prove(book, order)
    assert (proof.is_verified, proof.acknowledged) == (True, {"a": 1, "b": 1})
    assert {tuple(answer["rules"]) for answer in proof.answers.values()} == {(order.rule,)}
    probes = [e for e in recorded() if e.kind == "gateway.probe.answered"]
    assert [(e.outcome, e.labels, e.server, e.target) for e in probes] == [("deny", ("probe",), "files", "read")] * 2
    acknowledged = [e.target for e in recorded() if e.kind == "gateway.order.acknowledged" and e.body["generation"]]
    assert sorted(acknowledged) == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "target"), [(OrderKind.QUARANTINE_PRINCIPAL, "agent:claude"), (OrderKind.QUARANTINE_SERVER, "files")]
)
async def test_quarantines_are_proven_the_same_way(start: Start, book: OrderBook, kind: OrderKind, target: str) -> None:
    await start()
    order = book.issue(kind, target, reason="harm", by="operator:ada", key="1")
    assert (await prove(book, order)).is_verified


@pytest.mark.behaviour("gateway.doubt-is-unverified")
async def test_a_shadow_route_contains_nothing_and_the_proof_says_so(start: Start, book: OrderBook) -> None:
    await start(routes={"files": Route(name="files", shadow=True)})
    proof = await prove(book, hold(book))
    assert not proof.is_verified
    assert "shadow" in proof.reason


@pytest.mark.behaviour("gateway.lost-push-is-polled")
async def test_without_a_push_a_gateway_finds_the_order_by_itself(
    start: Start, book: OrderBook, database: Database, clock: ManualClock
) -> None:
    await start()
    await asyncio.to_thread(hold, book)
    presence = Presence(database, clock)
    await until(lambda: [s.acknowledged for s in presence.serving()] == [1])


async def test_a_lifted_order_is_no_longer_in_force(start: Start, book: OrderBook) -> None:
    control = await start()
    order = hold(book)
    assert (await prove(book, order)).is_verified
    book.lift(order.id, by="operator:ada", reason="false alarm")
    assert await asyncio.to_thread(book.push) == {"a": 2}
    answer = await ask_async(control.path, "probe", {"principal": "claude", "server": "files", "name": "read"})
    assert answer["effect"] == "allow"


@pytest.mark.behaviour("gateway.orders-before-serving")
async def test_orders_given_before_a_gateway_started_are_in_force_when_it_serves(start: Start, book: OrderBook) -> None:
    order = hold(book)
    control = await start()
    answer = await ask_async(control.path, "probe", {"principal": "claude", "server": "files", "name": "read"})
    assert answer["rules"] == [order.rule]


@pytest.mark.behaviour("gateway.orders-before-serving")
async def test_a_gateway_that_cannot_record_does_not_start(
    tmp_path: Path, database: Database, closed_journal: Journal, journal: Journal, clock: ManualClock
) -> None:
    control = GatewayControl(
        "a",
        tmp_path,
        database=database,
        journal=closed_journal,
        clock=clock,
        orders=OrdersInForce(),
        pins=Pins(database, journal, clock),
        identities=Identities(database, journal, clock),
        guard=object(),  # type: ignore[arg-type]  # it is never asked
        routes={},
    )
    with pytest.raises(Unavailable):
        await control.start()
    await control.close()
    assert Presence(database, clock).serving() == []


@pytest.mark.behaviour("gateway.processes-learn-tokens")
async def test_tokens_and_pins_of_other_processes_arrive_by_themselves(
    start: Start, database: Database, journal: Journal, clock: ManualClock
) -> None:
    control = await start()
    elsewhere = Identities(database, journal, clock)
    token = (await asyncio.to_thread(elsewhere.mint, "claude", "operator:ada")).encode()
    await until(lambda: control._identities.principal_of(b"Bearer " + token) == "agent:claude")
    await asyncio.to_thread(elsewhere.revoke, "claude", "operator:ada")
    await until(lambda: control._identities.principal_of(b"Bearer " + token) is None)
    await asyncio.to_thread(Pins(database, journal, clock).observe, "files", TOOLS, {TOOLS[0].fingerprint: ()})
    await until(lambda: control._pins.state("files", "tool", "read") is PinState.TRUSTED)
    assert await ask_async(control.path, "pins.refresh") == {"generation": 1}


@pytest.mark.behaviour("gateway.processes-learn-tokens")
async def test_a_token_works_as_soon_as_the_gateways_were_told(
    start: Start, book: OrderBook, database: Database, journal: Journal, clock: ManualClock
) -> None:
    control = await start()
    elsewhere = Identities(database, journal, clock)
    token = (await asyncio.to_thread(elsewhere.mint, "claude", "operator:ada")).encode()
    await asyncio.to_thread(book.tell, "clients.refresh")
    assert control._identities.principal_of(b"Bearer " + token) == "agent:claude"


@pytest.mark.behaviour("gateway.goes-on-without-control-state")
@pytest.mark.either_state
async def test_a_gateway_that_lost_the_control_state_keeps_its_orders_and_says_so(
    start: Start, book: OrderBook, database: Database
) -> None:
    control = await start()
    order = hold(book)
    await asyncio.to_thread(book.push)
    with database.write() as session:
        session.execute(text("ALTER TABLE gateway_generations RENAME TO gone"))
    await until(lambda: bool(control.failure))
    status = await ask_async(control.path, "status")
    assert "gateway_generations" in status["failure"]
    answer = await ask_async(control.path, "probe", {"principal": "claude", "server": "files", "name": "read"})
    assert answer["rules"] == [order.rule]
    with database.write() as session:
        session.execute(text("ALTER TABLE gone RENAME TO gateway_generations"))
    await until(lambda: not control.failure)


@pytest.mark.behaviour("gateway.processes-learn-tokens")
async def test_a_revocation_arrives_though_the_gateway_can_record_nothing(
    start: Start, book: OrderBook, journal: Journal, database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    control = await start()
    with closing(Journal.open(tmp_path, "cli", clock)) as other:
        elsewhere = Identities(database, other, clock)
        token = (await asyncio.to_thread(elsewhere.mint, "claude", "operator:ada")).encode()
        await until(lambda: control._identities.principal_of(b"Bearer " + token) is not None)
        await asyncio.to_thread(journal.close)
        await asyncio.to_thread(hold, OrderBook(database, other, clock))
        await asyncio.to_thread(elsewhere.revoke, "claude", "operator:ada")
    await until(lambda: control._identities.principal_of(b"Bearer " + token) is None)
    assert "journal" in control.failure
    assert await asyncio.to_thread(book.push) == {"a": 0}, "in force, but not acknowledged without its fact"


async def test_a_stopped_gateway_is_not_in_the_register(start: Start, database: Database, clock: ManualClock) -> None:
    control = await start()
    assert [s.id for s in Presence(database, clock).serving()] == ["a"]
    await control.close()
    assert Presence(database, clock).serving() == []
    with pytest.raises(NotFound):
        await ask_async(control.path, "status")


async def test_a_probe_of_another_kind_of_use_is_judged_as_such(start: Start) -> None:
    control = await start()
    for method in ("prompts/get", "resources/read", "tools/list", "tasks/get", "ping"):
        name = "file:///x" if method == "resources/read" else "x"
        probe = {"principal": "claude", "server": "files", "name": name, "method": method}
        assert (await ask_async(control.path, "probe", probe))["effect"] == "allow"


async def test_a_probe_that_makes_no_sense_is_refused(start: Start) -> None:
    control = await start()
    with pytest.raises(Invalid):
        await ask_async(control.path, "probe", {"principal": 1})
    elsewhere = await ask_async(control.path, "probe", {"principal": "claude", "server": "unknown"})
    assert elsewhere["effect"] == NO_ROUTE


@pytest.mark.behaviour("gateway.contained-is-proven")
async def test_a_gateway_without_a_route_to_the_server_neither_proves_nor_disproves(
    start: Start, book: OrderBook
) -> None:
    await start("a", {"other": Route(name="other")})
    order = hold(book)
    assert (await prove(book, order)).reason == "no gateway serves this server"
    await start("b")
    assert (await prove(book, order)).is_verified


@pytest.mark.behaviour("gateway.ends-without-its-state")
async def test_a_gateway_ends_though_its_control_state_is_away(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Stalled("the database server is away")

    control = await start()
    monkeypatch.setattr(control._presence, "leave", away)
    await control.close()
    assert not control.path.exists()
