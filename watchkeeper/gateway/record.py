"""What the gateway remembers of each exchange: one event, with of others' words what `gateway.capture` lets be kept.

Every event about a message is made here. What an event says is decided elsewhere; whether it must be on disk before the
client hears anything is said by the caller.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.ids import observed_id
from watchkeeper.events.model import VERSION, Event, Severity, new_event
from watchkeeper.gateway.caller import tenant_of
from watchkeeper.gateway.capture.keeping import keep
from watchkeeper.gateway.capture.model import DEFAULT, Keep, Spoken
from watchkeeper.gateway.duties.subscription import Subscription
from watchkeeper.gateway.flood import Flood
from watchkeeper.gateway.holds import session_digest
from watchkeeper.gateway.model import Refusal, Request, Route, Ruling
from watchkeeper.gateway.ports import LISTINGS, Recorder
from watchkeeper.gateway.replies import stops
from watchkeeper.gateway.tracing import Parent, contexts
from watchkeeper.inspection.model import Finding
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.policy.reads import FACTS
from watchkeeper.protocol.message import Message

LONGEST = 512
"""Characters kept of an id, a method or a name."""
UNRECORDED = -1
"""The index of an event that there is not, where its call passes all the same."""
_SHADOW = ("shadow",)
CALL = "call_tool"
"""The one action whose arguments policies look at."""
_ASKED = ("groups", *(fact for fact in FACTS if fact != "pin"))
_NOTHING = ((),) * len(_ASKED)
_facts_of = attrgetter(*_ASKED)
REFUSALS_PER_SECOND = 20
"""Refused requests recorded one by one; beyond, they are counted in the next one's event."""


class Call(msgspec.Struct):
    """One exchange as far as it has come."""

    route: Route
    request: Request
    message: Message
    era: str
    started: int
    """`perf_counter_ns` when it came in."""
    ruling: Ruling
    client: str = ""
    is_unlisted: bool = False
    """Its tool was never listed: it is judged once the server's tools were looked at."""
    lacks_values: bool = False
    """It has placeholders whose values have to be fetched before it is judged."""
    challenge: bytes | None = None
    """Where to get what its caller lacks, when it is stopped for that alone."""
    answer: Message | None = None
    answered: Ruling | None = None
    status: int = 0
    sent: int = 0
    """Bytes of the answer."""
    held_us: int = 0
    """How long it waited for a person; no part of how long it took."""
    ending: str = ""
    """How it ended when not by an answer: `cancelled`, `upstream_failed`, `upstream_silent`, …"""
    recorded: bool = False
    is_unrecorded: bool = False
    """It passed although it could not be recorded."""
    flood: Flood | None = None
    """Of its stream, once that has had a notification."""
    is_over_said: bool = False
    """It was recorded that something came after the answer."""
    span: Parent | None = None
    """Our own, on a route that hands it on."""
    subscription: Subscription | None = None
    """Of a modern `subscriptions/listen`, once its stream has had a message."""


def may_pass(call: Call) -> bool:
    """Whether a call was let through so far: only that may go on unrecorded, where the operator chose so."""
    return not (stops(call.ruling) or (call.answered is not None and stops(call.answered)))


