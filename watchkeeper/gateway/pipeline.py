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

from collections.abc import Callable

import msgspec

from watchkeeper.gateway.containment import AGENT, OrdersInForce
from watchkeeper.gateway.duties import elicitation
from watchkeeper.gateway.duties.keeper import Duties
from watchkeeper.gateway.duties.model import Breach
from watchkeeper.gateway.duties.tasks import NEWS, Tasks
from watchkeeper.gateway.duties.tasks import RULE as TASK_OWNER
from watchkeeper.gateway.flow.flow import Flow
from watchkeeper.gateway.holds import held_by, kept_by
from watchkeeper.gateway.judging import PASSES, Decides, KnownPins, Marks, Notices, Times, inspected
from watchkeeper.gateway.listings import Listings, Observe
from watchkeeper.gateway.lookout.freshness import NOTICES, Freshness
from watchkeeper.gateway.lookout.references import held_use
from watchkeeper.gateway.measures.measures import Measures
from watchkeeper.gateway.measures.model import Supposing
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.gateway.redaction.placeholders import MARK
from watchkeeper.gateway.redaction.redaction import Redaction
from watchkeeper.gateway.redaction.restoring import has_any
from watchkeeper.gateway.rulings import HELD, contained, held_reason
from watchkeeper.inspection.fingerprints import LISTS, Definition
from watchkeeper.inspection.model import PERSONAL, UNSHOWN, Surface, labels_of
from watchkeeper.inspection.settings import EgressSettings
from watchkeeper.policy.model import Effect, Obligation, Question
from watchkeeper.protocol.message import Message, parse_message
from watchkeeper.registry.model import TOOL, PinState

UNCHECKED = "pin.unchecked"
_UNCHECKED_REASON = (
    "The server said that its definitions changed, and Watchkeeper could not look at them yet, so this call was "
    "stopped. Try again in a moment."
)

DECIDES = "responder"
"""The least role of the person who lets a tainted agent's call pass."""

_ACTIONS = {
    "tools/call": "call_tool",
    "resources/read": "read_resource",
    "resources/subscribe": "read_resource",
    "prompts/get": "get_prompt",
    **dict.fromkeys(LISTS, "list"),
}
_KINDS = {"tools/call": TOOL, "prompts/get": "prompt", "resources/read": "resource", "resources/subscribe": "resource"}
"""Method → kind of the definition it uses."""


