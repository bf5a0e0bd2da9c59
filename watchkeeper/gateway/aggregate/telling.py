"""A member's events as the endpoint's client sees them: the member's own messages, under names and ids of ours.

Every event has been judged on the member's route. An event's id becomes one that also says whose it is, so that
`Last-Event-ID` finds its way back: of one member on the stream that answers a call, of all of them on the merged stream
(MCP 2025-11-25 basic/transports, resumability).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.model import Member
from watchkeeper.gateway.aggregate.party import Party
from watchkeeper.gateway.stdio.stream import event_of
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol import sse
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.message import Message, parse_message

OF_A_CALL = "c"
OF_ALL = "a"
_LONGEST_ID = 4096
"""A longer one would not come back in a header; the client then resumes at an earlier event."""


class Told(msgspec.Struct, frozen=True):
    """How the events of one member are told to one client."""

    member: Member
    party: Party | None
    """None in the modern era, which has no sessions, and whose servers ask nothing by themselves."""
    shown: Callable[[bytes], bytes]
    """A response or error as the client sees it."""
    noted: Callable[[Member, Message], None]
    """Told of each notification."""

    def message(self, message: Message) -> bytes | None:
        """A judged message for the client; None when it is not for it."""
        if message.kind in ("response", "error"):
            return self.shown(message.raw)
        if message.kind == "request":
            return self.party.errands.ask(self.member, message) if self.party is not None else None
        self.noted(self.member, message)
        if message.method == "notifications/cancelled" and self.party is not None:
            return self.party.errands.withdraw(self.member, message)
        return edit.note_from_member(message, self.member.name)

    def event(self, raw: bytes, event_id: Callable[[str], str]) -> bytes:
        """An event for the client, empty when nothing is left of it; `event_id` makes our id of the member's."""
        fields = sse.read_fields(raw)
        new_id = None if fields.id is None else _fit(event_id(fields.id.decode("latin-1")))
        if not fields.data:
            return raw if fields.id is None else _retold(raw, None, new_id)
        try:
            message = parse_message(fields.data)
        except BadMessage:
            return b""  # what could not be read was withheld before
        data = self.message(message)
        if data is None:
            return b"" if new_id is None else b"id: " + new_id + b"\n\n"
        if data == fields.data and fields.id is None:
            return raw
        return _retold(raw, data, new_id)


async def retold(out: Outbound, told: Told) -> AsyncIterator[bytes]:
    """The events of a call's answer."""
    assert out.events is not None
    try:
        async for raw in out.events:
            event = told.event(raw, lambda own: id_of(OF_A_CALL, {told.member.name: own}))
            if event:
                yield event
    finally:
        close = getattr(out.events, "aclose", None)
        if close is not None:
            await close()


def id_of(kind: str, own: Mapping[str, str]) -> str:
    """Our event id for the last ids of these members."""
    return kind + base64.urlsafe_b64encode(msgspec.json.encode(own)).rstrip(b"=").decode()


def read_id(text: str) -> tuple[str, dict[str, str]] | None:
    """The kind of one of our event ids, and the members' own; None when it is none of ours."""
    kind, coded = text[:1], text[1:]
    if kind not in (OF_A_CALL, OF_ALL) or not coded.isascii():
        return None
    try:
        own = msgspec.json.decode(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)), type=dict[str, str])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
    return (kind, own) if own and all(map(_is_plain, own.values())) else None


def as_event(data: bytes) -> bytes:
    """A message as one event, such that no client finds another event, or another field, in it."""
    return sse.without_odd_breaks(event_of(_on_one_line(data)))


def _is_plain(event_id: str) -> bool:
    """Whether it fits a header as it stands."""
    return bool(event_id) and event_id.isprintable() and event_id == event_id.strip() and max(event_id) < "\u0100"


def _on_one_line(data: bytes) -> bytes:
    """JSON has line breaks between its tokens only."""
    return data.replace(b"\n", b" ").replace(b"\r", b" ")


def _fit(event_id: str) -> bytes | None:
    return event_id.encode() if len(event_id) <= _LONGEST_ID else None


def _retold(raw: bytes, data: bytes | None, event_id: bytes | None) -> bytes:
    """The event with other data and another id, its comments and other fields as they were."""
    lines: list[bytes] = []
    if event_id is not None:
        lines.append(b"id: " + event_id + b"\n")
    is_told = data is None
    for line in raw.removeprefix(sse.BYTE_ORDER_MARK).splitlines():
        field = line.partition(b":")[0]
        if field == b"id" or not line:
            continue
        if field != b"data" or data is None:
            lines.append(line + b"\n")
        elif not is_told:
            lines.append(b"data: " + _on_one_line(data) + b"\n")
            is_told = True
    return sse.without_odd_breaks(b"".join(lines) + b"\n")
