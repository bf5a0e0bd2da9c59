"""What an exchange needs from others: somebody who judges, somebody who knows the clients, somebody who remembers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, runtime_checkable

from watchkeeper.events.model import Event
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.lookout.freshness import Freshness
from watchkeeper.gateway.model import Request, Route, Ruling
from watchkeeper.gateway.revocations.model import Barred
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol.message import Message

LISTINGS = frozenset(
    {
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "initialize",
        "server/discover",
    }
)
"""Methods whose answers hold definitions or instructions; they go to `Guard.on_listing`."""


class UnderWay:
    """A request that was passed on and waits for its answer, without a task."""

    __slots__ = ()

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        raise NotImplementedError


Answered = Callable[[Outbound | Coroutine[Any, Any, Outbound]], None]
"""Told an answer, or what has to be awaited before there is one."""
Begin = Callable[[Request, Answered], Outbound | Coroutine[Any, Any, Outbound] | UnderWay]
"""Begins to serve an admitted request: the answer, if it is there at once; what has to be awaited for it; or what is
under way, and then the second argument is told later. Cancelling the awaited means that the client went away."""


class Guard(Protocol):
    """Judges every message. Total: it never raises, a failure of its own is a denial."""

    def on_request(
        self, route: Route, principal: str, message: Message, marks: tuple[str, ...] | None = None, session: str = ""
    ) -> Ruling:
        """A client's request, notification or response; `session` is one of the older era. Memory only.

        `marks` are the caller's groups as its credential says (`Caller.marks`); here and below, None asks the settings.
        """
        ...

    def needs_listing(self, route: Route, principal: str, message: Message, session: str = "") -> bool:
        """Whether what this call uses was never listed, or changed since by its server's word, so that judging it asks
        for a listing first. Memory only.
        """
        ...

    def needs_values(self, principal: str, message: Message) -> bool:
        """Whether a message that may hold placeholders waits for `fetch_values` before it is judged. Memory only."""
        ...

    async def fetch_values(self, principal: str, message: Message) -> None:
        """Bring what a message's placeholders stand for into memory; may touch the database, in a thread."""
        ...

    async def kept(self, route: Route, principal: str, ruling: Ruling) -> Ruling:
        """The ruling on a message with a `change` once the message may leave, or a denial; may wait for the disk."""
        ...

    @property
    def freshness(self) -> Freshness:
        """When each server's definitions were last looked at."""
        ...

    def schema_of(self, route: Route, tool: str) -> bytes | None:
        """The pinned tool's input schema as raw JSON; None when there is none. Memory only."""
        ...

    def on_answer(
        self, route: Route, principal: str, request: Message, answer: Message, marks: tuple[str, ...] | None = None
    ) -> Ruling:
        """The answer to a request that is not a listing. Memory only."""
        ...

    async def on_listing(
        self, route: Route, principal: str, request: Message, answer: Message, marks: tuple[str, ...] | None = None
    ) -> Ruling:
        """The answer to one of `LISTINGS`; may touch the database, in a thread."""
        ...

    def on_server_message(
        self, route: Route, principal: str, message: Message, marks: tuple[str, ...] | None = None
    ) -> Ruling:
        """A server's own notification or request, on a response stream or a GET stream. Memory only."""
        ...


@runtime_checkable
class KeepsSessions(Protocol):
    """A guard that knows orders under which a session's state is kept."""

    def keeps(self, route: Route, principal: str, session: str) -> Ruling | None:
        """Why this session may not be ended by its client; None when it may. Memory only."""
        ...


class Identities(Protocol):
    """Knows which bearer token is whose."""

    def caller_of(self, authorization: bytes) -> Caller | None:
        """Who sends this value of an `Authorization` header; None when it is nobody's. Memory only."""
        ...

    def named(self, principal: str) -> Caller | None:
        """The client of that name, whatever its token; None when there is none now. Memory only."""
        ...


class Revoked(Protocol):
    """Knows which tokens of authorization servers are refused although they have not expired."""

    @property
    def now(self) -> Barred:
        """The list as it is. Memory only; another one when anything has changed."""
        ...


class Recorder(Protocol):
    """The journal, as far as the data path uses it."""

    @property
    def healthy(self) -> bool:
        """False when events cannot be stored now."""
        ...

    def append(self, event: Event) -> int:
        """Take an event; raises `Unavailable`."""
        ...

    async def durable(self, index: int) -> None:
        """Return once the event is on disk; raises `Unavailable`."""
        ...
