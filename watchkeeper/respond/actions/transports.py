"""Draining what reaches a server, and opening it again once it was begun anew and answers."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.orders import Order, OrderKind
from watchkeeper.respond.actions.effects import asked, served
from watchkeeper.respond.interface import ActionContext, Outcome, Proof, Reach, ServerName
from watchkeeper.respond.model import ACTOR

_CUSTODY = "reaches the gateways' transports"


class DrainTransport:
    """No new session at a server, the open ones end within a bound, its transport begins anew, and it serves again.

    Killed in between, it goes on where it was: the order and the drain have keys of their own. Where the server does
    not answer afterwards the order stays in force, so that nobody reaches it.
    """

    name: ClassVar[str] = "drain_transport"
    reach: ClassVar[Reach] = Reach.REVERSIBLE
    touches: ClassVar[str] = "transports"
    evidence: ClassVar[frozenset[str]] = frozenset({"order", "drained"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: ServerName
        reason: str
        within: float = 10.0
        """Seconds that what is under way may take; then it is cut. At most 300, and less than the step's deadline."""

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        custody, orders = served(context.services.custody, _CUSTODY), context.services.orders
        context.claim()
        order = self._order(parameters, context)
        if order.lifted_at:
            evidence = {"order": order.id, "drained": {"at": order.lifted_at}, "target": parameters.server}
            return Outcome(f"{parameters.server} was drained already", evidence)
        orders.push()
        drained = custody.drain(parameters.server, parameters.within, asked(parameters.reason, context))
        if drained.silent:
            raise Unavailable(f"not drained by {', '.join(sorted(drained.silent))}", hint="look at its log")
        self._try(parameters, context)
        orders.lift(order.id, by=ACTOR, reason="it was drained, and serves again")
        orders.push()
        evidence = {"order": order.id, "drained": msgspec.to_builtins(drained.answers), "target": parameters.server}
        ended = sum(one.ended.sessions for one in drained.answers.values())
        return Outcome(f"{parameters.server}: {ended} sessions ended, and it serves again", evidence)

    def verify(self, parameters: Parameters, context: ActionContext) -> Proof:
        """Newcomers are let in again, and the server, begun anew, answers a greeting."""
        order = self._order(parameters, context)
        said = served(context.services.custody, _CUSTODY).attempt(parameters.server)
        detail = {
            "is_open": bool(order.lifted_at),
            "answers": msgspec.to_builtins(said.answers),
            "silent": said.silent,
            "target": parameters.server,
        }
        serves = bool(said.answers) and all(one.serves for one in said.answers.values())
        return Proof(bool(order.lifted_at) and serves and not said.silent, detail)

    def undo(self, parameters: Parameters, context: ActionContext) -> Outcome:
        """Puts it back: whoever was kept out may begin again. Sessions that ended stay ended."""
        order = self._order(parameters, context)
        why = f"the playbook of {context.incident['number']} took it back"
        context.services.orders.lift(order.id, by=ACTOR, reason=why)
        context.services.orders.push()
        return Outcome(f"{parameters.server} takes new sessions", {"order": order.id})

    def by_hand(self, parameters: Parameters) -> str:
        return f"Restart the server {parameters.server} and whatever reaches it: `watchkeeper sessions drain`."

    def _order(self, parameters: Parameters, context: ActionContext) -> Order:
        """The drain's order, given once under the step's key."""
        return context.services.orders.issue(
            OrderKind.DRAIN_TRANSPORT,
            parameters.server,
            reason=parameters.reason,
            by=ACTOR,
            key=context.key,
            incident=str(context.incident["id"]),
            run=context.run,
            asked_by=context.asked_by,
        )

    def _try(self, parameters: Parameters, context: ActionContext) -> None:
        said = served(context.services.custody, _CUSTODY).attempt(parameters.server)
        silent = dict(said.silent)
        silent |= {gateway: one.reason for gateway, one in said.answers.items() if not one.serves}
        silent |= {gateway: "a session is still open" for gateway, one in said.answers.items() if one.sessions}
        if silent or not said.answers:
            why = "; ".join(sorted(silent.values())) or "no gateway serves it"
            raise Unavailable(
                f"{parameters.server} does not answer after it was drained: {why}",
                hint="mend the server, then lift the order: `watchkeeper quarantine lift`",
            )
