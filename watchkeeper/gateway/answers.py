"""The way back: a server's answer or stream, judged message by message and passed on as received.

A whole answer is judged before a byte of it leaves; a stream is judged event by event and never collected. What cannot
be read cannot be judged, and is withheld.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway import replies
from watchkeeper.gateway.duties import subscription
from watchkeeper.gateway.flood import Flood
from watchkeeper.gateway.model import Refusal, Ruling
from watchkeeper.gateway.ports import LISTINGS, Guard
from watchkeeper.gateway.record import Call, Chronicle
from watchkeeper.gateway.regrets import Regrets
from watchkeeper.gateway.upstream import Headers, Outbound, UpstreamSilent
from watchkeeper.gateway.versions import Versions
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol import errors, sse
from watchkeeper.protocol.errors import BadMessage, error_body
from watchkeeper.protocol.message import Message, parse_message

_SHAPES = (
    ("tools", "tools/list"),
    ("prompts", "prompts/list"),
    ("resourceTemplates", "resources/templates/list"),
    ("resources", "resources/list"),
    ("supportedVersions", "server/discover"),
    ("serverInfo", "initialize"),
)
"""A replayed answer does not say what was asked; its members do."""
DISCOVER = "server/discover"
GREETINGS = frozenset({DISCOVER, "initialize"})
_BESIDE_A_LIST = frozenset({"nextCursor", "_meta", "ttlMs", "cacheScope", "resultType"})
_JSON = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")
_EVENTS = (b"text/event-stream", b"text/event-stream; charset=utf-8", b"text/event-stream;charset=utf-8")
_UNJUDGED = Ruling(Verdict(Effect.ALLOW))


class Answers:
    """Judges what one route's server says."""

    def __init__(self, guard: Guard, chronicle: Chronicle, versions: Versions, regrets: Regrets | None) -> None:
        self._guard = guard
        self._chronicle = chronicle
        self._versions = versions
        self._regrets = regrets

    async def whole(self, call: Call, out: Outbound) -> Outbound:
        """An answer that came in one piece; `call` learns how it ended."""
        if not out.body:
            return out
        said = self._understand(call, out)
        if isinstance(said, Outbound):
            return said
        if call.answered is None:
            return self._conclude(call, out, await self.judge(call, said))
        return self._conclude(call, out, await self._kept(call, call.answered))

    def whole_now(self, call: Call, out: Outbound) -> Outbound | None:
        """`whole` without waiting; None where there is something to wait for: a listing's pins, or that values which
        became placeholders are kept.
        """
        if not out.body:
            return out
        if call.message.method in LISTINGS:
            return None
        said = self._understand(call, out)
        if isinstance(said, Outbound):
            return said
        ruling = self._judge_now(call, said)
        return self._conclude(call, out, ruling) if ruling.change is None else None

    async def _kept(self, call: Call, ruling: Ruling) -> Ruling:
        if ruling.change is not None:
            call.answered = ruling = await self._guard.kept(call.route, call.request.principal, ruling)
        return ruling

    async def judge(self, call: Call, answer: Message) -> Ruling:
        """The ruling on the answer to a call, kept in the call; what it lets pass may leave."""
        request = call.message
        if request.method not in LISTINGS:
            return await self._kept(call, self._judge_now(call, answer))
        call.answer = answer
        said = answer
        if request.method == DISCOVER:
            call.answer = answer = self._versions.learn(said)
        ruling = await self._guard.on_listing(call.route, call.request.principal, request, answer, call.request.marks)
        if answer is not said and ruling.body is None:
            ruling = msgspec.structs.replace(ruling, body=answer.raw)
        call.answered = ruling
        return await self._kept(call, ruling)

    def _judge_now(self, call: Call, answer: Message) -> Ruling:
        call.answer = answer
        call.answered = self._guard.on_answer(
            call.route, call.request.principal, call.message, answer, call.request.marks
        )
        return call.answered

    def _understand(self, call: Call, out: Outbound) -> Message | Outbound:
        """The message in an answer, or what the client gets instead of one that cannot be read."""
        request = call.message
        is_aside = out.status >= 400 or request.kind != "request"
        try:
            answer = parse_message(out.body)
        except BadMessage as error:
            if not is_aside:
                return self._unreadable(call, error.reason)
            # an error page: it passes as it is, for clients tell eras by it
            answer = Message(out.body, "error", error=msgspec.json.encode(out.body.decode("utf-8", "replace")))
        if answer.kind not in ("response", "error"):
            return self._unreadable(call, "its answer is a request of its own")
        if not is_aside and not _answers(answer, request):
            return self._unreadable(call, "its answer is to another request")
        return answer

    def _conclude(self, call: Call, out: Outbound, ruling: Ruling) -> Outbound:
        """What the client gets of an answer that was judged."""
        request, is_modern = call.message, call.era == "modern"
        is_aside = out.status >= 400 or request.kind != "request"
        if replies.stops(ruling):
            if is_aside:
                return replies.denied(request, ruling.verdict, modern=is_modern)
            return Outbound(200, _without_body_headers(out), replies.denial(request, ruling.verdict, modern=is_modern))
        if ruling.body is not None and ruling.verdict.enforced:
            out.body = ruling.body
            if is_aside:
                out.headers = _without_body_headers(out)
        if not is_aside:
            out.headers = _as(out.headers, _JSON)
        return out

    @staticmethod
    def _unreadable(call: Call, why: str) -> Outbound:
        call.ending = "upstream_failed"
        text = f"the server's answer was withheld: {why}"
        return Outbound(502, [replies.JSON], replies.failure(call.message, errors.UPSTREAM_FAILED, text))

    def give_up(self, call: Call, error: Exception) -> None:
        """Have a server of the older era stop what took too long."""
        is_its = call.era == "legacy" and call.request.session and call.message.kind == "request"
        if self._regrets is not None and is_its and isinstance(error, UpstreamSilent) and error.reached:
            self._regrets.give_up(call.request, call.message)

    # -- streams

    async def stream(self, call: Call, out: Outbound) -> AsyncIterator[bytes]:
        """The events of a call's answer. Yields what the client may have; records the call when its answer has come."""
        assert out.events is not None
        call.status = out.status
        try:
            async for raw in out.events:
                call.sent += len(raw)
                event = await self._of_call(call, sse.without_odd_breaks(raw))
                if event:
                    yield event
        except Unavailable as error:
            call.status, code = replies.failure_codes(error)
            call.ending = error.code
            self.give_up(call, error)
            if call.answered is None and call.message.kind == "request":
                yield _event(replies.failure(call.message, code, str(error)))
        else:
            if call.answered is None and call.ending == "withheld":
                text = "the server's answer was withheld: it cannot be read in exactly one way"
                yield _event(replies.failure(call.message, errors.UPSTREAM_FAILED, text))
        finally:
            if not call.recorded:
                call.ending = call.ending or ("" if call.answered is not None else "unanswered")
                self._chronicle.decided_late(call)

    async def listen(self, call: Call, out: Outbound) -> AsyncIterator[bytes]:
        """The events of a GET stream: a server's own messages, and answers replayed after a break."""
        assert out.events is not None
        try:
            async for raw in out.events:
                event = await self._of_get(call, sse.without_odd_breaks(raw))
                if event:
                    yield event
        except Unavailable:
            return  # the stream ends; the client may ask for the rest with Last-Event-ID

    async def _of_call(self, call: Call, raw: bytes) -> bytes:
        fields = sse.read_fields(raw)
        if not fields.data:
            return raw
        message = self._read(call, fields)
        if message is None:
            return sse.placeholder(fields)
        if message.kind not in ("response", "error"):
            if call.answered is not None:
                return self._too_late(call, raw, fields, message)
            return await self._own(call, raw, fields, message)
        if call.answered is not None or not _answers(message, call.message):
            self._note_withheld(call, "an answer to another request")
            return sse.placeholder(fields)
        ruling = await self.judge(call, message)
        event = raw
        if replies.stops(ruling):
            modern = call.era == "modern"
            event = sse.event_with(fields, replies.denial(call.message, ruling.verdict, modern=modern))
        elif ruling.body is not None and ruling.verdict.enforced:
            event = sse.event_with(fields, ruling.body)
        return await self._recorded(call, ruling, fields, event)

    async def _recorded(self, call: Call, ruling: Ruling, fields: sse.Fields, event: bytes) -> bytes:
        try:
            index = self._chronicle.decided(call)
            if call.route.durability == "strict" or replies.stops(ruling):
                await self._chronicle.durable(index, call)
        except Unavailable:
            return sse.event_with(fields, replies.not_recorded(call.message).body)
        return event

    async def _of_get(self, call: Call, raw: bytes) -> bytes:
        fields = sse.read_fields(raw)
        if not fields.data:
            return raw
        message = self._read(call, fields)
        if message is None:
            return sse.placeholder(fields)
        if message.kind not in ("response", "error"):
            return await self._own(call, raw, fields, message)
        methods, is_whole = _asked(message)
        if len(methods) > 1:
            self._note_withheld(call, "its answer could be to several requests")
            return sse.placeholder(fields)
        principal, marks = call.request.principal, call.request.marks
        asked = Message(b"", "request", method=methods[0] if methods else "", id=message.id)
        ruling = _UNJUDGED
        if not (methods and is_whole):
            ruling = self._guard.on_answer(call.route, principal, asked, message, marks)
        if methods and not replies.stops(ruling):
            if ruling.body is not None and ruling.verdict.enforced:
                message = parse_message(ruling.body)
            change = ruling.change
            ruling = await self._guard.on_listing(call.route, principal, asked, message, marks)
            if change is not None and ruling.body is None and not replies.stops(ruling):
                ruling = msgspec.structs.replace(ruling, body=message.raw, change=change)
        return await self._carry_out(call, raw, fields, message, ruling, answers=True)

    async def _own(self, call: Call, raw: bytes, fields: sse.Fields, message: Message) -> bytes:
        if call.era == "modern" and (flaw := _out_of_place(call, message)):
            self._remember_refusal(call, f"a server's message was withheld: {flaw}")
            if not call.route.shadow:
                return sse.placeholder(fields)
        if message.kind == "notification" and self._is_flood(call, message.method):
            return sse.placeholder(fields)
        ruling = self._guard.on_server_message(call.route, call.request.principal, message, call.request.marks)
        return await self._carry_out(call, raw, fields, message, ruling, answers=False)

    async def _carry_out(
        self, call: Call, raw: bytes, fields: sse.Fields, message: Message, ruling: Ruling, *, answers: bool
    ) -> bytes:
        if ruling.change is not None:
            ruling = await self._guard.kept(call.route, call.request.principal, ruling)
        is_stopped = replies.stops(ruling)
        if ruling.findings or ruling.is_notable:
            try:
                index = self._chronicle.server_message(call.request.principal, call.era, message, ruling)
                if is_stopped or call.route.durability == "strict":
                    await self._chronicle.durable(index)
            except Unavailable:
                is_stopped = True
        if is_stopped and answers:
            data = {"rules": list(ruling.verdict.rules), "correlation": ruling.verdict.correlation}
            text = ruling.verdict.reason or "A policy does not allow this answer."
            return sse.event_with(fields, error_body(message.id, errors.DENIED_BY_POLICY, text, data))
        if is_stopped:
            if message.kind == "request" and call.era == "legacy" and self._regrets is not None:
                self._regrets.send(call.request, message)
            return sse.placeholder(fields)
        if ruling.body is not None and ruling.verdict.enforced:
            return sse.event_with(fields, ruling.body)
        return raw

    def _too_late(self, call: Call, raw: bytes, fields: sse.Fields, message: Message) -> bytes:
        """Nothing follows an answer on its stream (MCP basic/patterns/progress); the call has its event already."""
        if not call.is_over_said:
            call.is_over_said = True
            self._note_withheld(call, "it came after its request was answered")
        if call.route.shadow:
            return raw
        if message.kind == "request" and call.era == "legacy" and self._regrets is not None:
            self._regrets.send(call.request, message)
        return sse.placeholder(fields)

    def _is_flood(self, call: Call, method: str) -> bool:
        now = time.monotonic()
        if call.flood is None:
            call.flood = Flood(now, call.route.floods)
        if call.flood.takes(now, method):
            return False
        if call.flood.dropped == 1:
            text = "notifications of a server were dropped: more than a client can follow"
            self._remember_refusal(call, text)
        return True

    def _read(self, call: Call, fields: sse.Fields) -> Message | None:
        try:
            return parse_message(fields.data)
        except BadMessage as error:
            self._note_withheld(call, error.reason)
            return None

    def _note_withheld(self, call: Call, why: str) -> None:
        if call.answered is None:
            call.ending = "withheld"
        self._remember_refusal(call, f"a server's message was withheld: {why}")

    def _remember_refusal(self, call: Call, text: str) -> None:
        refusal = Refusal(200, errors.UPSTREAM_FAILED, text, (), "")
        try:
            self._chronicle.refused(refusal, era=call.era)
        except Unavailable:
            return  # it is withheld either way; the next call will notice that the journal fails


