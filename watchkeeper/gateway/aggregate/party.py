"""A session of the older era with an endpoint: one session of ours in front, one with each member behind.

It belongs to the principal that began it, and so do the members' sessions, each on its own route. A member that cannot
be reached at the start, or whose session ends, gets a new one when it is next needed, at the version that was agreed.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.asking import Said, addressed, ask, let_go
from watchkeeper.gateway.aggregate.errands import Errands
from watchkeeper.gateway.aggregate.greeting import Greeting, greeting_in
from watchkeeper.gateway.aggregate.model import Member, Turn
from watchkeeper.gateway.model import Request
from watchkeeper.protocol.eras import LEGACY
from watchkeeper.protocol.message import Message, parse_message

MAX_KEPT = 256
MAX_KEPT_BYTES = 8192
"""Of one subscription or level, and how many, are told again to a member that begins anew."""
PAUSE_SECONDS = 5.0
"""Between two attempts to begin with a member."""
GOODBYE_SECONDS = 10.0
_INITIALIZED = parse_message(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
_VERSION = b"mcp-protocol-version"
_log = logging.getLogger(__name__)
_Key = tuple[str, int | str]


class Seat(msgspec.Struct, eq=False):
    """One member's place."""

    member: Member
    session: str = ""
    """Its own id; empty also when it has none."""
    is_open: bool = False
    greeting: Greeting | None = None
    said: Said | None = None
    """What it answered last to `initialize`."""
    reason: str = "it cannot be reached"
    """Why it is not open."""
    opening: asyncio.Task[None] | None = None
    ask_after: float = 0.0
    kept: dict[str, bytes] = {}
    """What the client set up there (log level, subscriptions), told again to a new session."""

    def keep(self, key: str, body: bytes) -> None:
        """Remember what the client set up; a bounded part of it."""
        if len(body) <= MAX_KEPT_BYTES and (key in self.kept or len(self.kept) < MAX_KEPT):
            self.kept[key] = body

    @property
    def version(self) -> str:
        """What it answered to `initialize`."""
        version = self.greeting.protocol_version if self.greeting is not None else ""
        return version if isinstance(version, str) else ""


class Strands(Protocol):
    """A standing stream of all members."""

    def add(self, seat: Seat) -> None:
        """A member has a session now."""
        ...

    def close(self) -> None:
        """Nobody reads it any more."""
        ...


