"""The guard: from a message to a ruling. Reads memory only; nothing here does I/O or waits, but for a listing's pins.

Above: the exchange carries rulings out and records them. Below: orders in force, pins, inspectors, policy, each handed
in. Every message gets a ruling; a failure of ours is a denial (rule `pipeline.error`).

Obligations, and what each one stops:

1. Orders in force speak first, about answers under way too (what is contained stays contained).
2. Whatever speaks first, inspectors see every message: a refusal is recorded without the secret it stopped.
3. A held definition is neither listed nor callable (rug pull, poisoned tool).
4. The whole of `params`, results and errors is inspected, whatever the method: inputs asked for by the server, answers
   of tasks and errors come the same way (MCP 2026-07-28 basic/patterns/mrtr).
5. An effect that nobody here can carry out is a denial: a change that cannot be made exactly (`gateway.redaction`);
   ask, where no desk asks people, or of what nobody is answered (a notification, a message of the server).
6. A shadow route stops nothing, and its ruling says what it would have stopped.
7. Where the protocol binds an end to more than a form, that is kept for it (`gateway.duties`: an answer that asks the
   user for what the client did not offer, another principal's task, an address that leaves its folder).
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from watchkeeper.gateway.containment import AGENT, Order, OrdersInForce
from watchkeeper.gateway.duties import elicitation, icons
from watchkeeper.gateway.duties.keeper import ANNOTATION, Duties
from watchkeeper.gateway.duties.model import Breach
from watchkeeper.gateway.duties.tasks import NEWS, Tasks
from watchkeeper.gateway.duties.tasks import RULE as TASK_OWNER
from watchkeeper.gateway.flow.flow import Flow
from watchkeeper.gateway.lookout.freshness import NOTICES, Freshness
from watchkeeper.gateway.lookout.references import held_use
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.gateway.redaction.model import Change, Value
from watchkeeper.gateway.redaction.placeholders import MARK
from watchkeeper.gateway.redaction.redaction import NOTHING, Beside, Case, Redaction, question_of, unexplained
from watchkeeper.gateway.redaction.restoring import has_any
from watchkeeper.inspection import spans
from watchkeeper.inspection.fingerprints import (
    GREETINGS,
    INSTRUCTIONS,
    LISTS,
    Definition,
    definitions_in,
    is_last_page,
    whole_kind,
    without_definitions,
)
from watchkeeper.inspection.inspection import BROKEN
from watchkeeper.inspection.model import PERSONAL, UNSHOWN, Finding, Surface, labels_of
from watchkeeper.inspection.settings import EgressSettings
from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.protocol.message import Message, parse_message
from watchkeeper.registry.model import TOOL, Observation, PinState

ERROR = "pipeline.error"
HELD = "pin.held"
CANNOT = "pipeline.cannot-carry-out"
UNCHECKED = "pin.unchecked"
_UNCHECKED_REASON = (
    "The server said that its definitions changed, and Watchkeeper could not look at them yet, so this call was "
    "stopped. Try again in a moment."
)
RECEIVE = "receive"
"""The action of an answer or message of a server."""

_ACTIONS = {
    "tools/call": "call_tool",
    "resources/read": "read_resource",
    "resources/subscribe": "read_resource",
    "prompts/get": "get_prompt",
    **dict.fromkeys(LISTS, "list"),
}
_KINDS = {"tools/call": TOOL, "prompts/get": "prompt", "resources/read": "resource", "resources/subscribe": "resource"}
"""Method → kind of the definition it uses."""
_CAN = frozenset({Effect.ALLOW, Effect.DENY})
_PASSES = frozenset({Effect.ALLOW, Effect.MODIFY})
_GREETED = Beside(aside=f"/{INSTRUCTIONS}")
"""A server's instructions are looked at as a definition."""
_LISTED = Beside(aside="/")
"""And so is all that a list holds."""
_FAILED = Finding("pipeline", ERROR, BROKEN, 5)
_log = logging.getLogger(__name__)

