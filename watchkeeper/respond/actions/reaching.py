"""Asking other systems: a page, a ticket, a commit that is taken back. `respond.integrations` carries it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.respond.errands import Delivery, Errand, Receipt, State, Verb
from watchkeeper.respond.interface import ActionContext, NothingToUndo, Outcome, Proof, Reach, Unserved
from watchkeeper.respond.ports import Errands


class _Reaches:
    """What they share. The same key again, after a crash, finds what was asked for the first time."""

    name: ClassVar[str]
    reach: ClassVar[Reach] = Reach.REVERSIBLE
    touches: ClassVar[str] = ""
    evidence: ClassVar[frozenset[str]] = frozenset({"said"})

    def errand(self, parameters: Any, context: ActionContext) -> Errand:
        raise NotImplementedError

    def back(self, parameters: Any, context: ActionContext) -> Errand | None:
        """What takes it back; None where nothing does."""
        raise NotImplementedError

    def run(self, parameters: Any, context: ActionContext) -> Outcome:
        errands = _errands(context)
        context.claim()
        return _outcome(errands.carry(self.errand(parameters, context)))

    def verify(self, parameters: Any, context: ActionContext) -> Proof | None:
        receipt = _errands(context).prove(self.errand(parameters, context))
        if receipt is None:
            return Proof(False, {"reason": "it was not taken"})
        return None if receipt.verified is None else Proof(receipt.verified, _told(receipt))

    def undo(self, parameters: Any, context: ActionContext) -> Outcome:
        errand = self.back(parameters, context)
        if errand is None:
            return Outcome("there is nothing to take back")
        return _outcome(_errands(context).carry(errand))


class Page(_Reaches):
    """Pages whoever is on duty elsewhere; the same incident again is the same page."""

    name: ClassVar[str] = "page"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        through: str
        """The integration's name."""
        text: str = ""
        verb: Literal["trigger", "acknowledge", "resolve"] = "trigger"

    def errand(self, parameters: Parameters, context: ActionContext) -> Errand:
        return _errand(context, parameters.through, Verb(parameters.verb), parameters.text)

    def back(self, parameters: Parameters, context: ActionContext) -> Errand | None:
        if parameters.verb != "trigger":
            return None
        return _errand(context, parameters.through, Verb.RESOLVE, "The playbook took the page back.", ":undo")

    def by_hand(self, parameters: Parameters) -> str:
        return f"Call whoever {parameters.through} would have paged."


class OpenTicket(_Reaches):
    """Opens a ticket for the incident; where there is one already, that is it."""

    name: ClassVar[str] = "open_ticket"

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        through: str
        text: str

    def errand(self, parameters: Parameters, context: ActionContext) -> Errand:
        return _errand(context, parameters.through, Verb.CREATE, parameters.text)

    def back(self, parameters: Parameters, context: ActionContext) -> Errand | None:
        return _errand(context, parameters.through, Verb.CLOSE, "The playbook took it back.", ":undo")

    def by_hand(self, parameters: Parameters) -> str:
        return f"Open a ticket in {parameters.through}, and name the incident in it."


class UpdateTicket(_Reaches):
    """Changes the incident's ticket, comments on it or closes it. What was said is not unsaid."""

    name: ClassVar[str] = "update_ticket"
    reach: ClassVar[Reach] = Reach.NONE
    undo = NothingToUndo.undo

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        through: str
        text: str
        change: Literal["update", "comment", "close"] = "comment"

    def errand(self, parameters: Parameters, context: ActionContext) -> Errand:
        return _errand(context, parameters.through, Verb(parameters.change), parameters.text)

    def back(self, parameters: Parameters, context: ActionContext) -> Errand | None:
        return None

    def by_hand(self, parameters: Parameters) -> str:
        return f"Look up the incident's ticket in {parameters.through}, and {parameters.change} it."


class RevertCommit(_Reaches):
    """Takes a commit back, on a branch of its own that people merge."""

    name: ClassVar[str] = "revert_commit"
    evidence: ClassVar[frozenset[str]] = frozenset({"said", "reference"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        through: str
        commit: str
        """Its whole name, in hexadecimal digits."""
        reason: str

    def errand(self, parameters: Parameters, context: ActionContext) -> Errand:
        return _errand(context, parameters.through, Verb.REVERT, parameters.reason, subject=parameters.commit)

    def back(self, parameters: Parameters, context: ActionContext) -> Errand | None:
        why = "The playbook took the revert back."
        return _errand(context, parameters.through, Verb.REINSTATE, why, ":undo", subject=parameters.commit)

    def by_hand(self, parameters: Parameters) -> str:
        return f"Revert {parameters.commit} on a branch of the repository of {parameters.through}."


def _errands(context: ActionContext) -> Errands:
    errands = context.services.errands
    if errands is None:
        raise Unserved("there are no integrations", hint="name one in [respond.integrations.NAME]")
    return errands


def _errand(
    context: ActionContext, through: str, verb: Verb, text: str, suffix: str = "", *, subject: str = ""
) -> Errand:
    incident = context.incident
    return Errand(
        key=context.key + suffix,
        integration=through,
        verb=verb,
        time=context.services.clock.now(),
        title=str(incident["title"]),
        text=f"{text}\n{context.report}".strip() if verb in (Verb.TRIGGER, Verb.CREATE) else text,
        incident=str(incident["id"]),
        number=str(incident["number"]),
        severity=int(incident["severity"]),
        labels=tuple(incident["labels"]),
        thread=f"{incident['id']}:{subject}" if subject else str(incident["id"]),
        subject=subject,
    )


def _outcome(delivery: Delivery) -> Outcome:
    name, verb = delivery.errand.integration, delivery.errand.verb.value
    if delivery.state is State.DEAD:
        raise Invalid(f"{name} refused to {verb}: {delivery.why}", hint=f"`watchkeeper integrations test {name}`")
    if delivery.receipt is None:
        why = delivery.why or "it is left alone for now, or others are before it"
        raise Unavailable(f"{name} did not {verb} yet, and is asked again: {why}")
    return Outcome(f"{verb} by {name}: {delivery.receipt.said}", _told(delivery.receipt))


def _told(receipt: Receipt) -> dict[str, Any]:
    return {"said": receipt.said, "reference": receipt.reference} | receipt.detail