class Guard(Listings):
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
        super().__init__()
        self._times = times
        self._remember(flow)
        self._asks = asks
        self.freshness = freshness or Freshness()
        self._orders = orders
        self._pins = pins
        self.measures = Measures(orders, pins, lambda: self.flow.labels if self.flow is not None else None)
        self._inspection = inspection
        self._inspect = inspection.inspect
        self._for_links: Notices | None = None
        self._decide = policy.decide
        self._version = _version_of(policy)
        self._observe = observe
        self._groups_of = groups_of
        self.second = None
        self._duties = Duties()
        self.redaction = redaction or Redaction()

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

    def needs_listing(self, route: Route, principal: str, message: Message, session: str = "") -> bool:
        """Whether this call's tool was never listed, or may have changed, so that judging it asks for a listing first.

        Not for a caller who is contained: an order must not cause traffic to the server.
        """
        method, news = message.method, self.freshness.news
        if not (
            (method == "tools/call" and self._pins.state(route.name, TOOL, message.name) is PinState.UNKNOWN)
            or (news and (route.name, method) in news)
            or (self._orders.measures and message.version and self._asks_version(route.name, method))
        ):
            return False
        if self._orders.has_holds and held_by(self._orders, principal, route.name, session, message):
            return False
        return self._orders.denies(principal, route.name, message.name) is None

    def keeps(self, route: Route, principal: str, session: str) -> Ruling | None:
        """Why this session may not be ended by its client, if so: an order keeps its state."""
        if not self._orders.has_holds or not (holds := kept_by(self._orders, principal, route.name, session)):
            return None
        return self._deny(route, (), *contained(holds))

    def _asks_version(self, server: str, method: str) -> bool:
        """Whether a list has to be asked for because its `_meta` may say the version that an order is about."""
        return method == "tools/call" and self.measures.lacks_version(server)

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
            ruling = self._on_received(
                route, principal, answer, Surface.RESULT, target=target, tool=tool, marks=marks, method=request.method
            )
            if self._duties.is_looked_at(request, answer):
                ruling = self._kept(route, principal, request, answer, ruling)
            if self._flow is not None:
                self._flow.took(route.name, principal.removeprefix(AGENT), request, answer, ruling, tool=tool)
            if self._orders.measures and ruling.verdict.effect in PASSES:
                self.measures.took(route.name, principal, request.method, target)
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
            if self._orders.measures and ruling.verdict.effect in PASSES:
                self.measures.took(route.name, principal, message.method, "")
            return ruling
        except Exception:  # noqa: BLE001 — total: an unknown failure is a denial
            return self._failed(route)

    def probe(self, route: Route, message: Message, supposing: Supposing, principal: str, session: str = "") -> Ruling:
        """What would become of a message, nothing of which is forwarded or remembered of an agent."""
        measures = self.measures
        try:
            measures.supposing = supposing
            if supposing.is_shown:
                return self._shown(route, message.name, supposing.fingerprint)
            if supposing.source is not None:
                measures.took(route.name, principal, "tools/call", supposing.source)
            return self.on_request(route, principal, message, None, session)
        except Exception:  # noqa: BLE001 — total: an unknown failure is a denial, and no order's
            return self._failed(route)
        finally:
            measures.supposing = None
            if supposing.source is not None:
                measures.taints.forget(principal.removeprefix(AGENT))

    def _shown(self, route: Route, tool: str, fingerprint: str) -> Ruling:
        """Whether a list of a tool with this definition would keep it."""
        fingerprints = (fingerprint,) if fingerprint else (self._pins.shown(route.name, tool) or ("",))
        definitions = [Definition(TOOL, tool, b"", one) for one in fingerprints]
        orders = tuple(self.measures.gone(route.name, definitions).values())
        orders += self._orders.holding(route.name, tool)
        if not orders:
            return Ruling(self._verdict(route, Effect.ALLOW))
        return self._deny(route, (), *contained(orders))

    # how it is answered

    def _on_request(self, route: Route, principal: str, message: Message, marks: Marks, session: str) -> Ruling:
        server, method, target = route.name, message.method, message.name
        findings = self._inspect(Surface.ARGUMENTS, inspected(message))
        tool = self._duties.tool_of(server, message)
        orders = self._orders.all_denying(principal, server, tool)
        if self._orders.measures:
            orders += tuple(self.measures.in_request(server, message, tool))
        if orders:
            return self._deny(route, findings, *contained(orders))
        if self._orders.has_holds and (holds := held_by(self._orders, principal, server, session, message)):
            return self._deny(route, findings, *contained(holds))
        kind = _KINDS.get(method)
        pin = self._pins.state(server, kind, target) if kind else None
        if pin is PinState.HELD:
            return self._deny(route, findings, (HELD,), held_reason(kind or "", server))
        held = self._pins.held(server) if kind != TOOL else ()
        if held and (used := held_use(held, message, is_unknown=pin is PinState.UNKNOWN)):
            return self._deny(route, findings, (HELD,), held_reason(used, server))
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
            ruling = self._with_values(route, question, findings, schema, message)
        else:
            ruling = self._told(question, self._judge(route, question, findings, schema, message))
        return self._asked_first(route, principal, message, ruling) if self._orders.measures else ruling

    def _asked_first(self, route: Route, principal: str, message: Message, ruling: Ruling) -> Ruling:
        """The ruling on what a tainted agent does: a person has to approve it, whatever policy lets pass."""
        said = ruling.verdict
        orders = self.measures.holding(route.name, principal, message) if said.effect is not Effect.DENY else ()
        if not orders:
            return ruling
        rules, reason = contained(tuple(orders))
        demands = tuple(Obligation(rule, Effect.ASK, role=DECIDES, quorum=1) for rule in rules)
        if said.effect is not Effect.ALLOW:  # what only permitted it is no ground to hold it
            rules, reason = (*said.rules, *rules), said.reason or reason
        if not (self._asks and message.kind == "request"):
            return self._deny(route, ruling.findings, rules, reason)
        verdict = self._verdict(route, Effect.ASK, rules, reason, said)
        verdict = msgspec.structs.replace(verdict, obligations=(*said.obligations, *demands))
        return msgspec.structs.replace(ruling, verdict=verdict)

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
        method: str = "",
    ) -> Ruling:
        """`method` is that of the request which `message` answers, where it answers one."""
        findings = self._inspect(surface, inspected(message))
        orders = self._orders.all_denying(principal, route.name, tool)
        if self._orders.measures:
            orders += tuple(self.measures.in_answer(route.name, method, message, tool))
        if orders:
            return self._deny(route, findings, *contained(orders))
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
        if said is None or ruling.verdict.effect not in PASSES:
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
        if task is None or task.principal == principal or ruling.verdict.effect not in PASSES:
            return ruling
        return self._deny(route, ruling.findings, (TASK_OWNER,), "The task is another client's.")


def _version_of(policy: Decides) -> str:
    """By what its decisions are recorded; nothing for one that has no versions."""
    return str(getattr(policy, "version", ""))
