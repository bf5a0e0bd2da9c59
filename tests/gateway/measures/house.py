"""A live guard behind a real control socket, on a real control state; orders reach it as they reach any gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.events import Journal
from watchkeeper.gateway.containment import Order, OrderKind, OrdersInForce
from watchkeeper.gateway.control import GatewayControl
from watchkeeper.gateway.flow.flow import Flow
from watchkeeper.gateway.flow.labels import Labels
from watchkeeper.gateway.flow.reading import Reading
from watchkeeper.gateway.flow.settings import FlowSettings
from watchkeeper.gateway.identity import Identities
from watchkeeper.gateway.measures.ledger import TaintLedger
from watchkeeper.gateway.measures.probing import probes_of
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.gateway.orders import Containment, OrderBook
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.sightings import observing
from watchkeeper.inspection.inspection import Inspection
from watchkeeper.policy.engine import PolicyEngine
from watchkeeper.policy.model import Effect
from watchkeeper.protocol.message import VERSION_KEY, Message, parse_message
from watchkeeper.registry import Pins

AGENT = "agent:claude"
NOTES = Route(name="notes")
WEB = Route(name="web")
LISTED: dict[str, dict[str, Any]] = {
    "get_note": {"description": "Shows a note.", "annotations": {"readOnlyHint": True}},
    "list_notes": {"description": "Lists notes.", "annotations": {"readOnlyHint": True}},
    "send_note": {"description": "Mails a note to an address.", "annotations": {"readOnlyHint": True}},
    "put_note": {"description": "Writes a note."},
}


def request(method: str, modern: bool = False, **params: Any) -> Message:
    if modern:
        params["_meta"] = {VERSION_KEY: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    return parse_message(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))


def answer(result: Any) -> Message:
    return parse_message(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": result}))


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}], **more}


class House:
    """One gateway's guard with its control, and a client's way through it."""

    def __init__(self, book: OrderBook, pins: Pins, make: Callable[[], tuple[Guard, GatewayControl]]) -> None:
        self.book = book
        self.pins = pins
        self.guard, self.control = make()

    async def lists(self, route: Route = NOTES, tools: dict[str, dict[str, Any]] = LISTED) -> list[str]:
        """The tools that a client is shown."""
        rows = [{"name": name, "inputSchema": {"type": "object"}, **tool} for name, tool in tools.items()]
        said = answer({"tools": rows})
        ruling = await self.guard.on_listing(route, AGENT, request("tools/list"), said)
        assert ruling.verdict.effect is not Effect.DENY, ruling.verdict
        shown = msgspec.json.decode(parse_message(ruling.body).result if ruling.body else said.result)
        return [tool["name"] for tool in shown["tools"]]

    async def greets(self, version: str, route: Route = NOTES, method: str = "initialize") -> Ruling:
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "n", "version": version}}
        return await self.guard.on_listing(route, AGENT, request(method), answer(result))

    def asks(self, method: str, route: Route = NOTES, principal: str = AGENT, **params: Any) -> Ruling:
        return self.guard.on_request(route, principal, request(method, **params))

    def calls(self, tool: str, route: Route = NOTES, principal: str = AGENT, **arguments: Any) -> Ruling:
        return self.asks("tools/call", route, principal, name=tool, arguments=arguments)

    def gets(self, tool: str, result: Any, route: Route = NOTES, principal: str = AGENT) -> Ruling:
        asked = request("tools/call", name=tool, arguments={})
        return self.guard.on_answer(route, principal, asked, answer(result))

    async def order(self, kind: OrderKind, target: str, key: str = "run:1", **place: str) -> tuple[Order, Containment]:
        """Give an order and have it proven, as a playbook or an operator does."""
        order = self.book.issue(kind, target, reason="because", by="system:respond", key=key)
        return order, await asyncio.to_thread(self.book.is_contained, order, *probes_of(order, **place))

    async def lift(self, order: Order) -> None:
        self.book.lift(order.id, by="operator:ada", reason="over")
        await asyncio.to_thread(self.book.push)

    def approve(self, *tools: str) -> None:
        for tool in tools:
            self.pins.approve("notes", "tool", tool, "operator:ada")


def build_house(
    data: Path,
    database: Database,
    journal: Journal,
    clock: Clock,
    inspection: Inspection,
    *,
    name: str = "a",
    routes: tuple[Route, ...] = (NOTES, WEB),
    labels: Any = None,
    asks: bool = True,
) -> House:
    """A house on this control state; its control is not started."""
    book, pins = OrderBook(database, journal, clock), Pins(database, journal, clock)

    def build() -> tuple[Guard, GatewayControl]:
        orders, identities = OrdersInForce(), Identities(database, journal, clock)
        guard = Guard(
            orders=orders,
            pins=pins,
            inspection=inspection,
            policy=PolicyEngine.load(),
            observe=observing(pins),
            groups_of=identities.groups_of,
            asks=asks,
            flow=Flow(Reading(), FlowSettings(), Labels(pins, labels or {}), clock),
        )
        control = GatewayControl(
            name,
            data,
            database=database,
            journal=journal,
            clock=clock,
            orders=orders,
            pins=pins,
            identities=identities,
            guard=guard,
            routes={route.name: route for route in routes},
            also=(TaintLedger(lambda: guard.measures.taints, database).sync,),
        )
        return guard, control

    return House(book, pins, build)
