"""The built-in actions. Each finds its own earlier effect before it acts, and proves its effect afterwards."""

from __future__ import annotations

import hashlib
import threading
from typing import Any, ClassVar

import msgspec

from watchkeeper.gateway.orders import Order, OrderKind, Probe
from watchkeeper.registry.diff import unified
from watchkeeper.registry.facts import without_secrets
from watchkeeper.registry.model import Sighting, Snapshot
from watchkeeper.respond.interface import ActionContext, Outcome, Proof, Reach
from watchkeeper.respond.model import ACTOR, Notification

PROBE = "agent:watchkeeper-probe"
"""Whom a probe plays when no client is to blame."""
_MAX_DEFINITION = 16 * 1024
"""Bytes of one definition that evidence shows; its fingerprint covers all of it."""
_MAX_HISTORY = 50

_ordering = threading.Lock()
"""Two runs at once must not both find that there is no order yet."""


class _NothingToUndo:
    """For actions that read or tell."""

    def verify(self, parameters: Any, context: ActionContext) -> Proof | None:
        return None

    def undo(self, parameters: Any, context: ActionContext) -> Outcome:
        return Outcome("there is nothing to take back")


class SnapshotDefinitions(_NothingToUndo):
    """Keeps every definition a tool ever showed, before containment changes what can be seen."""

    name: ClassVar[str] = "snapshot_definitions"
    reach: ClassVar[Reach] = Reach.NONE
    touches: ClassVar[str] = ""
    evidence: ClassVar[frozenset[str]] = frozenset({"history", "digest"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: str
        tool: str

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        snapshot = context.services.definitions.snapshot(parameters.server, parameters.tool)
        history = [_shown(sighting) for sighting in snapshot.history[-_MAX_HISTORY:]]
        kept = {
            "tool": f"{parameters.server}/{parameters.tool}",
            "taken_at": snapshot.taken_at,
            "state": snapshot.pin.state.value,
            "pinned": snapshot.pin.pinned,
            "seen": snapshot.pin.seen,
            "history": history,
            "diff": _difference(snapshot)[:_MAX_DEFINITION],
        }
        digest = "sha256:" + hashlib.sha256(msgspec.json.encode(kept)).hexdigest()
        return Outcome(f"kept {len(history)} definitions of {kept['tool']}", kept | {"digest": digest})

    def by_hand(self, parameters: Parameters) -> str:
        return f"Keep what `watchkeeper pins diff {parameters.server} {parameters.tool}` shows."


class _Contains:
    """What the actions share that give an order to the gateways."""

    name: ClassVar[str]
    kind: ClassVar[OrderKind]
    reach: ClassVar[Reach] = Reach.REVERSIBLE
    evidence: ClassVar[frozenset[str]] = frozenset({"order", "generation"})

    def target(self, parameters: Any) -> str:
        raise NotImplementedError

    def probe(self, parameters: Any, context: ActionContext) -> Probe:
        raise NotImplementedError

    def run(self, parameters: Any, context: ActionContext) -> Outcome:
        target, orders = self.target(parameters), context.services.orders
        with _ordering:
            order = self._in_force(target, context)
            found = order is not None
            if order is None:
                context.claim()
                incident = str(context.incident["id"])
                order = orders.issue(
                    self.kind, target, reason=parameters.reason, by=ACTOR, key=context.key, incident=incident
                )
        evidence = {"order": order.id, "generation": order.generation, "target": target}
        return Outcome(f"{target}, {'in force already' if found else 'ordered'}", evidence)

    def verify(self, parameters: Any, context: ActionContext) -> Proof:
        order = self._in_force(self.target(parameters), context)
        if order is None:
            return Proof(False, {"reason": "the order is not in force"})
        seen = context.services.orders.is_contained(order, self.probe(parameters, context))
        return Proof(seen.is_verified, msgspec.to_builtins(seen))

    def undo(self, parameters: Any, context: ActionContext) -> Outcome:
        target = self.target(parameters)
        order = self._in_force(target, context)
        if order is None:
            return Outcome(f"{target} is not contained")
        why = f"the playbook of {context.incident['number']} took it back"
        context.services.orders.lift(order.id, by=ACTOR, reason=why)
        return Outcome(f"lifted the order on {target}", {"order": order.id})

    def _in_force(self, target: str, context: ActionContext) -> Order | None:
        orders = context.services.orders.in_force()
        return next((order for order in orders if (order.kind, order.target) == (self.kind, target)), None)


class HoldTool(_Contains):
    """Nobody may call the tool any more."""

    name: ClassVar[str] = "hold_tool"
    kind: ClassVar[OrderKind] = OrderKind.HOLD_TOOL
    touches: ClassVar[str] = "tools"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: str
        tool: str
        reason: str

    def target(self, parameters: Parameters) -> str:
        return f"{parameters.server}/{parameters.tool}"

    def probe(self, parameters: Parameters, context: ActionContext) -> Probe:
        return Probe(principal=PROBE, server=parameters.server, name=parameters.tool)

    def by_hand(self, parameters: Parameters) -> str:
        return f"Make sure that nobody calls {self.target(parameters)}: stop the server {parameters.server}."


class QuarantinePrincipal(_Contains):
    """A client gets nothing any more."""

    name: ClassVar[str] = "quarantine_principal"
    kind: ClassVar[OrderKind] = OrderKind.QUARANTINE_PRINCIPAL
    touches: ClassVar[str] = "principals"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        principal: str
        reason: str
        server: str = ""
        """Where the probe asks; the quarantine itself holds for every server."""

    def target(self, parameters: Parameters) -> str:
        return parameters.principal.removeprefix("agent:")

    def probe(self, parameters: Parameters, context: ActionContext) -> Probe:
        server = parameters.server or str(context.incident["server"])
        return Probe(principal=f"agent:{self.target(parameters)}", server=server, method="tools/list")

    def by_hand(self, parameters: Parameters) -> str:
        return f"Stop the client {parameters.principal}, or take its token away."


class Notify(_NothingToUndo):
    """Tells people what happened and what was done."""

    name: ClassVar[str] = "notify"
    reach: ClassVar[Reach] = Reach.NONE
    touches: ClassVar[str] = ""
    evidence: ClassVar[frozenset[str]] = frozenset({"channels"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        text: str

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        incident = context.incident
        notification = Notification(
            key=context.key,
            time=context.services.clock.now(),
            incident=str(incident["id"]),
            number=str(incident["number"]),
            title=str(incident["title"]),
            text=f"{parameters.text}\n{context.report}".strip(),
            severity=int(incident["severity"]),
            labels=tuple(incident["labels"]),
        )
        context.claim()
        channels = list(context.services.notifier.send(notification))
        return Outcome(f"told by {', '.join(channels)}", {"channels": channels})

    def by_hand(self, parameters: Parameters) -> str:
        return "Tell whoever is on call."


def _difference(snapshot: Snapshot) -> str:
    """Evidence goes into the journal, so a secret that a definition shows must not be in it."""
    texts = {sighting.fingerprint: without_secrets(sighting) for sighting in snapshot.history}
    pinned, seen = texts.get(snapshot.pin.pinned, b""), texts.get(snapshot.pin.seen, b"")
    return unified(pinned, seen, before="pinned", after="seen") if pinned != seen else ""


def _shown(sighting: Sighting) -> dict[str, Any]:
    return {
        "fingerprint": sighting.fingerprint,
        "first_seen": sighting.first_seen,
        "definition": without_secrets(sighting)[:_MAX_DEFINITION].decode("utf-8", errors="replace"),
        "findings": [finding.rule for finding in sighting.findings],
    }
