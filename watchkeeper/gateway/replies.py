"""What the gateway says in its own words, in the shape that the message and its era ask for. Pure.

A denied tool call is answered with a tool's result (`isError`), so that the model reads why; any other denied request
with a JSON-RPC error. What answers nothing (a notification, a response) gets an HTTP status and a body without an id.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watchkeeper.gateway.credentials.model import CredentialMissing
from watchkeeper.gateway.model import Request, Ruling
from watchkeeper.gateway.upstream import Farewell, Outbound, UpstreamBusy, UpstreamSilent
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol import errors, sse
from watchkeeper.protocol.eras import MODERN, WrongVersion
from watchkeeper.protocol.errors import BadMessage, error_body, tool_refusal
from watchkeeper.protocol.message import Message, parse_message

JSON = (b"Content-Type", b"application/json")
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


def stops(ruling: Ruling) -> bool:
    """Whether a message must not pass as it is: denied, or a person has to be asked first."""
    return ruling.verdict.enforced and ruling.verdict.effect in (Effect.DENY, Effect.ASK)


def asks(ruling: Ruling) -> bool:
    """Whether a person has to be asked."""
    return ruling.verdict.enforced and ruling.verdict.effect is Effect.ASK


def denial(message: Message, verdict: Verdict, *, modern: bool) -> bytes:
    """The body that answers a denied request, or stands for a denied answer to it."""
    text = _words(verdict)
    if message.method == "tools/call":
        return tool_refusal(message.id, text, modern=modern)
    data = {"rules": list(verdict.rules), "correlation": verdict.correlation}
    code = errors.NOT_APPROVED if verdict.effect is Effect.ASK else errors.DENIED_BY_POLICY
    return error_body(message.id, code, text, data)


def denied(message: Message, verdict: Verdict, *, modern: bool) -> Outbound:
    """The answer to a denied message."""
    if message.kind == "request":
        return Outbound(200, [JSON], denial(message, verdict, modern=modern))
    return Outbound(403, [JSON], error_body(None, errors.DENIED_BY_POLICY, _words(verdict)))


def challenged(message: Message, verdict: Verdict, challenge: bytes) -> Outbound:
    """403 for a message whose caller can get what it lacks: its client reads the header, no model has to."""
    request_id = message.id if message.kind == "request" else None
    body = error_body(request_id, errors.FORBIDDEN, _words(verdict))
    return Outbound(403, [JSON, (b"WWW-Authenticate", challenge)], body)


def limited(message: Message, verdict: Verdict, retry_after: int | None, era: str) -> Outbound:
    """The answer to a message beyond a limit: 429 where the era's clients read the body of one, with when to come back.

    A tool call is answered in words for the model; a client of the older era takes a 429 for a broken transport.
    """
    headers = [JSON, (b"Retry-After", b"%d" % retry_after)] if retry_after is not None else [JSON]
    if message.kind == "request" and message.method == "tools/call":
        return Outbound(200, headers, denial(message, verdict, modern=era == "modern"))
    data: dict[str, object] = {"rules": list(verdict.rules), "correlation": verdict.correlation}
    if retry_after is not None:
        data["retryAfter"] = retry_after
    is_request = message.kind == "request"
    body = error_body(message.id if is_request else None, errors.LIMITED, _words(verdict), data)
    return Outbound(200 if is_request and era == "legacy" else 429, headers, body)


def malformed(error: BadMessage, supported: Sequence[str]) -> Outbound:
    """400, with the code the specification names and, where it could be read, the id."""
    data = {"supported": list(supported), "requested": error.requested} if isinstance(error, WrongVersion) else None
    return Outbound(400, [JSON], error_body(error.request_id, error.rpc_code, error.reason, data))


def failed(message: Message | None, error: Exception) -> Outbound:
    """The server behind us refused, broke off (502), hung (504), was not asked (503); or a person must sign in there.

    That last one has status 200: clients show its text, where a 401 or 403 would make them sign in *here* once more.
    """
    if isinstance(error, CredentialMissing):
        told = f"{error.reason}; {error.hint}" if error.hint else error.reason
        is_request = message is not None and message.kind == "request"
        return Outbound(200 if is_request else 403, [JSON], failure(message, errors.CREDENTIAL_MISSING, told))
    status, code = failure_codes(error)
    headers = [JSON]
    if isinstance(error, UpstreamBusy):
        headers.append((b"Retry-After", b"%d" % error.retry_after))
    return Outbound(status, headers, failure(message, code, str(error)))


def failure_codes(error: Exception) -> tuple[int, int]:
    """HTTP status and JSON-RPC code of an upstream's failure."""
    if isinstance(error, UpstreamBusy):
        return 503, errors.UPSTREAM_BUSY
    return (504, errors.UPSTREAM_SILENT) if isinstance(error, UpstreamSilent) else (502, errors.UPSTREAM_FAILED)


