"""An endpoint's members and what its rooms share about them: sessions, eras, owners, seal, journal.

Every message to a member goes out through `send`: with a session of that member in the older era, once more if the
member has forgotten it, and never as anybody but the client's principal.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.gateway.aggregate.asking import Own, Said, addressed, ask, let_go
from watchkeeper.gateway.aggregate.model import Endpoint, LeftOut, Member, NotServed, Serve, Turn
from watchkeeper.gateway.aggregate.names import Names
from watchkeeper.gateway.aggregate.owners import Owners
from watchkeeper.gateway.aggregate.pages import Collision
from watchkeeper.gateway.aggregate.parties import Parties
from watchkeeper.gateway.aggregate.party import Party, Seat
from watchkeeper.gateway.aggregate.seal import Seal
from watchkeeper.gateway.aggregate.standing import Standing
from watchkeeper.gateway.model import Request
from watchkeeper.gateway.ports import Recorder
from watchkeeper.gateway.record import LONGEST, Chronicle
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol.eras import MODERN
from watchkeeper.protocol.errors import UPSTREAM_FAILED
from watchkeeper.protocol.message import CLIENT_KEY, VERSION_KEY, Message, parse_message

LEFT_OUT = "endpoint.left-out"
QUIET_SECONDS = 60.0
"""The same fact is noted once in so many."""
MAX_NOTED = 1024
MAX_NAMES = 20
"""Named in one event; the others are counted."""
DISCOVER = "server/discover"
_PROBE = {
    VERSION_KEY: MODERN[-1],
    CLIENT_KEY: {"name": "watchkeeper", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_log = logging.getLogger(__name__)


class Visit(Turn, frozen=True, eq=False):
    """A message, and the session it came in."""

    party: Party | None = None
    """None in the modern era."""


class Company:
    """One endpoint's."""

    def __init__(
        self, endpoint: Endpoint, serves: Mapping[str, Serve], *, journal: Recorder, clock: Clock, max_sessions: int
    ) -> None:
        self.endpoint = endpoint
        self.members = tuple(Member(name, prefix, serves[name]) for name, prefix in endpoint.prefixes.items())
        self.by_name = {member.name: member for member in self.members}
        self.names = Names(self.members, endpoint.only, endpoint.hide)
        self.seal = Seal(endpoint.key or secrets.token_bytes(32))
        self.standing = Standing(self.members)
        self.owners = Owners(self.members)
        self.parties = Parties(max_sessions)
        self.chronicle = Chronicle(endpoint.route, journal, clock)
        self.clock = clock
        self._numbers = itertools.count(1)
        self._mine = secrets.token_hex(4)
        self._noted: dict[tuple[str, ...], float] = {}
        self._probes: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Nothing is asked any more."""
        for task in self._probes.values():
            task.cancel()
        await asyncio.gather(*self._probes.values(), return_exceptions=True)
        await self.parties.close()

    # -- to a member

    async def send(
        self, visit: Visit, member: Member, body: bytes, *, method: str = "", name: str | None = None
    ) -> Outbound:
        """Put a message to a member, in the client's session there. Raises `NotServed` when it has none."""
        if visit.party is None:
            self._require_modern(member)
            return await member.serve(addressed(visit.request, body, session="", method=method, name=name))
        seat = await self._seat(visit.party, member)
        session = seat.session
        out = await member.serve(addressed(visit.request, body, session=session, method=method, name=name))
        if out.status != 404 or not session:
            return out
        await let_go(out)
        visit.party.lost(seat, session)
        seat = await self._seat(visit.party, member)
        out = await member.serve(addressed(visit.request, body, session=seat.session, method=method, name=name))
        if out.status == 404:  # to the client that would say that its own session is over
            await let_go(out)
            raise _left_out(member, "it does not keep its session")
        return out

    async def put(
        self, visit: Visit, member: Member, message: Message, own: Own | None = None, *, method: str = ""
    ) -> Said:
        """The member's answer to a request; never raises but for cancellation."""
        try:
            async with asyncio.timeout(self.endpoint.member_seconds):
                return await ask(member, self.send(visit, member, message.raw, method=method), message, own)
        except TimeoutError:
            return Said(member, status=504)
        except NotServed as error:
            return Said(member, note=error.reason)

    def own_id(self) -> str:
        """The id of a request of ours."""
        return f"wk-{self._mine}-{next(self._numbers)}"

    async def _seat(self, party: Party, member: Member) -> Seat:
        seat = await party.seat(member, self.endpoint.member_seconds)
        if not seat.is_open:
            raise _left_out(member, seat.reason)
        return seat

    def _require_modern(self, member: Member) -> None:
        if member in self.standing.lacking("modern"):
            raise _left_out(member, "it does not speak this protocol era; it is served on its own port")

    # -- who speaks which era

    async def learn_eras(self, visit: Visit) -> None:
        """Ask members which were not asked lately whether they speak the modern era; wait only for a first answer."""
        loop = asyncio.get_running_loop()
        for member in self.standing.to_ask(loop.time()):
            running = self._probes.get(member.name)
            if running is None or running.done():
                self._probes[member.name] = task = loop.create_task(self._probe(visit.request, member))
                task.add_done_callback(_look_at)
        if firsts := [self._probes[m.name] for m in self.members if self.standing.is_new(m) and m.name in self._probes]:
            await asyncio.wait(firsts)

    async def _probe(self, request: Request, member: Member) -> None:
        loop = asyncio.get_running_loop()
        message = _discover(self.own_id())
        headers = [pair for pair in request.headers if not pair[0].lower().startswith(b"mcp-")]
        headers += [(b"MCP-Protocol-Version", MODERN[-1].encode()), (b"Mcp-Method", DISCOVER.encode())]
        mirrors = {b"mcp-method": DISCOVER.encode()}
        asked = msgspec.structs.replace(
            request, verb="POST", version=MODERN[-1], session="", headers=headers, mirrors=mirrors, body=message.raw
        )
        try:
            async with asyncio.timeout(self.endpoint.member_seconds):
                said = await ask(member, member.serve(asked), message)
        except TimeoutError:
            said = Said(member, status=504)
        self.standing.learn_discovered(said, loop.time())

    # -- what is remembered

    def left_out(self, visit: Turn, gone: list[LeftOut]) -> None:
        """Members are missing from an answer."""
        for one in gone:
            if self._is_news("left-out", one.server, one.reason):
                self._note(visit, "gateway.endpoint.narrowed", member=one.server, reason=one.reason)

    def collided(self, visit: Turn, collisions: list[Collision]) -> None:
        """Entries were not listed because of others: one fact for each member and reason, however many they are."""
        grouped: dict[tuple[str, str], list[str]] = {}
        for one in collisions:
            grouped.setdefault((one.server, one.why), []).append(one.name[:LONGEST])
        for (server, why), names in grouped.items():
            shown = names[:MAX_NAMES]
            if self._is_news("collided", server, why, *shown):
                body = {"member": server, "names": shown, "count": len(names), "reason": why}
                self._note(visit, "gateway.endpoint.collided", **body)

    def _note(self, visit: Turn, kind: str, **body: Any) -> None:
        self.chronicle.note(
            kind, actor=visit.request.principal, era=visit.era, method=visit.message.method[:LONGEST], **body
        )

    def _is_news(self, *fact: str) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._noted.get(fact, float("-inf")) < QUIET_SECONDS:
            return False
        if len(self._noted) >= MAX_NOTED:
            self._noted.clear()
        self._noted[fact] = now
        return True


def _left_out(member: Member, reason: str) -> NotServed:
    return NotServed(LEFT_OUT, f"{member.name} is not available here: {reason}", rpc_code=UPSTREAM_FAILED)


def _discover(number: str) -> Message:
    body = {"jsonrpc": "2.0", "id": number, "method": DISCOVER, "params": {"_meta": _PROBE}}
    return parse_message(msgspec.json.encode(body))


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("a member could not be asked for its era", exc_info=task.exception())


Finish = Callable[[list[Said]], bytes]
"""One answer's body from all that was said."""
Asks = list[Coroutine[Any, Any, Said]]
