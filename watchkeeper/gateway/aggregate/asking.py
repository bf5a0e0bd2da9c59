"""Putting a message to a member as a request of its own, and reading the one answer out of what comes back.

For messages that go to several members at once, and for those that we ask ourselves. An answer that streams is read to
its end here; what else the member says on that stream is handed on as it comes, for it may wait for a reply.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from watchkeeper.gateway.aggregate.model import METHOD_NOT_FOUND, Member
from watchkeeper.gateway.model import Request
from watchkeeper.gateway.upstream import Headers, Outbound
from watchkeeper.protocol import sse
from watchkeeper.protocol.errors import DENIED_BY_POLICY, FORBIDDEN, UPSTREAM_SILENT, BadMessage
from watchkeeper.protocol.message import Message, parse_message

Own = Callable[[Member, Message], Awaitable[None]]
"""Told of each message that is not the answer."""


class Said(msgspec.Struct, frozen=True):
    """What a member made of a request."""

    member: Member
    answer: Message | None = None
    """A response or an error; None when there is none to read."""
    status: int = 0
    headers: Headers = []
    note: str = ""
    """Why it was not asked."""

    @property
    def result(self) -> bytes:
        """The raw result; empty when it is none."""
        return self.answer.result if self.answer is not None and self.answer.kind == "response" else b""

    @property
    def code(self) -> int:
        """The code of its error; 0 when it is none."""
        if self.answer is None or self.answer.kind != "error":
            return 0
        code = msgspec.json.decode(self.answer.error).get("code")
        return code if type(code) is int else 1

    @property
    def lacks_method(self) -> bool:
        return self.code == METHOD_NOT_FOUND

    @property
    def reason(self) -> str:
        """Why there is no result, in our words."""
        if self.note:
            return self.note
        if self.code == DENIED_BY_POLICY:
            return "a policy does not allow it"
        if self.status == 403 and self.code == FORBIDDEN:
            return "this client may not use it"
        if self.status == 504 or self.code == UPSTREAM_SILENT:
            return "it does not answer"
        if self.status >= 500 or self.answer is None:
            return "it cannot be reached"
        return f"it answers with the error {self.code}"


def addressed(
    request: Request, body: bytes, *, session: str, method: str = "", name: str | None = None, last_event: bytes = b""
) -> Request:
    """The same request for one member: its session, and the headers that repeat the body as the body now is.

    Without `method` the request stays about what it was, and only its `Mcp-Name`, where it has one, is exchanged.
    """
    replaced: dict[bytes, bytes] = {}
    mirrors = dict(request.mirrors)
    if method:
        replaced[b"mcp-method"] = method.encode()
        mirrors = {key: value for key, value in mirrors.items() if not key.startswith(b"mcp-param-")}
    if name is not None and b"mcp-name" in mirrors:
        replaced[b"mcp-name"] = encode_mirror(name)
    elif method:
        mirrors.pop(b"mcp-name", None)
    mirrors |= {key: value for key, value in replaced.items() if key in mirrors}
    headers = [
        (key, replaced.get(lower, value))
        for key, value in request.headers
        if (lower := key.lower()) not in (b"mcp-session-id", b"last-event-id")
        and (lower in mirrors or not _repeats(lower))
    ]
    if session:
        headers.append((b"Mcp-Session-Id", session.encode("latin-1")))
    if last_event:
        headers.append((b"Last-Event-ID", last_event))
    return msgspec.structs.replace(
        request, body=body, session=session, headers=headers, mirrors=mirrors, survives=False, origin=request
    )


def _repeats(name: bytes) -> bool:
    return name in (b"mcp-method", b"mcp-name") or name.startswith(b"mcp-param-")


def encode_mirror(name: str) -> bytes:
    """A name as the value of a header that repeats it (MCP 2026-07-28, streamable HTTP: value encoding)."""
    plain = name.isascii() and name.isprintable() and name == name.strip()
    if plain and not (name.startswith("=?base64?") and name.endswith("?=")):
        return name.encode()
    return b"=?base64?" + base64.b64encode(name.encode()) + b"?="


def question_like(message: Message, method: str, number: str, cursor: str | None = None) -> Message:
    """A request of ours on behalf of a client: with the `_meta` of its own, but without a progress token."""
    given = msgspec.json.decode(message.params) if message.params else {}
    meta = {key: value for key, value in (given.get("_meta") or {}).items() if key != "progressToken"}
    params: dict[str, Any] = {"_meta": meta} if meta else {}
    if cursor is not None:
        params["cursor"] = cursor
    return parse_message(msgspec.json.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))


def shared(message: Message, cursor: str | None = None) -> Message:
    """A client's request as it goes to several members: without its progress token, which would be told by all of them
    at once, and at the member's own cursor."""
    top: dict[str, Any] = msgspec.json.decode(message.raw, type=dict[str, msgspec.Raw])
    params: dict[str, Any] = msgspec.json.decode(top.get("params", b"{}"), type=dict[str, msgspec.Raw])
    params.pop("cursor", None)
    if "_meta" in params:
        meta = msgspec.json.decode(params["_meta"], type=dict[str, msgspec.Raw])
        params["_meta"] = {key: value for key, value in meta.items() if key != "progressToken"}
    if cursor is not None:
        params["cursor"] = cursor
    if params or "params" in top:
        top["params"] = params
    return parse_message(msgspec.json.encode(top))


async def ask(member: Member, serving: Awaitable[Outbound], message: Message, own: Own | None = None) -> Said:
    """The member's answer to `message`, which is on its way there."""
    out = await serving
    try:
        if out.events is None:
            return Said(member, _read(out.body, message), out.status, out.headers)
        return await _from_stream(member, out, message, own)
    finally:
        await let_go(out)


async def _from_stream(member: Member, out: Outbound, message: Message, own: Own | None) -> Said:
    assert out.events is not None
    async for raw in out.events:
        data = sse.read_fields(raw).data
        said = _parsed(data) if data else None
        if said is None:
            continue
        if _answers(said, message):
            return Said(member, said, out.status, out.headers)
        if own is not None:
            await own(member, said)
    return Said(member, None, out.status, out.headers)


async def let_go(out: Outbound) -> None:
    """Nobody reads on: the exchange records what is open, and the server is told."""
    if out.cancel is not None:
        out.cancel()
    close = getattr(out.events, "aclose", None)
    if close is not None:
        await close()


def _read(body: bytes, request: Message) -> Message | None:
    """The answer in `body`, which the member's exchange has read before us; None for anything else."""
    said = _parsed(body)
    return said if said is not None and _answers(said, request) else None


def _parsed(body: bytes) -> Message | None:
    try:
        return parse_message(body)
    except BadMessage:
        return None


def _answers(said: Message, request: Message) -> bool:
    return said.kind in ("response", "error") and (said.id is None or said.id == request.id)
