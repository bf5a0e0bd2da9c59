"""Holding a session and ending one: in the older era by its id, in the modern one by whose it is."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from watchkeeper.gateway.holds import EVERY_SERVER, Subject, subject_of
from watchkeeper.gateway.measures.model import Probe
from watchkeeper.gateway.orders import Order, OrderKind
from watchkeeper.gateway.relay.ownership import untagged
from watchkeeper.respond.actions.effects import PROBE, Contains, asked, served
from watchkeeper.respond.interface import (
    ActionContext,
    Outcome,
    PrincipalName,
    Proof,
    Reach,
    ServerName,
    SessionName,
    UnseenName,
)

_ANY_TOOL = "watchkeeper_probe"
_CUSTODY = "reaches the gateways' sessions"


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of session, task and principal; the first two need their server."""

    reason: str
    server: ServerName = ""
    """Of a principal only this server; without one every server."""
    session: SessionName = ""
    """Its digest, as events have it, or its id."""
    task: UnseenName = ""
    principal: PrincipalName = ""

    @property
    def subject(self) -> Subject:
        """What is meant. Raises `Invalid`."""
        session = untagged(self.session)[1]  # of several workers the id that a client has names one
        return subject_of(self.server, session=session, task=self.task, principal=self.principal)


class QuarantineSession(Contains):
    """A session, a task or a principal does nothing more; it is not ended, and what it has come to stays readable."""

    name: ClassVar[str] = "quarantine_session"
    kind: ClassVar[OrderKind] = OrderKind.QUARANTINE_SESSION
    touches: ClassVar[str] = "sessions"

    class Parameters(Named, frozen=True, forbid_unknown_fields=True):
        pass

    def target(self, parameters: Parameters) -> str:
        return parameters.subject.text

    def probes(self, order: Order, parameters: Parameters, context: ActionContext) -> tuple[Probe, ...]:
        method = "tasks/result" if parameters.task else "tools/call"
        return (self._probe(parameters, context, method, parameters.task or _ANY_TOOL),)

    def verify(self, parameters: Parameters, context: ActionContext) -> Proof:
        """The next call is refused by this very order, what only reads is not, and a session is still there."""
        held = super().verify(parameters, context)
        order = self._in_force(self.target(parameters), context)
        if not held.verified or order is None:
            return held
        method = "tasks/get" if parameters.task else "tools/list"
        look = self._probe(parameters, context, method, parameters.task)
        answers = context.services.orders.is_contained(order, look).answers
        unread = [gateway for gateway, answer in answers.items() if order.rule in answer.get("rules", ())]
        subject = parameters.subject
        rows = served(context.services.custody, _CUSTODY).live(subject)
        live = [msgspec.to_builtins(row) for found in rows.answers.values() for row in found]
        detail = held.detail | {"live": live, "unreadable_at": unread, "target": subject.text}
        if unread:
            return Proof(False, detail | {"reason": "its state cannot be read"})
        if subject.what == "session" and not live:
            return Proof(False, detail | {"reason": "the session has ended: its state is not kept"})
        return Proof(True, detail)

    def by_hand(self, parameters: Parameters) -> str:
        return f"Stop the client of {parameters.subject.text}, or hold it: `watchkeeper sessions hold`."

    def _probe(self, parameters: Parameters, context: ActionContext, method: str, name: str) -> Probe:
        subject = parameters.subject
        server = str(context.incident["server"]) if subject.server == EVERY_SERVER else subject.server
        session = subject.name if subject.what == "session" else ""
        principal = f"agent:{subject.name}" if subject.what == "principal" else PROBE
        return Probe(principal=principal, server=server, name=name, method=method, session=session)


class KillSession:
    """A session, task or principal's connection ends, with its tasks, streams and the servers started for it.

    It is no hold: whoever was ended may begin anew. To keep somebody out, hold or quarantine them first.
    """

    name: ClassVar[str] = "kill_session"
    reach: ClassVar[Reach] = Reach.IRREVERSIBLE
    touches: ClassVar[str] = "sessions"
    evidence: ClassVar[frozenset[str]] = frozenset({"ended"})

    class Parameters(Named, frozen=True, forbid_unknown_fields=True):
        pass

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        custody, subject = served(context.services.custody, _CUSTODY), parameters.subject
        context.claim()
        said = custody.end(subject, asked(parameters.reason, context))
        ended: dict[str, Any] = msgspec.to_builtins(said.answers)
        sessions = sum(one.sessions for one in said.answers.values())
        processes = sum(len(one.processes) for one in said.answers.values())
        what = f"{subject.text}: {sessions} sessions and {processes} processes ended"
        return Outcome(what, {"ended": ended, "silent": said.silent, "target": subject.text})

    def verify(self, parameters: Parameters, context: ActionContext) -> Proof:
        """No gateway has a session, call, stream, process or task of it any more, and every server said so."""
        custody, subject = served(context.services.custody, _CUSTODY), parameters.subject
        ended = custody.end(subject, asked(parameters.reason, context))  # the same key: what was ended then
        rest = custody.rest(subject)
        doubts = [doubt for one in ended.answers.values() for doubt in one.doubts]
        left = {gateway: msgspec.to_builtins(one) for gateway, one in rest.answers.items() if not one.is_nothing}
        silent = ended.silent | rest.silent
        detail = {"left": left, "silent": silent, "doubts": doubts, "target": subject.text}
        if not rest.answers:
            return Proof(False, detail | {"reason": "no gateway said what is left"})
        if left:
            why = "it was not ended, or began anew since: an ending keeps nobody out, a hold or a quarantine does"
            return Proof(False, detail | {"reason": why})
        return Proof(not (silent or doubts), detail)

    def undo(self, parameters: Parameters, context: ActionContext) -> Outcome:
        return Outcome("there is no way back: its user begins again")

    def by_hand(self, parameters: Parameters) -> str:
        return f"End {parameters.subject.text}: `watchkeeper sessions kill`, or stop its client and its server."