class Chronicle:
    """Writes one route's events."""

    def __init__(self, route: Route, journal: Recorder, clock: Clock) -> None:
        self._route = route
        self._capture = route.capture or DEFAULT
        self._journal = journal
        self._clock = clock
        self._second = 0
        self._in_second = 0
        self._passed_over = 0

    @property
    def healthy(self) -> bool:
        """Whether calls may be let in: what they come to can be recorded, or may pass without."""
        return self._journal.healthy or self._route.gaps is not None

    def decided(self, call: Call) -> int:
        """The exchange's one event. Raises `Unavailable`."""
        call.recorded = True
        message, answered = call.message, call.answered
        verdict, findings = call.ruling.verdict, call.ruling.findings
        capture = self._capture
        spoken = capture.of(message.method, message.name)
        body = _of_request(call, spoken, keeps_version=capture.keeps_claims)
        if answered is not None:
            body["answer"] = _in_short(answered)
            if call.answer is not None and (call.answer.error or message.method not in LISTINGS):
                # what a listing shows has facts of its own, in the registry; it is inspected there and only once
                said = call.answer.result or call.answer.error
                _keep(body, "result", said, answered, spoken.results)
            if answered.findings:
                body["answer"]["noticed"] = _rules_of(answered.findings)
                findings += answered.findings
        if call.ruling.findings:
            body["noticed"] = _rules_of(call.ruling.findings)
        if findings:
            body["findings"] = [msgspec.structs.asdict(finding) for finding in findings]
        is_shadow = not (verdict.enforced and (answered is None or answered.verdict.enforced))
        event = Event(  # spelt out: this is the one event that every call makes
            v=VERSION,
            id=observed_id(),
            time=self._clock.now(),
            kind="gateway.request.decided",
            tenant=tenant_of(call.request.principal),
            actor=call.request.principal,
            claimed=call.client if capture.keeps_claims else "",
            server=self._route.name,
            target=message.name[:LONGEST],
            era=call.era,
            trace=_trace(call, body) if message.trace or call.request.trace or call.span else "",
            outcome=verdict.effect,
            severity=_severity(findings) if findings else Severity.INFORMATIONAL,
            labels=_SHADOW if is_shadow else (),
            body=body,
        )
        index = self._append(event, may_pass=may_pass(call))
        call.is_unrecorded = index == UNRECORDED
        return index

    def decided_late(self, call: Call) -> None:
        """The same for an exchange that nobody waits for any more."""
        try:
            self.decided(call)
        except Unavailable:
            return  # nobody is left to refuse; the next call will notice that the journal fails

    def opened(self, request: Request, era: str, status: int) -> int:
        """A GET or DELETE was passed on; it has no message to judge."""
        route = request.via or self._route.name
        body = {"method": request.verb, "status": status, "route": route, "rules": []}
        event = self._event(
            "gateway.request.decided", actor=request.principal, outcome=Effect.ALLOW.value, era=era, body=body
        )
        return self._append(event)

    def server_message(self, principal: str, era: str, message: Message, ruling: Ruling) -> int:
        """A message that answers nothing, worth remembering: something was found, or it was not simply let through."""
        body: dict[str, Any] = {
            "method": _short(message.method or message.kind),
            "id": _short(message.id),
            **_in_short(ruling),
            "correlation": ruling.verdict.correlation,
            "findings": [msgspec.structs.asdict(finding) for finding in ruling.findings],
            "route": self._route.name,
        }
        spoken = message.params or message.result or message.error
        if spoken:
            _keep(body, "message", spoken, ruling, self._capture.messages)
        event = self._event(
            "gateway.message.decided",
            actor=principal,
            era=era,
            outcome=ruling.verdict.effect,
            severity=_severity(ruling.findings) if ruling.findings else Severity.INFORMATIONAL,
            labels=() if ruling.verdict.enforced else _SHADOW,
            body=body,
        )
        return self._append(event, may_pass=not stops(ruling))

    def refused(self, refusal: Refusal, *, era: str = "") -> int | None:
        """A request that nobody looked at. None when too many come to record each."""
        now = self._clock.now()
        if now // 1_000_000 != self._second:
            self._second, self._in_second = now // 1_000_000, 0
        self._in_second += 1
        if self._in_second > REFUSALS_PER_SECOND:
            self._passed_over += 1
            return None
        body: dict[str, Any] = {
            "status": refusal.status, "code": refusal.code, "reason": refusal.reason, "route": self._route.name
        }  # fmt: skip
        if self._passed_over:
            body["passed_over"], self._passed_over = self._passed_over, 0
        severity = Severity.LOW if refusal.status in (401, 403) else Severity.INFORMATIONAL
        event = self._event(
            "gateway.request.refused", actor=refusal.principal, outcome="deny", era=era, severity=severity, body=body
        )
        return self._append(event, may_pass=False, counted="refused")

    def note(self, kind: str, *, actor: str, era: str = "", **body: Any) -> None:
        """A fact beside the exchanges; lost only if the journal fails, which the next call will notice."""
        self._beside(self._event(kind, actor=actor, era=era, body=body))

    def upstream_failed(self, actor: str, era: str, error: Unavailable) -> None:
        """The server refused, hung or broke off; lost only as `note` is."""
        body = {"reason": str(error)}
        self._beside(
            self._event(
                "gateway.upstream.failed",
                actor=actor,
                era=era,
                outcome="failure",
                severity=Severity.MEDIUM,
                body=body,
            )
        )

    def session(self, kind: str, actor: str, session: str) -> None:
        """A session of the older era began or ended; told with the digest that its requests have."""
        self.note(kind, actor=actor, era="legacy", session=session_digest(session))

    def _beside(self, event: Event) -> None:
        try:
            self._append(event, counted="other")
        except Unavailable:
            return

    async def durable(self, index: int, call: Call | None = None) -> None:
        """Wait until an event is on disk. Raises `Unavailable`, unless the event's call may pass all the same: then the
        journal keeps the event in order until there is room."""
        if index == UNRECORDED:
            return
        try:
            await self._journal.durable(index)
        except Unavailable:
            if self._route.gaps is None or call is None or not may_pass(call):
                raise

    def _append(self, event: Event, *, may_pass: bool = True, counted: str = "") -> int:
        """Its index; `UNRECORDED` where it may pass without. Raises `Unavailable`."""
        try:
            return self._journal.append(event)
        except Unavailable as error:
            gaps = self._route.gaps
            if gaps is None:
                raise
            gaps.count(self._route.name, counted or event.outcome, error.reason)
            if not may_pass:
                raise
            return UNRECORDED

    def _event(self, kind: str, **fields: Any) -> Event:
        tenant = tenant_of(fields.get("actor", ""))
        return new_event(self._clock.now(), kind, tenant=tenant, server=self._route.name, **fields)