Findings = tuple[Finding, ...]
Marks = tuple[str, ...] | None
"""The caller's groups, as its credential says; None asks the settings."""
Times = Callable[[], tuple[str, ...]]
"""The named windows of time that are open now."""
Observe = Callable[[str, Sequence[Definition], Mapping[str, Findings], str], Awaitable[Observation]]
"""`Pins.observe`, off the event loop."""


SecondLook = Callable[[str, Sequence[Definition], Mapping[str, Findings]], Awaitable[dict[str, Findings]]]
"""`weighing.SecondLook`: a server, its new definitions, and what the rules noticed in them."""


class KnownPins(Protocol):
    """`registry.Pins`, as far as memory goes."""

    def state(self, server: str, kind: str, name: str) -> PinState: ...
    def schema(self, server: str, name: str) -> bytes | None: ...
    def output_schema(self, server: str, name: str) -> bytes | None: ...
    def is_known(self, server: str, definition: Definition) -> bool: ...
    def held(self, server: str) -> frozenset[tuple[str, str]]: ...
    def labels(self, server: str, kind: str, name: str) -> tuple[str, ...]: ...


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


class Guard:
    """Judges every message of every route. Total: it never raises."""

    def __init__(
        self,
        *,
        orders: OrdersInForce,
        pins: KnownPins,
        inspection: Notices,
        policy: Decides,
        observe: Observe,
        groups_of: Callable[[str], tuple[str, ...]],
        asks: bool = False,
        freshness: Freshness | None = None,
        times: Times | None = None,
        redaction: Redaction | None = None,
        flow: Flow | None = None,
    ) -> None:
        """With `asks`, whoever carries rulings out can ask a person. `times` is None where no policy reads them."""
        self._times = times
        self._remember(flow)
        self._asks = asks
        self.freshness = freshness or Freshness()
        self._orders = orders
        self._pins = pins
        self._inspection = inspection
        self._inspect = inspection.inspect
        self._for_links: Notices | None = None
        self._decide = policy.decide
        self._version = _version_of(policy)
        self._observe = observe
        self._groups_of = groups_of
        self.second: SecondLook | None = None
        """At definitions that are new."""
        self._duties = Duties()
        self.redaction = redaction or Redaction()
        self._prefix = secrets.token_hex(4)
        self._counter = itertools.count(1)

    def follow(
        self,
        policy: Decides,
        inspection: Notices | None = None,
        times: Times | None = None,
        flow: Flow | None = None,
    ) -> None:
        """Decide by another policy from the next message on, in streams that are open, too; `inspection` looks for
        what that one wants.
        """
        if inspection is not None:
            self._inspection, self._inspect = inspection, inspection.inspect
        self._decide, self._version, self._times = policy.decide, _version_of(policy), times
        self._remember(flow)

    def _remember(self, flow: Flow | None) -> None:
        self.flow = flow
        self._flow = flow.if_read if flow is not None else None

    def looking_for(self, wanted: frozenset[str], egress: EgressSettings | None = None) -> Notices:
        """An inspection for `follow`. Compiles patterns: not for the event loop."""
        return self._inspection.wanting(wanted, egress)

    @property
    def tasks(self) -> Tasks:
        """Whose tasks are whose; other processes' come from `gateway.tasks`."""
        return self._duties.tasks

    # what the exchange asks

    def on_request(
        self, route: Route, principal: str, message: Message, marks: Marks = None, session: str = ""
    ) -> Ruling:
        """A client's request, notification or response."""
        try:
            ruling = self._on_request(route, principal, message, marks, session)
            return ruling if self._flow is None else self._flow.ruled(principal.removeprefix(AGENT), message, ruling)
        except Exception:  # noqa: BLE001 — total: an unknown failure is a denial
            return self._failed(route)

    def needs_listing(self, route: Route, principal: str, message: Message) -> bool:
        """Whether this call's tool was never listed, or may have changed, so that judging it asks for a listing first.

        Not for a caller who is contained: an order must not cause traffic to the server.
        """
        method, news = message.method, self.freshness.news
        if not (
            (method == "tools/call" and self._pins.state(route.name, TOOL, message.name) is PinState.UNKNOWN)
            or (news and (route.name, method) in news)
        ):
            return False
        return self._orders.denies(principal, route.name, message.name) is None

    def look_at(self, definition: Definition) -> Findings:
        """What inspectors notice in a definition."""
        surface = Surface.INSTRUCTIONS if definition.kind == INSTRUCTIONS else Surface.DEFINITION
        return self._inspect(surface, definition.canonical)

    async def notice(self, server: str, definitions: Sequence[Definition]) -> dict[str, Findings]:
        """Fingerprint → what is noticed in definitions that are new, by the rules and by a second look."""
        noticed = {definition.fingerprint: self.look_at(definition) for definition in definitions}
        return noticed if self.second is None else await self.second(server, definitions, noticed)

    def needs_values(self, principal: str, message: Message) -> bool:
        """Whether this message has placeholders whose values are kept elsewhere, if anywhere: `fetch_values` first."""
        return self.redaction.needs_values(principal.removeprefix(AGENT), message)

    async def fetch_values(self, principal: str, message: Message) -> None:
        """Bring the values that a message needs, as far as they are kept anywhere."""
        if MARK in message.raw:
            await self.redaction.fetch(principal.removeprefix(AGENT), message)

    async def kept(self, route: Route, principal: str, ruling: Ruling) -> Ruling:
        """A ruling whose message may leave: what became placeholders in it can be restored everywhere by now."""
        if ruling.change is None or not ruling.change.replaced or ruling.body is None:
            return ruling
        try:
            breach = await self.redaction.settle(principal.removeprefix(AGENT), ruling.body)
        except Exception:  # noqa: BLE001 — total: an unknown failure is a denial
            return self._failed(route)
        if breach is None:
            return ruling
        return self._deny(route, ruling.findings, (*ruling.verdict.rules, breach.rule), breach.reason)

    def schema_of(self, route: Route, tool: str) -> bytes | None:
        """The pinned tool's input schema as raw JSON; None when there is none."""
        return self._pins.schema(route.name, tool)

    def on_answer(self, route: Route, principal: str, request: Message, answer: Message, marks: Marks = None) -> Ruling:
        """The answer to a request that is not a listing."""
        try:
            tool = self._duties.tool_of(route.name, request)
            target = tool or request.name
            ruling = self._on_received(route, principal, answer, Surface.RESULT, target=target, tool=tool, marks=marks)
            if self._duties.is_looked_at(request, answer):
                ruling = self._kept(route, principal, request, answer, ruling)
            if self._flow is not None:
                self._flow.took(route.name, principal.removeprefix(AGENT), request, answer, ruling, tool=tool)
            return ruling
        except Exception:  # noqa: BLE001 — total: an unknown failure is a denial
            return self._failed(route)

    async def on_listing(
        self, route: Route, principal: str, request: Message, answer: Message, marks: Marks = None
    ) -> Ruling:
        """The answer to a list or greeting method: what is new is inspected and pinned, what is held is taken out."""
        try:
            if answer.kind != "response":
                return self._on_received(route, principal, answer, Surface.RESULT, marks=marks)
            return await self._on_listing(route, principal, request, answer, marks)
        except Exception:  # noqa: BLE001 — total: an unknown failure is a denial
            return self._failed(route)

    def on_server_message(self, route: Route, principal: str, message: Message, marks: Marks = None) -> Ruling:
        """A server's own notification or request."""
        try:
            if message.method in NOTICES:
                self.freshness.heard(route.name, message.method)
            if message.method in NEWS:
                ruling = self._on_news(route, principal, message, marks)
            else:
                ruling = self._on_received(route, principal, message, Surface.MESSAGE, marks=marks)
            if self._flow is not None:
                self._flow.heard(route.name, principal.removeprefix(AGENT), message, ruling)
            return ruling
        except Exception:  # noqa: BLE001 — total: an unknown failure is a denial
            return self._failed(route)

    # how it is answered

    def _on_request(self, route: Route, principal: str, message: Message, marks: Marks, session: str) -> Ruling:
        server, method, target = route.name, message.method, message.name
        findings = self._inspect(Surface.ARGUMENTS, inspected(message))
        if orders := self._orders.all_denying(principal, server, self._duties.tool_of(server, message)):
            return self._deny(route, findings, *_contained(orders))
        kind = _KINDS.get(method)
        pin = self._pins.state(server, kind, target) if kind else None
        if pin is PinState.HELD:
            return self._deny(route, findings, (HELD,), _held_reason(kind or "", server))
        held = self._pins.held(server) if kind != TOOL else ()
        if held and (used := held_use(held, message, is_unknown=pin is PinState.UNKNOWN)):
            return self._deny(route, findings, (HELD,), _held_reason(used, server))
        if self.freshness.news and self.freshness.is_doubtful(server, method):
            return self._deny(route, findings, (UNCHECKED,), _UNCHECKED_REASON)
        schema = self._pins.schema(server, target) if method == "tools/call" else None
        if breach := self._duties.in_request(server, principal, message, schema):
            return self._deny(route, findings, (breach.rule,), breach.reason)
        question = Question(
            principal.removeprefix(AGENT),
            self._groups_of(principal) if marks is None else marks,
            _ACTIONS.get(method, "other"),
            server,
            target,
            pin.value if pin is not None else "none",
            labels_of(findings) if findings else (),
            message.arguments,
            self._pins.labels(server, kind, target) if kind else (),
            times=self._times() if self._times is not None else (),
        )
        if self._flow is not None:
            question = self._flow.marked(question, message, session)
        if MARK in message.raw and has_any(message):
            return self._with_values(route, question, findings, schema, message)
        return self._told(question, self._judge(route, question, findings, schema, message))

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
            found += tuple(_unplaced(finding) for finding in rest if finding.rule not in known)
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

    def _on_received(
        self,
        route: Route,
        principal: str,
        message: Message,
        surface: Surface,
        *,
        target: str = "",
        tool: str = "",
        marks: Marks,
    ) -> Ruling:
        findings = self._inspect(surface, inspected(message))
        if orders := self._orders.all_denying(principal, route.name, tool):
            return self._deny(route, findings, *_contained(orders))
        if message.is_open or message.method in elicitation.METHODS or message.failure == elicitation.REQUIRED:
            asked = elicitation.look(message, is_local=route.is_started, has_personal=self._has_personal)
            if isinstance(asked, Breach):
                return self._deny(route, findings, (asked.rule,), asked.reason)
            findings += asked
        return self._receive(route, principal, target, findings, marks, message=message)

    def _has_personal(self, data: bytes) -> bool:
        """Whether a text has a secret or personal data in it, whatever policies ask for."""
        if self._for_links is None:
            self._for_links = self._inspection.wanting(frozenset({PERSONAL}))
        return any(finding.label in UNSHOWN for finding in self._for_links.inspect(Surface.RESULT, data))

    def _kept(self, route: Route, principal: str, request: Message, answer: Message, ruling: Ruling) -> Ruling:
        """The ruling on an answer, with what the protocol binds its server to."""
        if ruling.body is not None:
            answer = parse_message(ruling.body)
        said = self._duties.in_answer(route.name, principal, request, answer)
        if said is None or ruling.verdict.effect not in _PASSES:
            return ruling
        if isinstance(said, Breach):
            return self._deny(route, ruling.findings, (said.rule,), said.reason)
        rules = (*(ruling.verdict.rules if ruling.change else ()), TASK_OWNER)
        reason = "tasks of other clients were taken out of the list"
        verdict = self._verdict(route, Effect.MODIFY, rules, reason, ruling.verdict)
        return Ruling(
            verdict,
            ruling.findings,
            None if route.shadow else said,
            change=ruling.change,
            asked=ruling.asked,
            said=ruling.said,
        )

    def _on_news(self, route: Route, principal: str, message: Message, marks: Marks) -> Ruling:
        """What a notification says of a task is a result, and about the task's tool."""
        task = self._duties.tasks.in_news(route.name, message)
        tool = task.tool if task is not None else ""
        ruling = self._on_received(route, principal, message, Surface.RESULT, target=tool, tool=tool, marks=marks)
        if task is None or task.principal == principal or ruling.verdict.effect not in _PASSES:
            return ruling
        return self._deny(route, ruling.findings, (TASK_OWNER,), "The task is another client's.")

    def _receive(
        self,
        route: Route,
        principal: str,
        target: str,
        findings: Findings,
        marks: Marks,
        *,
        message: Message,
        beside: Beside = NOTHING,
    ) -> Ruling:
        question = Question(
            principal.removeprefix(AGENT),
            self._groups_of(principal) if marks is None else marks,
            RECEIVE,
            route.name,
            target,
            "none",
            labels_of(findings) if findings else (),
            times=self._times() if self._times is not None else (),
        )
        return self._judge(route, question, findings, None, message, beside=beside)

    async def _on_listing(
        self, route: Route, principal: str, request: Message, answer: Message, marks: Marks
    ) -> Ruling:
        server, method = route.name, request.method
        definitions = definitions_in(method, answer.result)
        fresh = [d for d in definitions if not self._pins.is_known(server, d)]
        noticed = await self.notice(server, fresh) if fresh else {}
        observation = await self._observe(
            server, definitions, noticed, whole_kind(method, request.params, answer.result)
        )
        self._note_look(server, method, answer, observation)
        findings = tuple(_unplaced(finding) for found in noticed.values() for finding in found)
        if orders := self._orders.all_denying(principal, server):
            return self._deny(route, findings, *_contained(orders))
        if answer.is_open and isinstance(breach := self._duties.in_answer(server, principal, request, answer), Breach):
            return self._deny(route, findings, (breach.rule,), breach.reason)
        if method in GREETINGS:
            if observation.held:
                return self._deny(route, findings, (HELD,), _held_reason(INSTRUCTIONS, server))
            rest = without_definitions(method, answer.result, {(INSTRUCTIONS, INSTRUCTIONS)})
            ruling = self._receive(
                route, principal, "", self._inspect(Surface.RESULT, rest), marks, message=answer, beside=_GREETED
            )
            return self._fit_to_show(route, method, answer, definitions, ruling)
        ruling = self._receive(route, principal, "", (), marks, message=answer, beside=_LISTED)
        if ruling.verdict.effect not in _PASSES:
            return msgspec.structs.replace(ruling, findings=findings)
        held = observation.held | self._pins.held(server) | {(TOOL, name) for name in self._orders.held_tools(server)}
        gone = dict.fromkeys(held, HELD)
        for name, finding in self._duties.in_list(definitions).items() if request.version else ():
            _log.warning("a tool of %s is not listed: %s", server, finding.excerpt, extra={"tool": name})
            gone.setdefault((TOOL, name), ANNOTATION)
            findings += (finding,)
        ruling = self._thin_out(route, request, answer, gone, msgspec.structs.replace(ruling, findings=findings))
        return self._fit_to_show(route, method, answer, definitions, ruling)

    def _note_look(self, server: str, method: str, answer: Message, observation: Observation) -> None:
        """A listing that was looked at to its last page is fresh; one with a change is worth a canary's look."""
        if observation.changed:
            self.freshness.of(server).suspect = True
        if is_last_page(answer.result):
            self.freshness.listed(server, method)

    def _fit_to_show(
        self, route: Route, method: str, answer: Message, definitions: Sequence[Definition], ruling: Ruling
    ) -> Ruling:
        """The same without icons that a client must not fetch or show."""
        if ruling.verdict.effect is Effect.DENY or not icons.has_unsafe(method, answer.result, definitions):
            return ruling
        rules, reason = (*ruling.verdict.rules, icons.RULE), ruling.verdict.reason or "icons were taken out"
        body = None if route.shadow else icons.without_unsafe(method, ruling.body or answer.raw)
        verdict = self._verdict(route, Effect.MODIFY, rules, reason, ruling.verdict)
        return Ruling(verdict, ruling.findings, body, change=ruling.change, asked=ruling.asked, said=ruling.said)

    def _thin_out(
        self, route: Route, request: Message, answer: Message, gone: Mapping[tuple[str, str], str], ruling: Ruling
    ) -> Ruling:
        """The list without what is `gone`, by the rules named there; private on every page as soon as anything is."""
        kept_out = gone.keys()
        result = (
            without_definitions(request.method, answer.result, kept_out, modern=bool(request.version)) if gone else b""
        )
        if not gone or result == answer.result:
            return Ruling(
                self._verdict(route, Effect.ALLOW, after=ruling.verdict),
                ruling.findings,
                asked=ruling.asked,
                said=ruling.said,
            )
        rules = tuple(sorted(set(gone.values()), reverse=True))
        reason = "definitions that are held were taken out of the list"
        verdict = self._verdict(route, Effect.MODIFY, rules, reason, ruling.verdict)
        return Ruling(
            verdict,
            ruling.findings,
            None if route.shadow else _with_result(answer.raw, result),
            asked=ruling.asked,
            said=ruling.said,
        )

    # how a verdict is made

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
        if beside is _LISTED:
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

    def _deny(self, route: Route, findings: Findings, rules: tuple[str, ...], reason: str) -> Ruling:
        return Ruling(self._verdict(route, Effect.DENY, rules, reason), findings)

    def _verdict(
        self, route: Route, effect: Effect, rules: tuple[str, ...] = (), reason: str = "", after: Verdict | None = None
    ) -> Verdict:
        """A verdict; `after` a policy's, with what its policies in shadow mode would have done."""
        is_enforced = effect is Effect.ALLOW or not route.shadow
        verdict = Verdict(effect, rules, reason, is_enforced, f"{self._prefix}-{next(self._counter):x}")
        if after is None or after.would is None:
            return verdict
        return msgspec.structs.replace(verdict, shadowed=after.shadowed, would=after.would)

    def _failed(self, route: Route) -> Ruling:
        _log.exception("the pipeline failed", extra={"server": route.name})
        reason = "Watchkeeper could not judge this message, so it was stopped."
        return msgspec.structs.replace(self._deny(route, (_FAILED,), (ERROR,), reason), has_failed=True)


def _unplaced(finding: Finding) -> Finding:
    """A finding in one definition said of the whole listing, where its path and offsets mean nothing."""
    return msgspec.structs.replace(finding, path="", start=0, end=0)


def _contained(orders: tuple[Order, ...]) -> tuple[tuple[str, ...], str]:
    what = {order.kind for order in orders}
    words = " and ".join(sorted(kind.value.replace("_", " ") for kind in what))
    return tuple(order.rule for order in orders), f"A containment order is in force ({words}); an operator can lift it."


def _held_reason(kind: str, server: str) -> str:
    return (
        f"Watchkeeper holds this {kind} of {server}: it is not the definition that was pinned, or inspection found "
        "something in it. A person must approve it first; do not try again until then."
    )


def _with_result(raw: bytes, result: bytes) -> bytes:
    text = raw.decode()
    member = next(span for span in spans.members(text) if span.name == "result")
    return text[: member.value].encode() + result + text[member.end :].encode()


def _version_of(policy: Decides) -> str:
    """By what its decisions are recorded; nothing for one that has no versions."""
    return str(getattr(policy, "version", ""))
