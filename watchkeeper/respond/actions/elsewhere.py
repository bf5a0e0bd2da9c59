"""Verbs that other rooms carry out: versions, secrets, sources and legal holds, each behind a port of its own.

Where no room serves a port the action says so (`Unserved`): the step is unavailable, and the incident is at most partly
contained. Nothing here pretends.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from watchkeeper.respond.actions.effects import served
from watchkeeper.respond.interface import ActionContext, Outcome, Proof, Reach, ServerName, ToolName
from watchkeeper.respond.model import ACTOR
from watchkeeper.respond.ports import Asking


class PinRollback:
    """A server or tool goes back to what was approved last."""

    name: ClassVar[str] = "pin_rollback"
    reach: ClassVar[Reach] = Reach.REVERSIBLE
    touches: ClassVar[str] = "servers"
    evidence: ClassVar[frozenset[str]] = frozenset({"before", "after"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: ServerName
        reason: str
        tool: ToolName = ""
        """Only this tool's definition; without one the whole server."""

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        rollbacks = served(context.services.rollbacks, "rolls versions back")
        context.claim()
        done = rollbacks.roll_back(parameters.server, parameters.tool, _asking(parameters, context))
        return Outcome(f"{_named(parameters)} is back at {done.after}", {"before": done.before, "after": done.after})

    def verify(self, parameters: Parameters, context: ActionContext) -> Proof:
        rollbacks = served(context.services.rollbacks, "rolls versions back")
        running, pinned = (ask(parameters.server, parameters.tool) for ask in (rollbacks.running, rollbacks.pinned))
        return Proof(running == pinned, {"running": running, "pinned": pinned, "target": _named(parameters)})

    def undo(self, parameters: Parameters, context: ActionContext) -> Outcome:
        rollbacks = served(context.services.rollbacks, "rolls versions back")
        asking = _asking(parameters, context)
        done = rollbacks.roll_back(parameters.server, parameters.tool, asking)  # the same key: what was done then
        rollbacks.roll_forward(parameters.server, parameters.tool, done.before, asking)
        return Outcome(f"{_named(parameters)} is at {done.before} again")

    def by_hand(self, parameters: Parameters) -> str:
        return f"Install the approved version of {_named(parameters)}, then look at it: `watchkeeper pins list`."


class RotateSecret:
    """A secret gets a successor, and is withdrawn."""

    name: ClassVar[str] = "rotate_secret"
    reach: ClassVar[Reach] = Reach.IRREVERSIBLE
    touches: ClassVar[str] = "secrets"
    evidence: ClassVar[frozenset[str]] = frozenset({"new", "old"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        secret: str
        """What it is called where it is kept; never the secret itself."""
        reason: str

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        rotations = served(context.services.rotations, "rotates secrets")
        context.claim()
        done = rotations.rotate(parameters.secret, _asking(parameters, context))
        return Outcome(f"{parameters.secret} was rotated", {"new": done.new, "old": done.old})

    def verify(self, parameters: Parameters, context: ActionContext) -> Proof:
        rotations = served(context.services.rotations, "rotates secrets")
        done = rotations.rotate(parameters.secret, _asking(parameters, context))  # the same key: what was done then
        new, old = (rotations.works(parameters.secret, fingerprint) for fingerprint in (done.new, done.old))
        return Proof(new and not old, {"new_works": new, "old_works": old, "target": parameters.secret})

    def undo(self, parameters: Parameters, context: ActionContext) -> Outcome:
        return Outcome("there is no way back: the old secret stays dead")

    def by_hand(self, parameters: Parameters) -> str:
        return f"Make a new {parameters.secret} where it is issued, put it in place, then withdraw the old one."


class FreezeRegistry:
    """Nothing new is installed or approved from a source."""

    name: ClassVar[str] = "freeze_registry"
    reach: ClassVar[Reach] = Reach.REVERSIBLE
    touches: ClassVar[str] = "sources"
    evidence: ClassVar[frozenset[str]] = frozenset({"freeze"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        source: str
        """A registry, catalogue or package source."""
        reason: str

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        freezes = served(context.services.freezes, "freezes sources")
        context.claim()
        return Outcome(
            f"{parameters.source} is frozen",
            {"freeze": freezes.freeze(parameters.source, _asking(parameters, context))},
        )

    def verify(self, parameters: Parameters, context: ActionContext) -> Proof:
        freezes = served(context.services.freezes, "freezes sources")
        admits = freezes.admits(parameters.source)
        return Proof(not admits, {"admits": admits, "target": parameters.source})

    def undo(self, parameters: Parameters, context: ActionContext) -> Outcome:
        freezes = served(context.services.freezes, "freezes sources")
        freezes.unfreeze(parameters.source, _asking(parameters, context))
        return Outcome(f"{parameters.source} is open again")

    def by_hand(self, parameters: Parameters) -> str:
        return f"Stop installs and updates from {parameters.source}, and approve none of its definitions."


class LegalHold:
    """A case, evidence or data set is kept, whatever retention says."""

    name: ClassVar[str] = "legal_hold"
    reach: ClassVar[Reach] = Reach.REVERSIBLE
    touches: ClassVar[str] = "records"
    evidence: ClassVar[frozenset[str]] = frozenset({"hold"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        target: str
        """The case, evidence or data set."""
        reason: str

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        holds = served(context.services.legal_holds, "keeps records on legal hold")
        context.claim()
        return Outcome(
            f"{parameters.target} is on hold", {"hold": holds.hold(parameters.target, _asking(parameters, context))}
        )

    def verify(self, parameters: Parameters, context: ActionContext) -> Proof:
        holds = served(context.services.legal_holds, "keeps records on legal hold")
        deletes = holds.would_delete(parameters.target)
        return Proof(not deletes, {"would_delete": deletes, "target": parameters.target})

    def undo(self, parameters: Parameters, context: ActionContext) -> Outcome:
        holds = served(context.services.legal_holds, "keeps records on legal hold")
        holds.lift(parameters.target, _asking(parameters, context))
        return Outcome(f"the hold on {parameters.target} is lifted")

    def by_hand(self, parameters: Parameters) -> str:
        return f"Suspend deletion and retention of {parameters.target}, and tell counsel."


def _asking(parameters: Any, context: ActionContext) -> Asking:
    return Asking(context.key, ACTOR, parameters.reason, str(context.incident["id"]))


def _named(parameters: PinRollback.Parameters) -> str:
    return f"{parameters.server}/{parameters.tool}" if parameters.tool else parameters.server
