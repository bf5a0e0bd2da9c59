"""Sessions of the older era held as conversations: begun by `initialize`, bound to a principal, over with their server.

To the gateway this looks like a Streamable HTTP server of that era, whatever the conversation is held over.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.stdio import answers
from watchkeeper.gateway.stdio.conversation import Conversation
from watchkeeper.gateway.stdio.fleet import Fleet, Member
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.peer import Peer
from watchkeeper.gateway.upstream import Inbound, Outbound, UpstreamFailed
from watchkeeper.protocol.eras import LEGACY
from watchkeeper.protocol.errors import NO_SUCH_SESSION, UNSUPPORTED_VERSION
from watchkeeper.protocol.message import Message

SESSION = b"mcp-session-id"
_LAST_EVENT = b"last-event-id"


class OlderSessions:
    """One route's."""

    def __init__(
        self,
        fleet: Fleet,
        limits: Limits,
        peer_for: Callable[[Inbound], Peer],
        heard: Callable[[Member, Inbound], None] = lambda *_: None,
    ) -> None:
        """`heard` is told of each message of a session before it is passed on."""
        self._heard = heard
        self._fleet = fleet
        self._limits = limits
        self._peer_for = peer_for
        self._sessions: dict[str, Member] = {}

    async def serve(self, inbound: Inbound, message: Message | None) -> Outbound:
        """Raises what `Upstream.send` raises, and `Full`."""
        if message is not None and message.kind == "request" and message.method == "initialize":
            return await self._open(inbound, message)
        session = inbound.session or header(inbound, SESSION)
        if not session:
            return without_session(message)
        member = self.member_of(session, inbound.principal)
        if member is None:
            return answers.refusal(404, NO_SUCH_SESSION, "there is no such session", message.id if message else None)
        self._heard(member, inbound)
        if inbound.verb == "DELETE":
            await self._fleet.end(member, "the client ended its session")
            return Outbound(204, [])
        if message is None:
            if not takes_events(inbound):
                return answers.not_acceptable()
            return member.conversation.attach(header(inbound, _LAST_EVENT))
        return await pass_on(member.conversation, inbound, message)

    def sessions(self) -> list[tuple[str, Member]]:
        """Every session's id, and its server."""
        return list(self._sessions.items())

    def member_of(self, session: str, principal: str) -> Member | None:
        """An id proves nothing: it is bound to who got it, and it ends with its server."""
        member = self._sessions.get(session)
        if member is None or member.principal != principal or member.conversation.peer.gone.is_set():
            return None
        return member

    async def _open(self, inbound: Inbound, initialize: Message) -> Outbound:
        principal = inbound.principal
        member = await self._fleet.start(principal, "legacy", self._peer_for(inbound))
        try:
            said = await self._initialize(member, initialize)
        except BaseException as error:  # cancelled, too: nobody else knows of this server
            if isinstance(error, Unavailable):
                self._fleet.note(principal, worked=False)
            else:
                self._fleet.let_go(principal)
            await self._fleet.end(member, "it did not answer initialize")
            raise
        self._fleet.note(principal, worked=True)
        if answers.code_in(said.body) is not None:
            await self._fleet.end(member, "it refused initialize")
        return said

    async def _initialize(self, member: Member, initialize: Message) -> Outbound:
        said = await member.conversation.ask(initialize, streams=False, seconds=self._limits.start_seconds)
        peer = member.conversation.peer
        if answers.code_in(said.body) is not None:
            return said
        if peer.gone.is_set():
            raise UpstreamFailed(f"{peer.reason} right after initialize")
        session = secrets.token_urlsafe(32)
        self._sessions[session] = member
        member.on_end = lambda: self._sessions.pop(session)
        said.headers.append((SESSION, session.encode()))
        return said


async def pass_on(conversation: Conversation, inbound: Inbound, message: Message) -> Outbound:
    """A message into a conversation."""
    if message.kind == "request":
        return await conversation.ask(message, streams=takes_events(inbound))
    if message.kind == "notification":
        return await conversation.tell(message)
    return await conversation.reply(message)


def only_older(message: Message) -> Outbound:
    """What a modern request gets where the server speaks the older era: its client begins with `initialize`."""
    data = {"supported": list(LEGACY), "requested": message.version}
    reason = "this server speaks only the older protocol era: begin with initialize"
    return answers.refusal(400, UNSUPPORTED_VERSION, reason, message.id, data)


def busy(reason: str, message: Message | None) -> Outbound:
    """As many run as may."""
    refusal = answers.refusal(503, answers.BUSY, reason, message.id if message else None)
    refusal.headers.append((b"retry-after", b"5"))
    return refusal


def without_session(message: Message | None) -> Outbound:
    """GET without a session: 405, which tells a client of 2024-11-05 that there is no SSE endpoint either."""
    if message is None:
        return answers.method_not_allowed()
    return answers.refusal(400, -32600, "begin with initialize: this request has no Mcp-Session-Id", message.id)


def takes_events(inbound: Inbound) -> bool:
    """Whether the client reads an event stream."""
    accepted = header(inbound, b"accept").lower()
    return "text/event-stream" in accepted or "*/*" in accepted


def header(inbound: Inbound, name: bytes) -> str:
    """The first header of this name; empty without one."""
    return next((value.decode("latin-1") for key, value in inbound.headers if key.lower() == name), "")