def _of_request(call: Call, captured: Spoken, *, keeps_version: bool) -> dict[str, Any]:
    """What the event says of the request and of how it went."""
    message, ruling = call.message, call.ruling
    verdict = ruling.verdict
    body: dict[str, Any] = {
        "method": _short(message.method or message.kind),
        "id": _short(message.id),
        "rules": verdict.rules,
        "reason": verdict.reason,
        "correlation": verdict.correlation,
        "policy": ruling.policy,
        "status": call.status,
        "bytes_in": len(message.raw),
        "bytes_out": call.sent,
        "duration_us": (time.perf_counter_ns() - call.started) // 1000 - call.held_us,
        "route": call.request.via or call.route.name,
    }
    spoken = message.params or message.result or message.error
    if verdict.would is not None:
        body |= _in_shadow(verdict)
    if ruling.change is not None:
        body["changed"] = ruling.change.in_short()
    if ruling.told:
        body |= ruling.told
    shown = _keep(body, "arguments", spoken, ruling, captured.arguments) if spoken else ""
    body["asked"] = _asked(ruling, ruling.told, spoken, shown)
    if keeps_version and (version := message.version or call.request.version):
        body["version"] = _short(version)
    client = call.request.origin or call.request  # at an endpoint the client knows its own session, not the member's
    if session := client.session:
        body["session"] = session_digest(session)
    if call.ending:
        body["ending"] = call.ending
    if call.held_us:
        body["held_us"] = call.held_us
    if call.flood is not None and call.flood.kinds:
        body["dropped"] = call.flood.kinds
    if call.answer is not None and call.answer.failure:
        body["failure"] = _short(call.answer.failure)
    return body


@lru_cache(maxsize=1024)
def _rules_of(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """Which of the event's findings are of one side: a rule about what leaves must not go by what came back."""
    return tuple(sorted({finding.rule for finding in findings}))


@lru_cache(maxsize=1024)
def _severity(findings: tuple[Finding, ...]) -> Severity:
    return Severity(min(5, max(1, *(finding.severity for finding in findings))))


def _keep(body: dict[str, Any], member: str, data: bytes, ruling: Ruling, rule: Keep) -> str:
    """`keep`; of a message whose values became placeholders, the text that has those."""
    change = ruling.change
    if change is not None and change.shown:
        return keep(body, member, change.shown, change.left, rule)
    return keep(body, member, data, ruling.findings, rule)


def _short(value: int | str | None) -> int | str | None:
    """A value that a sender chose, cut to a length that no journal minds."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else value[:LONGEST]
    return value if value is None or abs(value) < 1 << 63 else str(value)[:LONGEST]


def _in_short(ruling: Ruling) -> dict[str, Any]:
    verdict = ruling.verdict
    said: dict[str, Any] = {"outcome": verdict.effect, "rules": verdict.rules, "reason": verdict.reason}
    said["asked"] = _asked(ruling, {}, b"", "")
    if ruling.change is not None:
        said["changed"] = ruling.change.in_short()
    return said if verdict.would is None else said | _in_shadow(verdict)


def _asked(ruling: Ruling, known: Mapping[str, Any], spoken: bytes, shown: str) -> dict[str, Any] | None:
    """What policy was asked beside what the event says itself, so that it can be asked again; None if it was not.

    What is `known` stands in the event anyway; `kept` says that what is `shown` is all that was `spoken`.
    """
    question = ruling.asked
    if question is None:
        return None
    asked: dict[str, Any] = {"effect": ruling.said, "action": question.action, "target": question.target[:LONGEST]}
    if question.pin != "none":
        asked["pin"] = question.pin
    if (facts := _facts_of(question)) != _NOTHING:
        asked |= {name: fact for name, fact in zip(_ASKED, facts, strict=True) if fact and name not in known}
    if question.action == CALL and ruling.change is None and shown.encode() == spoken:
        asked["kept"] = True
    return asked


def _in_shadow(verdict: Verdict) -> dict[str, Any]:
    """What the policies in shadow mode would have made of it."""
    return {"would": verdict.would, "shadowed": verdict.shadowed}


def _trace(call: Call, body: dict[str, Any]) -> str:
    """`trace_id-span_id` of our own span or of the parent; in `body` goes what else is known of the trace."""
    parent, link = contexts(call.message.trace, call.request.trace)
    if link:
        body["http_trace"] = link
    if call.span is None:
        return parent
    body["parent_span"] = parent.partition("-")[2]
    return f"{call.span.trace}-{call.span.span}"