def _out_of_place(call: Call, message: Message) -> str:
    """Why a modern server must not say this on this stream; empty when it may."""
    if message.kind == "request":
        return "a request of its own, which the modern era puts into answers"
    if call.message.method != subscription.METHOD:
        return ""
    if call.subscription is None:
        call.subscription = subscription.Subscription(call.message)
    return call.subscription.flaw_in(message)


def _answers(answer: Message, request: Message) -> bool:
    if answer.id is None:
        return answer.kind == "error"
    return type(answer.id) is type(request.id) and answer.id == request.id


def _asked(answer: Message) -> tuple[list[str], bool]:
    """What a replayed answer may be to, and whether judging it as that looks at all of it."""
    if not answer.result.startswith(b"{"):
        return [], False
    members = msgspec.json.decode(answer.result, type=dict[str, msgspec.Raw])
    shapes = [(member, method) for member, method in _SHAPES if member in members]
    methods = [method for _, method in shapes]
    if methods == [DISCOVER, "initialize"]:
        return [DISCOVER], True
    is_greeting = bool(GREETINGS.intersection(methods))
    return methods, is_greeting or not members.keys() - {member for member, _ in shapes} - _BESIDE_A_LIST


def _event(data: bytes) -> bytes:
    return sse.event_with(sse.Fields(data, None, b"message"), data)


def as_stream(headers: Headers) -> Headers:
    """The headers of an answer that was read as events."""
    return _as(headers, _EVENTS)


def _as(headers: Headers, types: tuple[bytes, ...]) -> Headers:
    """The headers with a content type that makes every client read the body as it was read here.

    A parameter is enough for some to see other text (`charset=utf-7`) or another type.
    """
    for name, value in headers:
        if value in types and name.lower() == b"content-type":
            return headers
    return [(b"Content-Type", types[0]), *(pair for pair in headers if pair[0].lower() != b"content-type")]


def _without_body_headers(out: Outbound) -> list[tuple[bytes, bytes]]:
    """The answer's headers, but those that describe a body which is no longer sent."""
    gone = (b"content-type", b"etag", b"last-modified", b"content-md5", b"digest", b"content-digest", b"repr-digest")
    return [replies.JSON, *(pair for pair in out.headers if pair[0].lower() not in gone)]