def failure(message: Message | None, code: int, text: str) -> bytes:
    """A JSON-RPC error; its id is the request's if there was one."""
    request_id = message.id if message is not None and message.kind == "request" else None
    return error_body(request_id, code, text)


def not_recorded(message: Message | None) -> Outbound:
    """503: what cannot be recorded does not happen."""
    text = (
        "the gateway cannot record this call, so it was not let through; the operator must look at the journal's disk"
    )
    return Outbound(503, [JSON], failure(message, errors.NOT_RECORDED, text))


def unrecorded(answer: Outbound) -> Outbound:
    """The same answer; whoever looks at its headers learns that nobody will be able to prove it."""
    answer.headers = [*answer.headers, (b"Watchkeeper-Recording", b"suspended")]
    return answer


def no_such_session() -> Outbound:
    """404: for a session that ended, never was, or is somebody else's."""
    return Outbound(404, [JSON], error_body(None, errors.NO_SUCH_SESSION, "there is no such session; initialize again"))


def ended(request: Request) -> Farewell:
    """What a client is told whose session an operator ends while this request is under way.

    A client of the older era is told to begin again by a 404; one of the newer era reads the body of a 200 for certain.
    """
    try:
        message = parse_message(request.body) if request.body else None
    except BadMessage:
        message = None
    is_modern = request.version in MODERN
    text = "an operator ended what this client had open here, and this request with it"
    code = errors.NO_SUCH_SESSION if request.session and not is_modern else errors.ENDED
    body = failure(message, code, f"{text}; {'initialize' if request.session and not is_modern else 'begin'} again")
    status = 404 if code == errors.NO_SUCH_SESSION else 200 if is_modern and message is not None else 503
    is_call = message is not None and message.kind == "request"
    event = sse.event_with(sse.Fields(body, None, b"message"), body) if is_call else b""
    return Farewell(Outbound(status, [JSON], body), event)


def post_only() -> Outbound:
    """405: the modern era has neither a GET stream nor a session to DELETE."""
    body = error_body(None, errors.METHOD_NOT_ALLOWED, "messages are sent with POST; this route has nothing else")
    return Outbound(405, [JSON, (b"Allow", b"POST")], body)


def _words(verdict: Verdict) -> str:
    reason = verdict.reason or "A policy does not allow this."
    rules = f" Rules: {', '.join(verdict.rules)}." if verdict.rules else ""
    return f"{reason}{rules} Correlation: {verdict.correlation or 'none'}."


def farewell(listen: Message) -> bytes:
    """The event that ends a subscription in good order: the response to its request (basic/patterns/subscriptions)."""
    result = {"resultType": "complete", "_meta": {SUBSCRIPTION: listen.id}}
    data = msgspec.json.encode({"jsonrpc": "2.0", "id": listen.id, "result": result})
    return sse.event_with(sse.Fields(data, None, b"message"), data)
