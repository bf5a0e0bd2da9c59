"""One visit: a fresh session under a name, everything the server lists in it, and its end. Nothing is called.

Above: `rounds` says who visits, and compares. Below: the route's upstream, with the credential that it has.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.listing import MAX_PAGES, answer_in
from watchkeeper.gateway.upstream import Headers, Inbound, Upstream
from watchkeeper.inspection.fingerprints import INSTRUCTIONS, LISTS, Definition, definitions_in
from watchkeeper.protocol.eras import LEGACY, MODERN
from watchkeeper.protocol.message import CAPABILITIES_KEY, CLIENT_KEY, VERSION_KEY, Message, parse_message

PRINCIPAL = "system:canary"
_OFFERED = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resources",
}
"""Listing → the capability without which it is not asked for."""


class NotShown(Unavailable):
    """The server did not let itself be looked at."""

    code = "not_shown"


class Visitor(msgspec.Struct, frozen=True):
    """Who visits: a client's name, and on whose behalf."""

    name: str
    version: str = "1.0.0"
    principal: str = PRINCIPAL
    credential: Secret | None = None


class Shown(msgspec.Struct, frozen=True):
    """What a visitor was shown."""

    definitions: dict[tuple[str, str], Definition]
    """(kind, name) → definition; of two under one name the last."""
    kinds: frozenset[str]
    """Kinds of which it is all that there was."""
    listed: tuple[Definition, ...] = ()
    """Everything in the order it came, doubles too."""
    refused: tuple[str, ...] = ()
    """Lists that are offered and were not given to a lenient visitor."""


class _Page(msgspec.Struct, rename="camel"):
    next_cursor: str | None = None


class _Greeting(msgspec.Struct):
    capabilities: dict[str, Any] = {}


class _Discovered(msgspec.Struct, rename="camel"):
    supported_versions: tuple[str, ...] = ()


class Visit:
    """One visitor at one server."""

    def __init__(self, upstream: Upstream, visitor: Visitor, era: str, *, is_lenient: bool = False) -> None:
        """A lenient one goes on where a list is refused."""
        self._is_lenient = is_lenient
        self._upstream = upstream
        self._visitor = visitor
        self._era = era
        self._session = ""
        self._numbers = itertools.count(1)

    async def make(self) -> Shown:
        """Everything that is shown. Raises `Unavailable`, `BadMessage`, `Invalid`, msgspec's errors."""
        try:
            greeting = await self._greet()
            return await self._look_at_all(greeting)
        finally:
            await self._leave()

    async def _greet(self) -> bytes:
        if self._era == "modern":
            greeting = await self._ask("server/discover", {})
            if self._is_lenient and not _is_modern(greeting):
                raise NotShown("it answers what it does not know")
            return greeting
        params = {"protocolVersion": LEGACY[-1], "capabilities": {}, "clientInfo": self._info()}
        greeting = await self._ask("initialize", params)
        note = msgspec.json.encode({"jsonrpc": "2.0", "method": "notifications/initialized"})
        out = await self._upstream.send(self._inbound(parse_message(note)))
        if out.cancel is not None:
            out.cancel()
        return greeting

    async def _look_at_all(self, greeting: bytes) -> Shown:
        offered = msgspec.json.decode(greeting, type=_Greeting).capabilities
        listed = definitions_in("initialize", greeting)
        kinds, refused = {INSTRUCTIONS}, list[str]()
        for method, capability in _OFFERED.items():
            if capability not in offered:
                continue
            try:
                async for page in self._pages(method):
                    listed += definitions_in(method, page)
            except NotShown:
                if not self._is_lenient:
                    raise
                refused.append(method)
                continue
            kinds.add(LISTS[method][0])
        return Shown({(d.kind, d.name): d for d in listed}, frozenset(kinds), tuple(listed), tuple(refused))

    async def _pages(self, method: str) -> AsyncIterator[bytes]:
        params: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            page = await self._ask(method, params)
            yield page
            following = msgspec.json.decode(page, type=_Page).next_cursor
            if following is None:
                return
            params = {"cursor": following}
        raise NotShown(f"{method} has more than {MAX_PAGES} pages")

    async def _ask(self, method: str, params: dict[str, Any]) -> bytes:
        if self._era == "modern":
            params = {**params, "_meta": self._meta()}
        body = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}
        asked = parse_message(msgspec.json.encode(body))
        out = await self._upstream.send(self._inbound(asked))
        if method == "initialize":
            minted = next((value for name, value in out.headers if name.lower() == b"mcp-session-id"), b"")
            self._session = minted.decode("latin-1")
        answer = await answer_in(out, asked)
        if answer is None:
            raise NotShown(f"{method} was refused (HTTP status {out.status})")
        return answer.result

    def _info(self) -> dict[str, str]:
        return {"name": self._visitor.name, "version": self._visitor.version}

    def _meta(self) -> dict[str, Any]:
        return {VERSION_KEY: MODERN[-1], CLIENT_KEY: self._info(), CAPABILITIES_KEY: {}}

    def _inbound(self, asked: Message | None, verb: str = "POST") -> Inbound:
        version = MODERN[-1] if self._era == "modern" else LEGACY[-1]
        headers: Headers = [
            (b"Content-Type", b"application/json"),
            (b"Accept", b"application/json, text/event-stream"),
            (b"MCP-Protocol-Version", version.encode()),
        ]
        if self._era == "modern" and asked is not None:
            headers.append((b"Mcp-Method", asked.method.encode()))
        if self._session:
            headers.append((b"Mcp-Session-Id", self._session.encode("latin-1")))
        visitor, body = self._visitor, asked.raw if asked is not None else b""
        return Inbound(verb, headers, body, asked, visitor.principal, self._era, self._session, visitor.credential)

    async def _leave(self) -> None:
        if not self._session:
            return
        try:
            out = await self._upstream.send(self._inbound(None, "DELETE"))
        except Unavailable:
            return  # it ends by itself
        if out.cancel is not None:
            out.cancel()


def _is_modern(greeting: bytes) -> bool:
    """Whether a server really speaks the modern era: some answer whatever they are asked."""
    try:
        return not set(MODERN).isdisjoint(msgspec.json.decode(greeting, type=_Discovered).supported_versions)
    except msgspec.MsgspecError:
        return False
