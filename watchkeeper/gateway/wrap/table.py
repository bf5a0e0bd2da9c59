"""What is open between a client and a server: requests either has sent and the other has not answered. No I/O.

Two open requests of one sender never share an id (MCP basic/index#requests); 1 and "1" are two ids.
"""

from __future__ import annotations

import msgspec

from watchkeeper.gateway.limits.gate import Held
from watchkeeper.gateway.record import Call
from watchkeeper.protocol.message import Message

MAX_ASKED = 1024
"""Requests of a server that may wait for the client at once."""
_LISTEN = "subscriptions/listen"

Id = int | str


class Open(msgspec.Struct):
    """A client's request that was passed on."""

    call: Call
    held: Held | None
    silent_until: float
    """When it is given up unless something is heard of it."""
    ceiling: float
    token: Id | None = None
    """By which the server reports its progress."""


class _Meta(msgspec.Struct):
    progress_token: Id | None = msgspec.field(name="progressToken", default=None)


class _Params(msgspec.Struct):
    meta: _Meta | None = msgspec.field(name="_meta", default=None)
    progress_token: Id | None = msgspec.field(name="progressToken", default=None)
    request_id: Id | None = msgspec.field(name="requestId", default=None)


_params = msgspec.json.Decoder(_Params).decode


class Table:
    """One session's."""

    def __init__(self, silence: float, ceiling: float) -> None:
        self._silence = silence
        self._ceiling = ceiling
        self._open: dict[tuple[type, Id], Open] = {}
        self._asked: set[tuple[type, Id]] = set()
        self._held: set[tuple[type, Id]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def knows(self, request_id: Id | None) -> bool:
        """Whether a client's request of this id is open, or held."""
        key = (type(request_id), request_id)
        return request_id is not None and (key in self._open or key in self._held)

    def hold(self, request_id: Id) -> None:
        """A client's request waits here and is not passed on yet."""
        self._held.add((type(request_id), request_id))

    def let_go(self, request_id: Id) -> None:
        """It waits no more."""
        self._held.discard((type(request_id), request_id))

    def begin(self, call: Call, held: Held | None, now: float) -> None:
        """A client's request is about to be passed on."""
        assert call.message.id is not None
        is_endless = call.message.method == _LISTEN
        until = float("inf") if is_endless else now + min(self._silence, self._ceiling)
        ceiling = float("inf") if is_endless else now + self._ceiling
        meta = _read(call.message).meta
        token = meta.progress_token if meta is not None else None
        self._open[type(call.message.id), call.message.id] = Open(call, held, until, ceiling, token)

    def end(self, request_id: Id | None) -> Open | None:
        """It is over; None when no such request is open."""
        return self._open.pop((type(request_id), request_id), None) if request_id is not None else None

    def all(self) -> list[Open]:
        """Every open request, the oldest first."""
        return list(self._open.values())

    def progressed(self, notification: Message, now: float) -> None:
        """A server reported progress: that request's silence begins anew, below its ceiling."""
        token = _read(notification).progress_token
        for one in self._open.values() if token is not None else ():
            if type(one.token) is type(token) and one.token == token:
                one.silent_until = min(now + self._silence, one.ceiling)

    def late(self, now: float) -> list[Open]:
        """Requests whose time is up."""
        return [one for one in self._open.values() if now >= one.silent_until]

    # -- requests of the server

    def ask(self, request_id: Id) -> bool:
        """A server's request goes to the client. False when its id is open, or too many are."""
        key = (type(request_id), request_id)
        if key in self._asked or len(self._asked) >= MAX_ASKED:
            return False
        self._asked.add(key)
        return True

    def answered(self, request_id: Id | None) -> bool:
        """The client answers, or the server takes it back. False when nobody asked."""
        key = (type(request_id), request_id)
        if request_id is None or key not in self._asked:
            return False
        self._asked.discard((type(request_id), request_id))
        return True


def named_in(cancellation: Message) -> Id | None:
    """The request that a `notifications/cancelled` is about."""
    return _read(cancellation).request_id


def _read(message: Message) -> _Params:
    try:
        return _params(message.params) if message.params else _Params()
    except msgspec.MsgspecError:
        return _Params()
