"""One message to several members at once, and one answer.

The answers are collected, for they become one. What a member says meanwhile is not: the client may have to reply before
the member answers. So the answer turns into a stream as soon as a member says something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from watchkeeper.gateway import replies
from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.asking import Said
from watchkeeper.gateway.aggregate.company import Company, Visit
from watchkeeper.gateway.aggregate.model import LeftOut, Member
from watchkeeper.gateway.aggregate.telling import Told, as_event
from watchkeeper.gateway.upstream import Headers, Outbound
from watchkeeper.protocol.errors import DENIED_BY_POLICY, UPSTREAM_FAILED
from watchkeeper.protocol.message import Message

EVENTS: Headers = [(b"Content-Type", b"text/event-stream"), (b"Cache-Control", b"no-cache")]
MAX_WAITING = 64


async def together(
    company: Company,
    visit: Visit,
    asked: list[tuple[Member, Message]],
    finish: Callable[[list[Said]], Outbound],
) -> Outbound:
    """Put a message to each of these members; `finish` makes one answer of theirs, in the same order."""
    own: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)

    async def tell(member: Member, message: Message) -> None:
        data = Told(member, visit.party, lambda raw: raw, lambda *_: None).message(message)
        if data is not None and takes_events(visit):
            await own.put(as_event(data))

    async def everyone() -> list[Said]:
        if visit.party is not None:
            visit.party.began(visit.message, tuple(member for member, _ in asked))
        try:
            return list(await asyncio.gather(*(company.put(visit, member, message, tell) for member, message in asked)))
        finally:
            if visit.party is not None:
                visit.party.ended(visit.message)

    work = asyncio.get_running_loop().create_task(everyone())
    first = asyncio.ensure_future(own.get())
    try:
        await asyncio.wait({work, first}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        work.cancel()
        first.cancel()
        raise
    if not first.done():
        first.cancel()
        return finish(work.result())
    return Outbound(200, list(EVENTS), b"", _stream(work, first.result(), own, finish), lambda: _stop(work))


def _stop(work: asyncio.Task[list[Said]]) -> None:
    work.cancel()


async def _stream(
    work: asyncio.Task[list[Said]], event: bytes, own: asyncio.Queue[bytes], finish: Callable[[list[Said]], Outbound]
) -> AsyncIterator[bytes]:
    try:
        yield event
        while not (work.done() and own.empty()):
            following = asyncio.ensure_future(own.get())
            await asyncio.wait({work, following}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                yield following.result()
            else:
                following.cancel()
                while not own.empty():
                    yield own.get_nowait()
        yield as_event(finish(work.result()).body)
    finally:
        work.cancel()


def nobody(visit: Visit, heard: Sequence[Said], gone: list[LeftOut]) -> Outbound:
    """No member has an answer to give: the denial, if a policy is why; else an error that names them all."""
    denials = [said.answer for said in heard if said.code == DENIED_BY_POLICY and said.answer is not None]
    if denials and len(denials) == len(gone):
        body = edit.changed(denials[0].raw, [(("id",), msgspec.json.encode(visit.message.id))])
        return whole(body)
    text = "; ".join(f"{one.server}: {one.reason}" for one in gone)
    return whole(replies.failure(visit.message, UPSTREAM_FAILED, text), 502)


def takes_events(visit: Visit) -> bool:
    """Whether the client takes an answer as a stream."""
    accepted = next((value.lower() for name, value in visit.request.headers if name.lower() == b"accept"), b"")
    return b"text/event-stream" in accepted or b"*/*" in accepted


def whole(body: bytes, status: int = 200) -> Outbound:
    """An answer of ours in one piece."""
    return Outbound(status, [replies.JSON], body)
