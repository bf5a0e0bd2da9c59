"""A message that is for one member: found by its name, its URI, its task, or because the client names the member."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.asking import let_go, question_like
from watchkeeper.gateway.aggregate.company import Company, Visit
from watchkeeper.gateway.aggregate.model import METHOD_NOT_FOUND, SERVER, Member, NotServed
from watchkeeper.gateway.aggregate.owners import Shelf, links_in, shelf
from watchkeeper.gateway.aggregate.pages import LISTED, page_in
from watchkeeper.gateway.aggregate.telling import Told, retold
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol.message import NAMED_BY, Message

STATE = "endpoint.state"
UNKNOWN = "endpoint.unknown"
UNROUTED = "endpoint.unrouted"
STATE_MICROSECONDS = 3_600_000_000
MAX_PAGES = 50
"""Of a member's resources, listed to learn whose a URI is."""
_MEANT: edit.Path = ("params", "_meta", SERVER)
_WITH_STATE = frozenset({"tools/call", "prompts/get", "resources/read"})
_NOT_OURS = frozenset({b"mcp-session-id"})
"""A member's headers that would mean something else here."""


class _State(msgspec.Struct, frozen=True, array_like=True):
    """What a sealed state holds."""

    own: str
    """The member's, unchanged."""
    until: int


class Target(msgspec.Struct, frozen=True, eq=False):
    """Which member, and how the message has to change for it."""

    member: Member
    edits: list[tuple[edit.Path, bytes]] = []
    name: str | None = None
    """What it is about there; None when that stays."""


