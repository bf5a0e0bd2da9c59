"""The order book: containment given once, committed with a generation, pushed to every gateway, proven by a probe.

Above: playbooks and operators issue and lift. Below: control state, the journal, each gateway's Unix socket. An order
is in force in a gateway once that gateway has acknowledged its generation; what it does there is `pipeline`'s work.

Obligations:

1. The same key twice is one order and one fact, whatever died in between (id and event id derive from the key).
2. The fact is durable before the order is committed, and the order is committed before it is pushed.
3. *Contained* is said only when every gateway that may still serve has acknowledged and its own live guard refused
   the probe by this very order. One that stopped answering may still serve, until its process is gone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, NotFound
from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, Journal, Severity
from watchkeeper.events.model import VERSION
from watchkeeper.events.once import Once
from watchkeeper.gateway import _store
from watchkeeper.gateway.containment import AGENT, Order, OrderKind, OrdersInForce, spelt
from watchkeeper.gateway.measures import targets
from watchkeeper.gateway.measures.model import Probe
from watchkeeper.gateway.presence import Presence
from watchkeeper.gateway.proofs import NO_ROUTE, Containment, ask_all, behind, doubt, objection

__all__ = ["NO_ROUTE", "Containment", "Order", "OrderBook", "OrderKind", "OrdersInForce", "Probe"]

Fence = Callable[[Session], None]
"""Raises when whoever asks may change nothing any more."""

SYSTEM = "system:"
"""Prefix of an actor that is a part of Watchkeeper, and no person."""
OWN = "gateway.own-orders"
SHORTEST = 4
"""Characters by which an order may be named."""


class OrderBook:
    """The orders of one tenant. Blocking; safe for threads and processes."""

    def __init__(self, database: Database, journal: Journal, clock: Clock, tenant: str = "default") -> None:
        self._database = database
        self._facts = Once(journal)
        self._clock = clock
        self._tenant = tenant
        self._presence = Presence(database, clock, tenant)
        _store.ensure_generation(database, tenant, _store.ORDERS)

    def fenced(self, fence: Fence) -> Self:
        """The same book for a process that may lose the right to give orders: each change of it asks `fence` in its
        own transaction, before it is recorded or made."""
        other = copy.copy(self)
        other._database = self._database.guarded(fence)
        return other

    def issue(
        self,
        kind: OrderKind,
        target: str,
        *,
        reason: str,
        by: str,
        key: str,
        incident: str = "",
        run: str = "",
        asked_by: Sequence[str] = (),
    ) -> Order:
        """Give an order, or return the one given under this key before, lifted or not.

        `asked_by` names who or what wanted it: the rule or playbook, and the persons who approved.
        Raises `Invalid` for a target of the wrong form, `Conflict` when the key was used for something else, `Denied`
        for an agent, and `Unavailable`: then nothing was given.
        """
        target = _checked(kind, target, by)
        order_id = derived_id("gateway.order", self._tenant, key)
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant, _store.ORDERS)
            if row := session.get(_store.OrderRow, (self._tenant, order_id)):
                return _same(_to_order(row), kind, target)
            at.value += 1
            order = Order(
                order_id,
                kind,
                target,
                reason,
                by,
                self._clock.now(),
                at.value,
                incident,
                run=run,
                asked_by=tuple(asked_by),
            )
            session.add(_to_row(order, self._tenant, key))
            self._record("gateway.order.issued", order, by, reason)
        return order

    def lift(self, order_id: str, *, by: str, reason: str) -> Order:
        """End an order; one that was lifted before is returned as it is.

        Raises `NotFound`, and `Denied` for an agent, and for a part of Watchkeeper that did not give it.
        """
        _refuse_agents(by)
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant, _store.ORDERS)
            row = session.get(_store.OrderRow, (self._tenant, order_id))
            if row is None:
                raise NotFound(f"there is no order {order_id}", hint="see `watchkeeper quarantine list`")
            if row.lifted_at:
                return _to_order(row)
            if by.startswith(SYSTEM) and by != row.issued_by:
                raise Denied(f"{by} lifts only what it ordered itself", rule=OWN, hint="an operator can lift it")
            at.value += 1
            row.generation = at.value
            row.lifted_at, row.lifted_by, row.lifted_because = self._clock.now(), by, reason
            order = _to_order(row)
            self._record("gateway.order.lifted", order, by, reason)
        return order

    def get(self, order_id: str) -> Order:
        """One order. Raises `NotFound`."""
        with self._database.read() as session:
            row = session.get(_store.OrderRow, (self._tenant, order_id))
        if row is None:
            raise NotFound(f"there is no order {order_id}", hint="see `watchkeeper quarantine list`")
        return _to_order(row)

    def find(self, name: str) -> Order:
        """One order by its id or by how that begins. Raises `NotFound`, and `Conflict` where several begin so."""
        like = _store.OrderRow.id.startswith(name, autoescape=True)
        mine = select(_store.OrderRow).where(_store.OrderRow.tenant == self._tenant)
        with self._database.read() as session:
            rows = session.scalars(
                mine.where(like if len(name) >= SHORTEST else _store.OrderRow.id == name).limit(2)
            ).all()
        if not rows:
            raise NotFound(f"there is no order {name or 'without a name'}", hint="see `watchkeeper quarantine list`")
        if len(rows) > 1:
            raise Conflict(f"several orders begin with {name}", hint="write more of it")
        return _to_order(rows[0])

    def in_force(self) -> tuple[Order, ...]:
        """The orders that were not lifted, oldest first."""
        return self.load()[1]

    def all(self) -> tuple[Order, ...]:
        """Every order ever given, oldest first."""
        with self._database.read() as session:
            return self._select(session, lifted=True)

    def generation(self) -> int:
        """Of the last change."""
        with self._database.read() as session:
            return _store.generation(session, self._tenant, _store.ORDERS)

    def load(self) -> tuple[int, tuple[Order, ...]]:
        """The generation and the orders in force at it: what a gateway takes over."""
        with self._database.read() as session:
            at = _store.generation(session, self._tenant, _store.ORDERS)
            return at, self._select(session, lifted=False)

    # carrying an order to the gateways, and proving it

    def push(self) -> dict[str, int]:
        """Tell every gateway that may still serve to take the orders over; gateway → generation it has in force.

        One that does not answer is reported with what it acknowledged last.
        """
        standings = self._presence.serving()
        answers = ask_all(standings, "orders.refresh", {})
        return {s.id: int(answers.get(s.id, {}).get("generation", s.acknowledged)) for s in standings}

    def tell(self, what: str) -> None:
        """Have every gateway take over news other than orders now: `clients.refresh`, `pins.refresh`.

        Only a courtesy: one that does not hear it finds the news within its poll.
        """
        ask_all(self._presence.serving(), what, {})

    def is_contained(self, order: Order, probe: Probe, *more: Probe) -> Containment:
        """Push, then have every live guard judge the probes. Nothing is forwarded. Never raises for a silent gateway.

        Of `more`, each must be refused, too, or, if `is_spared`, not be refused by this order.
        """
        acknowledged = self.push()
        standings = self._presence.serving()
        reason = doubt(standings, acknowledged, order)
        if reason:
            return Containment(False, reason, acknowledged, silent=behind(standings, acknowledged, order))
        answers: dict[str, dict[str, Any]] = {}
        for one in (probe, *more):
            said = ask_all(standings, "probe", msgspec.to_builtins(one))
            answers = answers or said
            if reason := objection([s.id for s in standings], said, order, one):
                silent = tuple(s.id for s in standings if s.id not in said)
                return Containment(False, reason, acknowledged, said, silent)
        spared = ", and spared what it does not mean" if any(one.is_spared for one in more) else ""
        return Containment(True, f"every live gateway refused the probe{spared}", acknowledged, answers)

    def _select(self, session: Session, *, lifted: bool) -> tuple[Order, ...]:
        row = _store.OrderRow
        query = select(row).where(row.tenant == self._tenant).order_by(row.issued_at, row.id)
        rows = session.scalars(query if lifted else query.where(row.lifted_at == 0))
        return tuple(_to_order(row) for row in rows)

    def _record(self, kind: str, order: Order, by: str, reason: str) -> None:
        body = {
            "order": order.id,
            "kind": order.kind.value,
            "target": order.target,
            "generation": order.generation,
            "incident": order.incident,
            "run": order.run,
            "asked_by": list(order.asked_by),
            "reason": reason,
        }
        event = Event(
            v=VERSION,
            id=derived_id(kind, order.id),
            time=self._clock.now(),
            kind=kind,
            tenant=self._tenant,
            actor=by,
            server=targets.server_of(order.kind, order.target),
            target=order.target,
            outcome="success",
            severity=Severity.HIGH if kind == "gateway.order.issued" else Severity.MEDIUM,
            body=body,
        )
        self._facts.record(event, but=("generation",))


def _checked(kind: OrderKind, target: str, by: str) -> str:
    _refuse_agents(by)
    return targets.checked(kind, target)


def _refuse_agents(by: str) -> None:
    if by.startswith(AGENT):
        raise Denied("an agent gives no orders", rule="gateway.operators-order")


def _same(order: Order, kind: OrderKind, target: str) -> Order:
    if (order.kind, order.target) != (kind, target):
        raise Conflict(f"this key already names the order {order.kind.value} {order.target}", hint="use another key")
    return order


def _to_row(order: Order, tenant: str, key: str) -> _store.OrderRow:
    fields = msgspec.structs.asdict(order) | {
        "kind": order.kind.value,
        "asked_by": msgspec.json.encode(order.asked_by).decode(),
    }
    return _store.OrderRow(tenant=tenant, key=key, lifted_because="", **fields)


def _to_order(row: _store.OrderRow) -> Order:
    return Order(
        id=row.id,
        kind=OrderKind(row.kind),
        target=spelt(OrderKind(row.kind), row.target),
        reason=row.reason,
        issued_by=row.issued_by,
        issued_at=row.issued_at,
        generation=row.generation,
        incident=row.incident,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
        run=row.run,
        asked_by=tuple(msgspec.json.decode(row.asked_by, type=list[str])) if row.asked_by else (),
    )
