"""Answers to list and greeting methods: what is new is inspected and pinned, what is held or unsafe is taken out.

The part of the guard between the pipeline and its judging. It waits for the registry alone, which keeps pins elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from watchkeeper.gateway.containment import AGENT, OrdersInForce
from watchkeeper.gateway.duties import icons
from watchkeeper.gateway.duties.keeper import ANNOTATION, Duties
from watchkeeper.gateway.duties.model import Breach
from watchkeeper.gateway.judging import GREETED, LISTED, PASSES, RECEIVE, Judging, Marks, Times
from watchkeeper.gateway.lookout.freshness import Freshness
from watchkeeper.gateway.measures.measures import Measures
from watchkeeper.gateway.model import Route, Ruling
from watchkeeper.gateway.redaction.redaction import NOTHING, Beside
from watchkeeper.gateway.rulings import HELD, Findings, contained, held_reason, unplaced
from watchkeeper.inspection import spans
from watchkeeper.inspection.fingerprints import (
    GREETINGS,
    INSTRUCTIONS,
    Definition,
    definitions_in,
    is_last_page,
    whole_kind,
    without_definitions,
)
from watchkeeper.inspection.model import Surface, labels_of
from watchkeeper.policy.model import Effect, Question
from watchkeeper.protocol.message import Message
from watchkeeper.registry.model import TOOL, Observation

_log = logging.getLogger(__name__)

Observe = Callable[[str, Sequence[Definition], Mapping[str, Findings], str], Awaitable[Observation]]
"""`Pins.observe`, off the event loop."""
SecondLook = Callable[[str, Sequence[Definition], Mapping[str, Findings]], Awaitable[dict[str, Findings]]]
"""`weighing.SecondLook`: a server, its new definitions, and what the rules noticed in them."""


class Listings(Judging):
    """Judges what servers show."""

    freshness: Freshness
    second: SecondLook | None
    """At definitions that are new."""
    _observe: Observe
    _orders: OrdersInForce
    measures: Measures
    """What orders say that ask for more than names."""
    _duties: Duties
    _groups_of: Callable[[str], tuple[str, ...]]
    _times: Times | None

    def look_at(self, definition: Definition) -> Findings:
        """What inspectors notice in a definition."""
        surface = Surface.INSTRUCTIONS if definition.kind == INSTRUCTIONS else Surface.DEFINITION
        return self._inspect(surface, definition.canonical)

    async def notice(self, server: str, definitions: Sequence[Definition]) -> dict[str, Findings]:
        """Fingerprint → what is noticed in definitions that are new, by the rules and by a second look."""
        noticed = {definition.fingerprint: self.look_at(definition) for definition in definitions}
        return noticed if self.second is None else await self.second(server, definitions, noticed)

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
        findings = tuple(unplaced(finding) for found in noticed.values() for finding in found)
        if method in GREETINGS:
            self.measures.learn(server, method, answer)
        orders = self._orders.all_denying(principal, server)
        if self._orders.measures:
            orders += tuple(self.measures.in_answer(server, method, answer, ""))
        if orders:
            return self._deny(route, findings, *contained(orders))
        if answer.is_open and isinstance(breach := self._duties.in_answer(server, principal, request, answer), Breach):
            return self._deny(route, findings, (breach.rule,), breach.reason)
        if method in GREETINGS:
            if observation.held:
                return self._deny(route, findings, (HELD,), held_reason(INSTRUCTIONS, server))
            rest = without_definitions(method, answer.result, {(INSTRUCTIONS, INSTRUCTIONS)})
            ruling = self._receive(
                route, principal, "", self._inspect(Surface.RESULT, rest), marks, message=answer, beside=GREETED
            )
            return self._fit_to_show(route, method, answer, definitions, ruling)
        ruling = self._receive(route, principal, "", (), marks, message=answer, beside=LISTED)
        if ruling.verdict.effect not in PASSES:
            return msgspec.structs.replace(ruling, findings=findings)
        held = observation.held | self._pins.held(server) | {(TOOL, name) for name in self._orders.held_tools(server)}
        gone = dict.fromkeys(held, HELD)
        if self._orders.measures:
            gone |= {place: order.rule for place, order in self.measures.gone(server, definitions).items()}
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


def _with_result(raw: bytes, result: bytes) -> bytes:
    text = raw.decode()
    member = next(span for span in spans.members(text) if span.name == "result")
    return text[: member.value].encode() + result + text[member.end :].encode()