class Single:
    """Messages for one member of an endpoint."""

    def __init__(self, company: Company) -> None:
        self._company = company

    async def serve(self, visit: Visit) -> Outbound:
        """Bring a request or notification to its member and the answer back. Raises `NotServed`."""
        message = visit.message
        target = await self._target(visit)
        edits = list(target.edits)
        edits += self._opened_state(visit, target)
        body = edit.to_member(message, target.member.name, edits)
        if visit.party is not None:
            visit.party.began(message, (target.member,))
        out: Outbound | None = None
        try:
            out = await self._company.send(visit, target.member, body, name=target.name)
        finally:
            if visit.party is not None and (out is None or out.events is None):
                visit.party.ended(message)
        self._keep(visit, target, out)
        return self._shown(visit, target, out)

    # -- whose it is

    async def _target(self, visit: Visit) -> Target:
        message, names = visit.message, self._company.names
        meant = self._meant(visit)
        method = message.method
        if method in ("tools/call", "prompts/get"):
            find = names.tool_owner if method == "tools/call" else names.owner
            member, name = find(message.name)
            return Target(member, [edit.named(method, name)], name)
        if method.startswith("tasks/") and method in NAMED_BY:
            return self._of_task(message)
        if method == "completion/complete":
            return await self._of_reference(visit, meant)
        if method in NAMED_BY:
            return Target(meant or await self.owner(visit, message.name))
        if meant is None:
            reason = f"no server of this endpoint is named; say which one is meant in params._meta[{SERVER!r}]"
            raise NotServed(UNROUTED, f"unknown method: {reason}", rpc_code=METHOD_NOT_FOUND)
        return Target(meant)

    def _meant(self, visit: Visit) -> Member | None:
        """The member that the client names, or the only one."""
        if len(self._company.members) == 1:
            return self._company.members[0]
        raw = visit.message.raw
        name = edit.text_at(raw, _MEANT) if edit.may_have(raw, b"watchkeeper") else None
        if name is None:
            return None
        if name not in self._company.by_name:
            raise NotServed(UNKNOWN, "this endpoint has no server of this name")
        return self._company.by_name[name]

    def _of_task(self, message: Message) -> Target:
        server, task = edit.own_task(message.name)
        if server not in self._company.by_name:
            raise NotServed(UNKNOWN, "no server of this endpoint has this task")
        return Target(self._company.by_name[server], [edit.named(message.method, task)], task)

    async def _of_reference(self, visit: Visit, meant: Member | None) -> Target:
        raw = visit.message.raw
        name, uri = edit.text_at(raw, ("params", "ref", "name")), edit.text_at(raw, ("params", "ref", "uri"))
        if name is not None and uri is None:
            member, own = self._company.names.owner(name)
            return Target(member, [(("params", "ref", "name"), msgspec.json.encode(own))])
        if uri is None or name is not None:
            raise NotServed(UNKNOWN, "completion needs a reference to a prompt or to a resource")
        return Target(meant or await self.owner(visit, uri))

    async def owner(self, visit: Visit, uri: str) -> Member:
        """Whose resource this is. Raises `NotServed`."""

        async def look(member: Member) -> Shelf:
            uris = await self._listed(visit, member, "resources/list")
            return shelf(uris, await self._listed(visit, member, "resources/templates/list"))

        return await self._company.owners.owner(visit.request.principal, uri, look, modern=visit.is_modern)

    async def _listed(self, visit: Visit, member: Member, method: str) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            asked = question_like(visit.message, method, self._company.own_id(), cursor)
            said = await self._company.put(visit, member, asked, method=method)
            page = page_in(method, said.result) if said.result else None
            if page is None:
                break
            texts = (edit.text_at(entry, (LISTED[method][1],)) for entry in page.entries if entry.startswith(b"{"))
            found += [text for text in texts if text is not None]
            if page.next_cursor is None or page.next_cursor == cursor:
                break
            cursor = page.next_cursor
        return found

    # -- a call that goes on

    def _opened_state(self, visit: Visit, target: Target) -> list[tuple[edit.Path, bytes]]:
        if not visit.is_modern or visit.message.method not in _WITH_STATE:
            return []
        raw = visit.message.raw
        shown = edit.text_at(raw, edit.STATE) if edit.may_have(raw, b"requestState") else None
        if shown is None:
            return []
        state = self._company.seal.open(shown, _State, *self._bound(visit, target))
        if state is None or state.until < self._company.clock.now():
            raise NotServed(STATE, "this requestState is not of this call, or too old; begin the call again")
        return [(edit.STATE, msgspec.json.encode(state.own))]

    def _sealed(self, visit: Visit, target: Target, own: str) -> str:
        return self._company.seal.close(
            _State(own, self._company.clock.now() + STATE_MICROSECONDS), *self._bound(visit, target)
        )

    def _bound(self, visit: Visit, target: Target) -> tuple[str, ...]:
        """What a state is good for: this endpoint, member, principal, method, target and arguments (E8)."""
        message = visit.message
        arguments = msgspec.json.decode(message.arguments) if message.arguments else None
        digest = hashlib.sha256(msgspec.json.encode(arguments, order="sorted")).hexdigest()
        principal = visit.request.principal
        return (
            "state",
            self._company.endpoint.route.name,
            target.member.name,
            principal,
            message.method,
            message.name,
            digest,
        )

    # -- the way back

    def _keep(self, visit: Visit, target: Target, out: Outbound) -> None:
        """What a new session with this member would have to be told again."""
        message = visit.message
        if (
            visit.party is None
            or out.status != 200
            or message.method not in ("resources/subscribe", "resources/unsubscribe")
        ):
            return
        seat = visit.party.seats[target.member.name]
        if message.method == "resources/subscribe":
            seat.keep(f"subscribe {message.name}", message.raw)
        else:
            seat.kept.pop(f"subscribe {message.name}", None)

    def _shown(self, visit: Visit, target: Target, out: Outbound) -> Outbound:
        headers = [pair for pair in out.headers if pair[0].lower() not in _NOT_OURS]

        def shown(raw: bytes) -> bytes:
            return self._answer(visit, target, raw)

        if out.events is None:
            body = shown(out.body) if visit.message.kind == "request" and out.body else out.body
            return Outbound(out.status, headers, body)
        told = Told(target.member, visit.party, shown, lambda member, note: self.noted(visit, member, note))
        return Outbound(out.status, headers, b"", self._stream(visit, out, told), out.cancel)

    async def _stream(self, visit: Visit, out: Outbound, told: Told) -> AsyncIterator[bytes]:
        events = retold(out, told)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()  # type: ignore[attr-defined]
            if visit.party is not None:
                visit.party.ended(visit.message)

    def _answer(self, visit: Visit, target: Target, raw: bytes) -> bytes:
        method = visit.message.method
        seal = (lambda own: self._sealed(visit, target, own)) if visit.is_modern and method in _WITH_STATE else None
        try:
            if method == "tools/call" and edit.may_have(raw, b"resource"):
                uris = links_in(edit.value_at(raw, ("result",)) or b"")
                self._company.owners.learn(visit.request.principal, target.member.name, uris)
            return edit.from_member(raw, target.member.name, seal)
        except Invalid:
            return raw  # an error page: no message, and nothing in it is ours to name

    def noted(self, visit: Visit, member: Member, note: Message) -> None:
        """A member's notification went by."""
        if note.method == "notifications/resources/list_changed":
            self._company.owners.forget(visit.request.principal)

    # -- the client's answers and notes about members' requests

    async def reply(self, visit: Visit) -> Outbound:
        """Pass a client's answer on to the member that asked. Raises `NotServed`."""
        found = visit.party.errands.answered(visit.message) if visit.party is not None else None
        if found is None:
            raise NotServed(UNKNOWN, "no server of this endpoint has an open request with this id")
        member, body = found
        return self._plain(await self._company.send(visit, member, body))

    async def progress(self, visit: Visit) -> Outbound:
        """Pass a client's progress report on. Raises `NotServed`."""
        found = visit.party.errands.progressed(visit.message) if visit.party is not None else None
        if found is None:
            raise NotServed(UNKNOWN, "no server of this endpoint has asked for this progress")
        member, body = found
        return self._plain(await self._company.send(visit, member, body))

    @staticmethod
    def _plain(out: Outbound) -> Outbound:
        headers = [pair for pair in out.headers if pair[0].lower() not in _NOT_OURS]
        return Outbound(out.status, headers, out.body, out.events, out.cancel)


async def tell_all(company: Company, visit: Visit, members: tuple[Member, ...]) -> None:
    """A notification to each of these members; one that cannot be told is passed over."""
    for member in members:
        try:
            await let_go(await company.send(visit, member, visit.message.raw))
        except NotServed:
            continue
