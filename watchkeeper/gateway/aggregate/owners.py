"""Which member a resource belongs to. URIs are names for all the world, so they have no prefix; what a member lists is
its own.

Asked for when a resource is first used, by listing on the client's behalf, and remembered for each principal. A URI
that two members list is nobody's (one could stand in for the other's); one that none lists is a member's if only its
templates fit, or if it came in that member's own answer.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec

from watchkeeper.gateway.aggregate.model import Member, NotServed
from watchkeeper.gateway.templates import fits
from watchkeeper.protocol.errors import INVALID_PARAMS

AMBIGUOUS = "endpoint.ambiguous"
UNKNOWN = "endpoint.unknown"
MAX_PRINCIPALS = 256
MAX_TEMPLATES = 500
MAX_URIS = 10_000
"""Remembered of one member for one principal."""
MAX_LINKS = 2_000
FRESH_SECONDS = 60.0
_LONGEST_TEMPLATE = 512
RESOURCE_NOT_FOUND = -32002
"""Of the older era; the modern one says it with invalid params."""


class Shelf(msgspec.Struct, frozen=True):
    """What one member lists."""

    uris: frozenset[bytes] = frozenset()
    """Digests: a server may make its URIs as long as it likes."""
    templates: tuple[str, ...] = ()


class _Known(msgspec.Struct):
    until: float = 0.0
    shelves: dict[str, Shelf] = {}
    links: OrderedDict[bytes, str] = msgspec.field(default_factory=OrderedDict)
    """Digest of a URI → the member whose answer had it; empty when several had."""


Look = Callable[[Member], Awaitable[Shelf]]
"""Lists a member's resources and templates, on the client's behalf."""


class Owners:
    """One endpoint's."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = {member.name: member for member in members}
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def owner(self, principal: str, uri: str, look: Look, *, modern: bool) -> Member:
        """Whose resource (or, for completion, template) this is. Raises `NotServed`."""
        if len(self._members) == 1:
            return next(iter(self._members.values()))
        known = self._of(principal)
        loop = asyncio.get_running_loop()
        if loop.time() >= known.until:
            shelves = await asyncio.gather(*(look(member) for member in self._members.values()))
            known.shelves = dict(zip(self._members, shelves, strict=True))
            known.until = loop.time() + FRESH_SECONDS
        return self._choose(known, uri, modern)

    def learn(self, principal: str, server: str, uris: Iterable[str]) -> None:
        """URIs that a member's own answer linked to."""
        links = self._of(principal).links
        for uri in uris:
            key = _digest(uri)
            links[key] = server if links.get(key, server) == server else ""
            if len(links) > MAX_LINKS:
                links.popitem(last=False)

    def forget(self, principal: str) -> None:
        """A member's list has changed."""
        if principal in self._known:
            self._known[principal].until = 0.0

    def _choose(self, known: _Known, uri: str, modern: bool) -> Member:
        key = _digest(uri)
        listed = [name for name, shelf in known.shelves.items() if key in shelf.uris or uri in shelf.templates]
        found = listed or [name for name, shelf in known.shelves.items() if fits(uri, shelf.templates)]
        if not found and key in known.links:
            found = [known.links[key]]
        if len(found) > 1 or found == [""]:
            raise NotServed(AMBIGUOUS, f"several servers of this endpoint have this resource: {', '.join(found)}")
        if found:
            return self._members[found[0]]
        offering = [name for name, shelf in known.shelves.items() if shelf.uris or shelf.templates]
        if len(offering) == 1:
            return self._members[offering[0]]
        code = INVALID_PARAMS if modern else RESOURCE_NOT_FOUND
        raise NotServed(UNKNOWN, "no server of this endpoint lists this resource", rpc_code=code)

    def _of(self, principal: str) -> _Known:
        known = self._known.setdefault(principal, _Known())
        self._known.move_to_end(principal)
        if len(self._known) > MAX_PRINCIPALS:
            self._known.popitem(last=False)
        return known


def links_in(result: bytes) -> list[str]:
    """URIs that a call's result links to or embeds."""
    try:
        content = msgspec.json.decode(result).get("content")
    except (msgspec.MsgspecError, AttributeError):
        return []
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    found = [block.get("uri") if block.get("type") == "resource_link" else _uri_of(block) for block in blocks]
    return [uri for uri in found if isinstance(uri, str)]


def _uri_of(block: dict[str, Any]) -> object:
    inner = block.get("resource")
    return inner.get("uri") if isinstance(inner, dict) else None


def shelf(uris: Iterable[str], templates: Iterable[str]) -> Shelf:
    """What is kept of a listing."""
    kept = [template for template in templates if len(template) <= _LONGEST_TEMPLATE]
    return Shelf(frozenset(map(_digest, list(uris)[:MAX_URIS])), tuple(kept[:MAX_TEMPLATES]))


def _digest(uri: str) -> bytes:
    return hashlib.blake2b(uri.encode(), digest_size=16).digest()
