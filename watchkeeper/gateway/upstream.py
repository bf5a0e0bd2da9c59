"""What an upstream is to an exchange: something that takes one inbound message and gives one answer or stream.

Two kinds implement it: the keep-alive pool for HTTP (`gateway.pool`) and spawned servers (`gateway.stdio`). Neither
decides anything, and neither changes a byte of a message. Both raise `UpstreamFailed` when the server cannot be reached
or breaks off, `UpstreamSilent` when it does not answer in time.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, runtime_checkable

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.secrets import Secret
from watchkeeper.protocol.message import Message

Headers = list[tuple[bytes, bytes]]
"""Names and values as received, in order."""


class UpstreamFailed(Unavailable):
    """The server refused the connection, or broke off before it had answered."""

    code = "upstream_failed"
    reached: bool = True
    """Whether there was a connection at all."""


class UpstreamSilent(Unavailable):
    """The server did not answer in time."""

    code = "upstream_silent"
    reached: bool = True


class UpstreamBusy(Unavailable):
    """The server was not asked: it is given a rest, or as many calls are under way to it as may be."""

    code = "upstream_busy"

    def __init__(self, reason: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.retry_after = max(1, math.ceil(retry_after))
        """Whole seconds."""


class Inbound(msgspec.Struct):
    """A client's message on its way to the server. The client's credential is in none of its headers."""

    verb: str
    """`POST`, `GET` or `DELETE`."""
    headers: Headers
    """End-to-end headers only, without the client's credential, `Host`, `Content-Length`."""
    body: bytes
    message: Message | None
    """What the body says; None for GET and DELETE, which have none."""
    principal: str
    era: str
    """`modern` or `legacy`."""
    session: str = ""
    """The older era's `Mcp-Session-Id`, already known to belong to the principal."""
    credential: Secret | None = None
    """The client's `Authorization`, on routes that keep it. Not to be forwarded but by `gateway.credentials`."""


class Outbound(msgspec.Struct):
    """A server's answer on its way to the client."""

    status: int
    headers: Headers
    body: bytes = b""
    events: AsyncIterator[bytes] | None = None
    """One raw server-sent event an item, its blank line included; None when `body` is the whole answer."""
    cancel: Callable[[], None] | None = None
    """Tells the upstream that nobody waits any more. May be called at any time, more than once."""
    farewell: bytes | None = None
    """How a stream that has no end of its own ends when we stop: its last event, or nothing but its end. None where the
    stream is a call's answer, which is waited for."""


class Farewell(msgspec.Struct, frozen=True):
    """What a client is told whose request is given up on our side."""

    answer: Outbound
    """Where no answer has begun."""
    event: bytes = b""
    """The last one of a stream of events that has; empty for a stream that just ends."""


class Upstream(Protocol):
    """A real MCP server, however it is reached."""

    async def send(self, inbound: Inbound) -> Outbound:
        """Pass a message on. Cancelling the call means that the client went away. Raises `Unavailable`."""
        ...

    async def close(self) -> None:
        """Let go of every connection or process."""
        ...


@runtime_checkable
class Overheard(Protocol):
    """An upstream that hears notifications which it passes on to nobody, when no client listens."""

    def overhear(self, told: Callable[[str], None]) -> None:
        """From now on tell each notification's method."""
        ...


class Hosted(msgspec.Struct, frozen=True):
    """A server that we started, and whom it serves."""

    pid: int
    principal: str
    era: str
    session: str = ""
    """The id of the older era's session that it is."""


@runtime_checkable
class Houses(Protocol):
    """An upstream that starts servers of its own."""

    def hosted(self) -> list[Hosted]:
        """Those that run now."""
        ...

    async def expel(self, hosted: Hosted, reason: str) -> None:
        """End it with all that it started; returns when it is gone."""
        ...


@runtime_checkable
class Isolates(Protocol):
    """An upstream whose servers can be kept from the network."""

    async def isolate(self, *, is_offline: bool) -> None:
        """Start its servers without the network from now on, or with it again; those that run otherwise are ended."""
        ...

    async def try_network(self) -> str:
        """Have a program in their sandbox connect to a port that listens: `connected`, or why it could not.

        Raises `Unavailable` when that could not be tried.
        """
        ...


@runtime_checkable
class Renews(Protocol):
    """An upstream that reaches servers it did not start."""

    def renew(self) -> None:
        """Reach them anew from now on: no connection that rests is used again."""
        ...


@runtime_checkable
class Stands(Protocol):
    """An upstream that can say how it stands, for `watchkeeper status`."""

    def standing(self) -> dict[str, Any]:
        """Breakers that are not closed, and what is in use."""
        ...
