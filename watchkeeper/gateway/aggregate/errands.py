"""What members ask a client of their own accord, under numbers of ours.

Two members' requests may have the same id, and their progress the same token. So the client sees numbers that belong to
one request each, and its answers, and its reports of progress, find their way back by them. Bounded. No I/O.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict

import msgspec

from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.model import Member
from watchkeeper.protocol.message import Message

MAX_ASKED = 1024
"""Requests of members that wait for the client's answer."""


class Errands:
    """Of one session."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._asked: OrderedDict[int, tuple[Member, bytes]] = OrderedDict()
        self._tokens: OrderedDict[int, tuple[Member, bytes]] = OrderedDict()

    def ask(self, member: Member, request: Message) -> bytes:
        """A member's request as the client sees it. Of too many that wait for an answer the oldest is forgotten."""
        if len(self._asked) >= MAX_ASKED:
            self._asked.popitem(last=False)
        number = next(self._numbers)
        self._asked[number] = (member, msgspec.json.encode(request.id))
        edits: list[tuple[edit.Path, bytes]] = [(("id",), b"%d" % number)]
        token = edit.value_at(request.raw, edit.TOKEN)
        if token is not None:
            self._tokens[number] = (member, token)
            edits.append((edit.TOKEN, b"%d" % number))
            if len(self._tokens) > MAX_ASKED:
                self._tokens.popitem(last=False)
        return edit.note_from_member(request, member.name, edits)

    def withdraw(self, member: Member, note: Message) -> bytes | None:
        """A member takes a request of its own back; None when it has none that is open."""
        wanted = edit.value_at(note.raw, ("params", "requestId"))
        for number, (owner, its_id) in self._asked.items():
            if owner is member and its_id == wanted:
                del self._asked[number]
                return edit.note_from_member(note, member.name, [(("params", "requestId"), b"%d" % number)])
        return None

    def answered(self, response: Message) -> tuple[Member, bytes] | None:
        """Whose request the client answers, and the answer with the member's id; None when nobody asked."""
        asked = self._asked.pop(response.id, None) if type(response.id) is int else None
        if asked is None:
            return None
        member, its_id = asked
        return member, edit.to_member(response, member.name, [(("id",), its_id)])

    def progressed(self, note: Message) -> tuple[Member, bytes] | None:
        """Whose request the client reports progress of, and the report with the member's token."""
        token = edit.value_at(note.raw, ("params", "progressToken"))
        known = self._tokens.get(int(token)) if token is not None and token.isdigit() and len(token) < 19 else None
        if known is None:
            return None
        member, its_token = known
        path: edit.Path = ("params", "progressToken")
        return member, edit.to_member(note, member.name, [(path, its_token)])
