"""Lists of several members as one list, and settings for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.asking import Said, shared
from watchkeeper.gateway.aggregate.company import Company, Visit
from watchkeeper.gateway.aggregate.greeting import SERVER_INFO, identity
from watchkeeper.gateway.aggregate.model import LEFT_OUT, METHOD_NOT_FOUND, LeftOut, Member, NotServed, status_of
from watchkeeper.gateway.aggregate.pages import (
    MAX_ROUNDS,
    Bookmark,
    Merged,
    Page,
    Position,
    merge,
    page_in,
    result_of,
)
from watchkeeper.gateway.aggregate.together import nobody, together, whole
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol.errors import INVALID_PARAMS, error_body

CURSOR = "endpoint.cursor"
_PATH: edit.Path = ("params", "cursor")
_BEGIN_AGAIN = "this cursor is not of this list any more; list from the beginning"


class Lists:
    """One endpoint's."""

    def __init__(self, company: Company) -> None:
        self._company = company

    async def serve(self, visit: Visit) -> Outbound:
        """A page of the merged list. Raises `NotServed`."""
        bookmark = self._bookmark(visit)
        places = [(self._company.by_name[place.server], place) for place in bookmark.open]
        asked = [(member, shared(visit.message, place.cursor)) for member, place in places]
        return await together(
            self._company, visit, asked, lambda said: self._page(visit, bookmark, list(zip(places, said, strict=True)))
        )

    async def set_level(self, visit: Visit) -> Outbound:
        """`logging/setLevel`, to every member that has it."""
        asked = [(member, visit.message) for member in self._company.members]
        return await together(self._company, visit, asked, lambda said: self._level_set(visit, said))

    def _bookmark(self, visit: Visit) -> Bookmark:
        value = edit.value_at(visit.message.raw, _PATH)
        if value is None or value == b"null":
            lacking = self._company.standing.lacking(visit.era)
            return Bookmark(0, tuple(Position(m.name) for m in self._company.members if m not in lacking))
        text = edit.text_at(visit.message.raw, _PATH)
        bookmark = self._company.seal.open(text, Bookmark, *self._bound(visit)) if text is not None else None
        if bookmark is None or any(place.server not in self._company.by_name for place in bookmark.open):
            raise NotServed(CURSOR, _BEGIN_AGAIN)
        return bookmark

    def _bound(self, visit: Visit) -> tuple[str, ...]:
        return ("cursor", self._company.endpoint.route.name, visit.request.principal, visit.era, visit.message.method)

    def _page(self, visit: Visit, bookmark: Bookmark, heard: list[tuple[tuple[Member, Position], Said]]) -> Outbound:
        method, request_id = visit.message.method, visit.message.id
        pages: list[tuple[Member, Position, Page]] = []
        gone = [] if bookmark.round else self._lacking(visit)
        for (member, place), said in heard:
            page = page_in(method, said.result) if said.result else None
            if page is not None:
                pages.append((member, place, page))
            elif place.cursor is not None and said.code == INVALID_PARAMS:
                status = status_of(INVALID_PARAMS, modern=visit.is_modern)
                return whole(error_body(request_id, INVALID_PARAMS, _BEGIN_AGAIN), status)
            elif not said.lacks_method:
                gone.append(LeftOut(member.name, said.reason if not said.result else "its list cannot be read"))
        if not pages:
            return self._nothing(visit, [said for _, said in heard], gone)
        merged = merge(method, self._company.names, pages)
        merged.left_out = [*gone, *merged.left_out]
        if bookmark.round >= MAX_ROUNDS:
            merged.left_out += [LeftOut(place.server, "its list has no end, and was cut off") for place in merged.open]
            merged.open = []
        self._company.left_out(visit, merged.left_out)
        self._company.collided(visit, merged.collisions)
        return whole(self._answer(visit, bookmark, merged))

    def _answer(self, visit: Visit, bookmark: Bookmark, merged: Merged) -> bytes:
        cursor = None
        if merged.open:
            following = Bookmark(bookmark.round + 1, tuple(merged.open))
            cursor = self._company.seal.close(following, *self._bound(visit))
        meta: dict[str, object] = {LEFT_OUT: merged.left_out} if merged.left_out else {}
        if visit.is_modern:
            meta[SERVER_INFO] = identity(self._company.endpoint.route.name)
        result = result_of(
            visit.message.method,
            merged,
            modern=visit.is_modern,
            cursor=cursor,
            meta=msgspec.json.encode(meta) if meta else b"",
        )
        return _response(visit, result)

    def _nothing(self, visit: Visit, heard: Sequence[Said], gone: list[LeftOut]) -> Outbound:
        """No member gave a page: none has such a list, or none can be had."""
        self._company.left_out(visit, gone)
        if gone:
            return nobody(visit, heard, gone)
        text = "no server of this endpoint has this method"
        status = status_of(METHOD_NOT_FOUND, modern=visit.is_modern)
        return whole(error_body(visit.message.id, METHOD_NOT_FOUND, text), status)

    def _lacking(self, visit: Visit) -> list[LeftOut]:
        lacking = self._company.standing.lacking(visit.era)
        return [LeftOut(member.name, "it does not speak this protocol era") for member in lacking]

    def _level_set(self, visit: Visit, heard: list[Said]) -> Outbound:
        done = [said for said in heard if said.result]
        gone = [LeftOut(said.member.name, said.reason) for said in heard if not said.result and not said.lacks_method]
        if not done:
            return self._nothing(visit, heard, gone)
        self._company.left_out(visit, gone)
        for said in done:
            if visit.party is not None:
                visit.party.seats[said.member.name].keep("level", visit.message.raw)
        return whole(_response(visit, b"{}"))


def _response(visit: Visit, result: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (msgspec.json.encode(visit.message.id), result)
