"""What actions share: giving an order and proving it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.custody.model import Asked
from watchkeeper.gateway.measures import targets
from watchkeeper.gateway.measures.model import NOBODY, Probe
from watchkeeper.gateway.measures.probing import probes_of
from watchkeeper.gateway.orders import Order, OrderKind
from watchkeeper.respond.interface import ActionContext, Outcome, Proof, Reach, Unserved
from watchkeeper.respond.model import ACTOR

Port = TypeVar("Port")
Done = TypeVar("Done")
PROBE = NOBODY
"""Whom a probe plays when no client is to blame."""

_PAUSES = (0.5, 1.0, 2.0)
_ROUND = 5.0
"""Seconds that a push and a probe take which nobody answers; without them left nobody is asked again."""
_ordering = threading.Lock()
"""Two runs at once must not both find that there is no order yet."""


def served(port: Port | None, what: str) -> Port:
    """A port that has a room. Raises `Unserved`."""
    if port is None:
        raise Unserved(f"nothing here {what} yet", hint="do it by hand, and close the incident once it is done")
    return port


def asked(reason: str, context: ActionContext) -> Asked:
    """On whose behalf a step has the gateways do something."""
    return Asked(
        key=context.key,
        by=ACTOR,
        reason=reason,
        incident=str(context.incident["id"]),
        run=context.run,
        asked_by=context.asked_by,
    )


def insisting(context: ActionContext, work: Callable[[], Done]) -> Done:
    """What `work` comes to, asked again while it may yet and the step has time; it has to be good to do twice.

    Raises what `work` raised last, before the deadline rather than at it.
    """
    for pause in (*_PAUSES, 0.0):
        try:
            return work()
        except Unavailable as error:
            wait = max(pause, float(getattr(error, "after", 0)))
            if not pause or wait >= context.left():
                raise
            threading.Event().wait(wait)
    raise AssertionError  # the last round returns or raises


class Contains:
    """What the actions share that give an order to the gateways."""

    name: ClassVar[str]
    kind: ClassVar[OrderKind]
    reach: ClassVar[Reach] = Reach.REVERSIBLE
    evidence: ClassVar[frozenset[str]] = frozenset({"order", "generation"})

    def target(self, parameters: Any) -> str:
        raise NotImplementedError

    def probes(self, order: Order, parameters: Any, context: ActionContext) -> tuple[Probe, ...]:
        """What has to be refused for this order, and what has to be spared."""
        return probes_of(order, server=getattr(parameters, "server", ""), tool=getattr(parameters, "tool", ""))

    def run(self, parameters: Any, context: ActionContext) -> Outcome:
        target, orders = self.target(parameters), context.services.orders
        target = targets.checked(self.kind, target)
        with _ordering:
            order = self._in_force(target, context)
            found = order is not None
            if order is None:
                context.claim()
                incident = str(context.incident["id"])
                order = orders.issue(
                    self.kind,
                    target,
                    reason=parameters.reason,
                    by=ACTOR,
                    key=context.key,
                    incident=incident,
                    run=context.run,
                    asked_by=context.asked_by,
                )
        evidence = {"order": order.id, "generation": order.generation, "target": target}
        return Outcome(f"{target}, {'in force already' if found else 'ordered'}", evidence)

    def verify(self, parameters: Any, context: ActionContext) -> Proof:
        order = self._in_force(self.target(parameters), context)
        if order is None:
            return Proof(False, {"reason": "the order is not in force"})
        probes = self.probes(order, parameters, context)
        for pause in (*_PAUSES, 0.0):
            seen = context.services.orders.is_contained(order, *probes)
            if not seen.silent or not pause or context.left() < pause + _ROUND:
                break
            threading.Event().wait(pause)  # a gateway that is busy may answer in a moment
        return Proof(seen.is_verified, msgspec.to_builtins(seen))

    def undo(self, parameters: Any, context: ActionContext) -> Outcome:
        target = self.target(parameters)
        order = self._in_force(target, context)
        if order is None:
            return Outcome(f"{target} is not contained")
        if order.issued_by != ACTOR or order.incident != str(context.incident["id"]):
            return Outcome(f"{target} stays contained: {order.issued_by} ordered it for another reason")
        why = f"the playbook of {context.incident['number']} took it back"
        context.services.orders.lift(order.id, by=ACTOR, reason=why)
        context.services.orders.push()
        return Outcome(f"lifted the order on {target}", {"order": order.id})

    def _in_force(self, target: str, context: ActionContext) -> Order | None:
        """This incident's own order before any other that says the same."""
        wanted = (self.kind, targets.checked(self.kind, target))
        found = [order for order in context.services.orders.in_force() if (order.kind, order.target) == wanted]
        ours = (order for order in found if order.incident == str(context.incident["id"]))
        return next(ours, found[0] if found else None)