class Party:
    """One session."""

    def __init__(self, turn: Turn, members: Sequence[Member], heard: Callable[[Said], None]) -> None:
        self.id = secrets.token_urlsafe(32)
        self.principal = turn.request.principal
        self.client = turn.client
        self.version = ""
        """The agreed one; empty until the members have answered."""
        self.is_ready = False
        """The client has said that it is initialized."""
        self.seats = {member.name: Seat(member) for member in members}
        self.errands = Errands()
        """What the members have asked the client."""
        self._open_requests: dict[_Key, tuple[Member, ...]] = {}
        self._initialize = turn.message
        self._template = msgspec.structs.replace(turn.request, session=self.id)  # events of what we ask have it
        self.standing: Strands | None = None
        """The client's standing stream, while it has one."""
        self._heard = heard
        self._numbers = itertools.count(1)

    def used_by(self, request: Request) -> None:
        """Whoever uses the session last is who asks its members from now on: a token may have been renewed."""
        if request.caller is not self._template.caller or request.credential is not self._template.credential:
            self._template = msgspec.structs.replace(
                self._template, caller=request.caller, credential=request.credential
            )

    # -- members' sessions

    async def seat(self, member: Member, seconds: float, message: Message | None = None) -> Seat:
        """The member's place, with a session if it gave one within so many seconds; `is_open` says so.

        Beginning goes on when nobody waits for it any more: a server may be slow to start.
        """
        seat = self.seats[member.name]
        if seat.is_open:
            return seat
        loop = asyncio.get_running_loop()
        if seat.opening is None or (seat.opening.done() and loop.time() >= seat.ask_after):
            seat.opening = loop.create_task(self._open(seat, message or self._initialize_again()))
            seat.opening.add_done_callback(_look_at)
        await asyncio.wait({seat.opening}, timeout=seconds)
        if not seat.opening.done():
            seat.reason = "it has not answered yet"
        return seat

    def lost(self, seat: Seat, session: str) -> None:
        """The member does not know this session any more."""
        if seat.session == session:
            seat.is_open, seat.session, seat.ask_after, seat.opening = False, "", 0.0, None

    async def agree(self, seconds: float) -> None:
        """One version with all members: the oldest that one of them answered; the others are asked for it again."""
        offered = {seat.member.name: seat.version for seat in self.seats.values() if seat.is_open}
        self.version = min((version for version in offered.values() if version in LEGACY), key=LEGACY.index, default="")
        others = [self.seats[name] for name, version in offered.items() if version != self.version]
        await asyncio.gather(*(self._begin_again(seat, seconds) for seat in others))

    async def _begin_again(self, seat: Seat, seconds: float) -> None:
        await self._end(seat)
        self.lost(seat, seat.session)
        if self.version:
            await self.seat(seat.member, seconds)
        else:
            seat.reason = "it speaks no version of the protocol that is carried here"

    async def leave(self) -> None:
        """End every member's session."""
        if self.standing is not None:
            self.standing.close()
        for seat in self.seats.values():
            if seat.opening is not None and not seat.opening.done():
                seat.opening.cancel()
        await asyncio.gather(*(self._end(seat) for seat in self.seats.values()))

    def request(self, seat: Seat, verb: str, body: bytes = b"", last_event: bytes = b"") -> Request:
        """A request of ours in this session, for a member."""
        headers = [pair for pair in self._template.headers if pair[0].lower() != _VERSION]
        if verb != "POST":
            headers = [pair for pair in headers if pair[0].lower() not in (b"content-type", b"accept")]
            headers.append((b"Accept", b"text/event-stream"))
        version = self.version or self._template.version
        if version:
            headers.append((b"MCP-Protocol-Version", version.encode()))
        plain = msgspec.structs.replace(self._template, verb=verb, headers=headers, version=version)
        return addressed(plain, body, session=seat.session, last_event=last_event)

    async def _open(self, seat: Seat, message: Message) -> None:
        was_open = seat.greeting is not None
        try:
            first = addressed(self._template, message.raw, session="")
            said = await ask(seat.member, seat.member.serve(first), message)
            self._heard(said)
            self._seated(seat, said)
            if seat.session and not seat.is_open:
                await self._end(seat)
                seat.session = ""
            if seat.is_open and self.is_ready:
                await self.tell(seat, _INITIALIZED.raw)
                if was_open:
                    await self._set_up_again(seat)
        finally:
            seat.ask_after = asyncio.get_running_loop().time() + PAUSE_SECONDS
        if seat.is_open and self.standing is not None:
            self.standing.add(seat)

    def _seated(self, seat: Seat, said: Said) -> None:
        greeting = greeting_in(said.result) if said.result else None
        seat.said, seat.reason = said, said.reason
        if greeting is None:
            return
        minted = next((value for name, value in said.headers if name.lower() == b"mcp-session-id"), b"")
        seat.session = minted.decode("latin-1")
        seat.greeting = greeting
        seat.is_open = not self.version or greeting.protocol_version == self.version
        seat.reason = "" if seat.is_open else f"it does not speak {self.version}"

    def _initialize_again(self) -> Message:
        edits: list[tuple[edit.Path, bytes]] = [(("id",), msgspec.json.encode(self.own_id()))]
        if self.version:
            edits.append((("params", "protocolVersion"), msgspec.json.encode(self.version)))
        return parse_message(edit.changed(self._initialize.raw, edits))

    async def tell(self, seat: Seat, body: bytes) -> int:
        """Pass a notification or a response on; the status that the member gave it."""
        out = await seat.member.serve(self.request(seat, "POST", body))
        await let_go(out)
        return out.status

    async def _set_up_again(self, seat: Seat) -> None:
        for body in list(seat.kept.values()):
            again = parse_message(edit.changed(body, [(("id",), msgspec.json.encode(self.own_id()))]))
            await ask(seat.member, seat.member.serve(self.request(seat, "POST", again.raw)), again)

    async def _end(self, seat: Seat) -> None:
        if not seat.session:
            return
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await let_go(await seat.member.serve(self.request(seat, "DELETE")))
        except TimeoutError:
            return  # its idle limit ends it

    # -- the client's open requests

    def began(self, request: Message, members: tuple[Member, ...]) -> None:
        """A request is on its way to these members."""
        if request.id is not None:
            self._open_requests[type(request.id).__name__, request.id] = members

    def ended(self, request: Message) -> None:
        """It is answered."""
        if request.id is not None:
            self._open_requests.pop((type(request.id).__name__, request.id), None)

    def concerned(self, cancelled: Message) -> tuple[Member, ...]:
        """Whom a `notifications/cancelled` of the client is for: those who work on that request."""
        value = edit.value_at(cancelled.raw, ("params", "requestId"))
        wanted = msgspec.json.decode(value) if value is not None else None
        return self._open_requests.get((type(wanted).__name__, wanted), ()) if isinstance(wanted, int | str) else ()

    def own_id(self) -> str:
        """The id of a request of ours; no client's, and never used twice."""
        return f"wk-{self.id[:8]}-{next(self._numbers)}"


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("a session with a member could not be begun", exc_info=task.exception())
