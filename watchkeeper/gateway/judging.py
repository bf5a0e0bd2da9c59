"""From a question to a ruling: policy decides, what it wants changed is changed, and values go back into placeholders.

The middle part of the guard. Above: the pipeline, which has inspected the message. Below: policy, redaction and flow,
each handed in. What nobody here can carry out is a denial.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from watchkeeper.gateway.duties.model import Breach
from watchkeeper.gateway.flow.flow import Flow
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.gateway.redaction.model import Change, Value
from watchkeeper.gateway.redaction.redaction import NOTHING, Beside, Case, Redaction, question_of, unexplained
from watchkeeper.gateway.rulings import Findings, Rulings, unplaced
from watchkeeper.inspection.fingerprints import INSTRUCTIONS, Definition
from watchkeeper.inspection.model import Surface, labels_of
from watchkeeper.inspection.settings import EgressSettings
from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.protocol.message import Message
from watchkeeper.registry.model import PinState

CANNOT = "pipeline.cannot-carry-out"
RECEIVE = "receive"
"""The action of an answer or message of a server."""
PASSES = frozenset({Effect.ALLOW, Effect.MODIFY})
_CAN = frozenset({Effect.ALLOW, Effect.DENY})
GREETED = Beside(aside=f"/{INSTRUCTIONS}")
"""A server's instructions are looked at as a definition."""
LISTED = Beside(aside="/")
"""And so is all that a list holds."""

Marks = tuple[str, ...] | None
"""The caller's groups, as its credential says; None asks the settings."""
Times = Callable[[], tuple[str, ...]]
"""The named windows of time that are open now."""


class KnownPins(Protocol):
    """`registry.Pins`, as far as memory goes."""

    def state(self, server: str, kind: str, name: str) -> PinState: ...
    def schema(self, server: str, name: str) -> bytes | None: ...
    def output_schema(self, server: str, name: str) -> bytes | None: ...
    def is_known(self, server: str, definition: Definition) -> bool: ...
    def held(self, server: str) -> frozenset[tuple[str, str]]: ...
    def labels(self, server: str, kind: str, name: str) -> tuple[str, ...]: ...
    def shown(self, server: str, name: str) -> tuple[str, ...]: ...
    def claims_to_read(self, server: str, name: str) -> bytes: ...


class Notices(Protocol):
    """`inspection.Inspection`."""

    def inspect(self, surface: Surface, data: bytes, most: int = ...) -> Findings: ...
    def wanting(self, wanted: frozenset[str], egress: EgressSettings | None = ...) -> Notices: ...


class Decides(Protocol):
    """`policy.PolicyEngine`: total, and deny on any doubt."""

    def decide(self, question: Question, input_schema: bytes | None) -> Verdict: ...


def inspected(message: Message) -> bytes:
    """The part of a message that its ruling's findings speak of; their paths and offsets count in these bytes."""
    return message.params or message.result or message.error


