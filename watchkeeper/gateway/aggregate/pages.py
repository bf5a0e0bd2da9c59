"""Several members' pages as one page, in the members' order and with every entry's own bytes but for its name. Pure.

Each round asks every member that has more for its next page; the cursor of ours holds the members' own. So an entry is
on exactly the page that its member puts it on, however many pages each has, and however its list changes between
(MCP 2026-07-28 server/utilities/pagination).

Obligations, and what each one stops:

1. A member that repeats a cursor, or goes on for ever, is cut off (a list that never ends).
2. A page that would grow too large leaves members for the next one (memory).
3. An entry that looks like another member's, or is there twice, is not listed (shadowing).
"""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.gateway.aggregate.edit import changed, shown_task
from watchkeeper.gateway.aggregate.model import LeftOut, Member
from watchkeeper.gateway.aggregate.names import Names

MAX_ROUNDS = 1000
MAX_BYTES = 16_777_216
"""Of one page; a single member's may be larger."""
LISTED = {
    "tools/list": ("tools", "name"),
    "prompts/list": ("prompts", "name"),
    "resources/list": ("resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
    "tasks/list": ("tasks", "taskId"),
}
"""Method → the member of its result, and what names an entry."""
_PREFIXED = frozenset({"tools/list", "prompts/list"})


_Kept = dict[str, tuple[str, bytes]]
"""Name as shown → whose it is, and the entry; an empty one when two have it."""


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far one member has been read."""

    server: str
    cursor: str | None = None
    """Its own, as it gave it: an empty one is a cursor, too. None before its first page."""


class Bookmark(msgspec.Struct, frozen=True, array_like=True):
    """What a cursor of ours holds."""

    round: int
    open: tuple[Position, ...]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A member's page."""

    entries: list[bytes]
    next_cursor: str | None = None
    ttl: int = 0
    is_public: bool = False


class Collision(msgspec.Struct, frozen=True):
    """An entry that was not listed because of another."""

    server: str
    name: str
    why: str


class Merged(msgspec.Struct, kw_only=True):
    """A page of ours."""

    entries: list[bytes] = []
    open: list[Position] = []
    """Who has more."""
    ttl: int = 0
    is_public: bool = False
    left_out: list[LeftOut] = []
    collisions: list[Collision] = []


class _Result(msgspec.Struct, rename="camel"):
    next_cursor: str | None = None
    ttl_ms: Any = 0
    cache_scope: Any = "private"


def page_in(method: str, result: bytes) -> Page | None:
    """The page in a list's result; None when it is none."""
    member, _ = LISTED[method]
    try:
        said = msgspec.json.decode(result, type=_Result)
        raw = msgspec.json.decode(result, type=dict[str, msgspec.Raw]).get(member)
        entries = msgspec.json.decode(raw, type=list[msgspec.Raw]) if raw is not None else []
    except msgspec.MsgspecError:
        return None
    ttl = said.ttl_ms if type(said.ttl_ms) is int and said.ttl_ms >= 0 else 0
    return Page(
        entries=[bytes(entry) for entry in entries],
        next_cursor=said.next_cursor,
        ttl=ttl,
        is_public=said.cache_scope == "public",
    )


def merge(method: str, names: Names, asked: list[tuple[Member, Position, Page]], budget: int = MAX_BYTES) -> Merged:
    """One page of ours from the pages that were asked for, in order."""
    merged = Merged(ttl=min((page.ttl for *_, page in asked), default=0))
    merged.is_public = all(page.is_public for *_, page in asked) and bool(asked)
    kept: _Kept = {}
    taken = 0
    for member, position, page in asked:
        size = sum(map(len, page.entries))
        if taken and taken + size > budget:
            merged.open.append(position)  # it is asked for this page again
            continue
        taken += size
        _add(method, names, (member, page), merged, kept)
        if page.next_cursor is None:
            continue
        if page.next_cursor == position.cursor:
            merged.left_out.append(LeftOut(member.name, "its list goes in a circle, and was cut off"))
        else:
            merged.open.append(Position(member.name, page.next_cursor))
    merged.entries = [entry for _, entry in kept.values() if entry]
    return merged


def _add(method: str, names: Names, of: tuple[Member, Page], merged: Merged, kept: _Kept) -> None:
    member, page = of
    for entry in page.entries:
        name = _name_in(entry, LISTED[method][1])
        if name is None:
            merged.collisions.append(Collision(member.name, "", "an entry without a name"))
            continue
        shown = _shown(method, names, member, name)
        if shown is None:
            merged.collisions.append(Collision(member.name, name, "it looks like another server's"))
        elif shown in kept:
            first, _ = kept[shown]
            merged.collisions.append(Collision(member.name, name, f"{first} has it on the same page"))
            if first != member.name:  # neither: nothing says whose it is
                kept[shown] = (first, b"")
        elif method != "tools/list" or names.is_tool_shown(shown):
            kept[shown] = (member.name, _named(entry, method, name, shown))


def _shown(method: str, names: Names, member: Member, name: str) -> str | None:
    if method in _PREFIXED:
        return names.shown(member, name)
    return shown_task(member.name, name) if method == "tasks/list" else name


def _named(entry: bytes, method: str, name: str, shown: str) -> bytes:
    return entry if shown == name else changed(entry, [((LISTED[method][1],), msgspec.json.encode(shown))])


def _name_in(entry: bytes, member: str) -> str | None:
    try:
        value = msgspec.json.decode(entry, type=dict[str, msgspec.Raw]).get(member)
        return msgspec.json.decode(value, type=str) if value is not None else None
    except msgspec.MsgspecError:
        return None


def result_of(method: str, merged: Merged, *, modern: bool, cursor: str | None, meta: bytes = b"") -> bytes:
    """The result of a list as raw JSON."""
    parts = [b'"%b":[%b]' % (LISTED[method][0].encode(), b",".join(merged.entries))]
    if cursor is not None:
        parts.append(b'"nextCursor":' + msgspec.json.encode(cursor))
    if modern:
        is_whole = not merged.left_out
        parts.insert(0, b'"resultType":"complete"')
        parts.append(b'"ttlMs":%d' % (merged.ttl if is_whole else 0))
        parts.append(b'"cacheScope":"%b"' % (b"public" if merged.is_public and is_whole else b"private"))
    if meta:
        parts.append(b'"_meta":' + meta)
    return b"{" + b",".join(parts) + b"}"