class Judging(Rulings):
    """Asks policy, and carries out what it says about the message itself."""

    _asks: bool
    _pins: KnownPins
    _inspect: Callable[..., Findings]
    _decide: Callable[[Question, bytes | None], Verdict]
    _version: str
    _flow: Flow | None
    redaction: Redaction

    def _judge(
        self,
        route: Route,
        question: Question,
        findings: Findings,
        schema: bytes | None,
        message: Message,
        *,
        beside: Beside = NOTHING,
    ) -> Ruling:
        said = self._decide(question, schema)
        effect = said.effect
        change: Change | None = None
        if said.obligations and any(one.effect is Effect.MODIFY for one in said.obligations):
            made = self._change(question, schema, message, beside, said)
            if isinstance(made, Breach):
                denied = self._deny(route, findings, (*said.rules, made.rule), made.reason)
                return msgspec.structs.replace(denied, asked=question, said=effect)
            change = made
            if change is None and said.effect is Effect.MODIFY:
                said = msgspec.structs.replace(said, effect=Effect.ALLOW)
        is_asked = self._asks and question.action != RECEIVE and message.kind == "request" and said.obligations
        if not (said.effect in _CAN or change is not None or (said.effect is Effect.ASK and is_asked)):
            reason = said.reason or f"policy says {said.effect.value}, which cannot be carried out here"
            denial = self._verdict(route, Effect.DENY, (*said.rules, CANNOT), reason, said)
            return Ruling(denial, findings, asked=question, said=effect, policy=self._version)
        if said.effect is Effect.ALLOW and question.action == RECEIVE:
            # what passes on its way back is found by its request's correlation
            return Ruling(said, findings, asked=question, said=effect)
        verdict = self._verdict(route, said.effect, said.rules, said.reason, said)
        if said.effect is Effect.ASK:  # what it wants changed is done
            asked = tuple(one for one in said.obligations if one.effect is Effect.ASK)
            verdict = msgspec.structs.replace(verdict, obligations=asked)
        if change is not None:
            body = None if route.shadow else change.body
            return Ruling(verdict, findings, body, False, change, {}, question, effect, self._version)
        return Ruling(verdict, findings, asked=question, said=effect, policy=self._version)

    def _change(
        self,
        question: Question,
        schema: bytes | None,
        message: Message,
        beside: Beside,
        said: Verdict,
    ) -> Change | Breach | None:
        """What of a message a policy wants replaced, replaced."""
        if beside is LISTED:
            return None
        received = question.action == RECEIVE
        case = Case(
            message=message,
            question=question,
            schema=schema,
            output=(self._pins.output_schema(question.server, question.target) or b"") if received else b"",
            beside=beside,
        )
        return self.redaction.modify(case, said, self._inspect, self._decide)

    def _with_values(
        self, route: Route, question: Question, findings: Findings, schema: bytes | None, message: Message
    ) -> Ruling:
        """The ruling on a message with placeholders: judged is what its server would get."""
        rules: set[str] = set()

        def may_see(value: Value) -> bool:
            said = self._decide(question_of(question, value), None)
            rules.update(said.rules)
            return said.effect is Effect.ALLOW

        restored = self.redaction.restore(question.principal, message, may_see)
        if isinstance(restored, Breach):
            return self._deny(route, findings, (restored.rule,), restored.reason)
        sent = restored.message
        found = findings
        if restored.restored:
            rest = unexplained(restored, self._inspect(Surface.ARGUMENTS, inspected(sent)))
            question = msgspec.structs.replace(question, findings=labels_of(rest), arguments=sent.arguments)
            if self._flow is not None:
                question = self._flow.marked(question, sent, is_counted=True)
            known = {finding.rule for finding in findings}
            found += tuple(unplaced(finding) for finding in rest if finding.rule not in known)
        ruling = self._told(question, self._judge(route, question, found, schema, sent, beside=Beside(restored)))
        if ruling.verdict.effect is Effect.DENY or not (restored.restored or restored.kept):
            return ruling
        change = ruling.change or Change(())
        change = msgspec.structs.replace(
            change,
            policies=tuple(sorted(rules.union(change.policies))),
            restored=restored.restored,
            kept=restored.kept,
        )
        if not restored.restored:
            return msgspec.structs.replace(ruling, change=change)
        verdict = ruling.verdict
        if verdict.effect is Effect.ALLOW:
            verdict = msgspec.structs.replace(verdict, effect=Effect.MODIFY)
        return msgspec.structs.replace(ruling, verdict=verdict, body=ruling.body or sent.raw, change=change)

    def _told(self, question: Question, ruling: Ruling) -> Ruling:
        """The ruling with what its policies were told beside the message."""
        if self._flow is None or not (question.labels or question.flow or question.counts):
            return ruling
        told = {"labels": question.labels, "flow": question.flow, "counts": question.counts}
        return msgspec.structs.replace(ruling, told={fact: said for fact, said in told.items() if said})
