"""`subscriptions/listen` of several members as one stream (MCP 2026-07-28 basic/patterns/subscriptions).

Each member gets the part of the filter that is its own, under the client's own request id, which so is everybody's
`subscriptionId`. The acknowledgement comes first and says what all of them together have agreed to. When a member
breaks off, the stream ends: the client listens again and is told what it then gets.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from watchkeeper.gateway import replies
from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.asking import let_go
from watchkeeper.gateway.aggregate.company import Company, Visit
from watchkeeper.gateway.aggregate.model import LEFT_OUT, METHOD_NOT_FOUND, LeftOut, Member, NotServed
from watchkeeper.gateway.aggregate.single import Single
from watchkeeper.gateway.aggregate.telling import Told, as_event
from watchkeeper.gateway.aggregate.together import EVENTS, takes_events, whole
from watchkeeper.gateway.stdio.rewrite import SUBSCRIPTION
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol import sse
from watchkeeper.protocol.errors import BadMessage, error_body
from watchkeeper.protocol.message import Message, parse_message

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
MAX_WAITING = 64
_FILTER: edit.Path = ("params", "notifications")
_URIS = "resourceSubscriptions"
_TASKS = "taskIds"
_log = logging.getLogger(__name__)


class _Strand(msgspec.Struct, eq=False):
    """One member's stream."""

    member: Member
    out: Outbound
    events: AsyncIterator[bytes]
    agreed: dict[str, Any]
    """The filter it acknowledged."""


class Listen:
    """One endpoint's."""

    def __init__(self, company: Company, single: Single) -> None:
        self._company = company
        self._single = single

    async def serve(self, visit: Visit) -> Outbound:
        """The merged stream."""
        if not takes_events(visit):
            return Outbound(406, [])
        parts = await self._parts(visit)
        begun: list[_Strand | LeftOut] = []

        async def begin(member: Member, part: dict[str, Any]) -> None:
            begun.append(await self._begin(visit, member, part))

        try:
            await asyncio.gather(*(begin(member, part) for member, part in parts))
        except BaseException:  # the client left while others had begun: nobody else knows of those
            for one in begun:
                if isinstance(one, _Strand):
                    await let_go(one.out)
            raise
        order = {member.name: place for place, (member, _) in enumerate(parts)}
        strands = sorted((one for one in begun if isinstance(one, _Strand)), key=lambda one: order[one.member.name])
        gone = sorted(
            (one for one in begun if isinstance(one, LeftOut) and one.reason), key=lambda one: order[one.server]
        )
        self._company.left_out(visit, gone)
        if not strands:
            text = "no server of this endpoint can be listened to"
            return whole(error_body(visit.message.id, METHOD_NOT_FOUND, text), 404)
        merging = _Merging(self._company, self._single, visit, strands)
        events = merging.events(_acknowledgement(visit, strands, gone))
        return Outbound(200, list(EVENTS), b"", events, merging.close, replies.farewell(visit.message))

    async def _parts(self, visit: Visit) -> list[tuple[Member, dict[str, Any]]]:
        """What each member is asked to tell: everything, but for resources and tasks only its own."""
        value = edit.value_at(visit.message.raw, _FILTER)
        wanted = msgspec.json.decode(value) if value is not None else {}
        if not isinstance(wanted, dict):
            raise NotServed("endpoint.unrouted", "params.notifications must be an object")
        uris: dict[str, list[str]] = {}
        for uri in _texts(wanted, _URIS):
            try:
                uris.setdefault((await self._single.owner(visit, uri)).name, []).append(uri)
            except NotServed:
                continue  # the acknowledgement will not name it
        tasks: dict[str, list[str]] = {}
        for shown in _texts(wanted, _TASKS):
            server, task = edit.own_task(shown)
            tasks.setdefault(server, []).append(task)
        rest = {key: value for key, value in wanted.items() if key not in (_URIS, _TASKS)}
        parts: list[tuple[Member, dict[str, Any]]] = []
        for member in self._company.members:
            part = dict(rest)
            part |= {_URIS: uris[member.name]} if member.name in uris else {}
            part |= {_TASKS: tasks[member.name]} if member.name in tasks else {}
            if part or not wanted:
                parts.append((member, part))
        return parts

    async def _begin(self, visit: Visit, member: Member, part: dict[str, Any]) -> _Strand | LeftOut:
        body = edit.changed(visit.message.raw, [(_FILTER, msgspec.json.encode(part))])
        out: Outbound | None = None
        try:
            async with asyncio.timeout(self._company.endpoint.member_seconds):
                out = await self._company.send(visit, member, body)
                if out.events is None:
                    return LeftOut(member.name, "" if _lacks(out.body) else "it cannot be listened to")
                events = out.events.__aiter__()
                agreed = await _agreed(events)
        except (TimeoutError, StopAsyncIteration):
            agreed = None
        except NotServed as error:
            return LeftOut(member.name, error.reason)
        except BaseException:
            if out is not None:
                await let_go(out)
            raise
        if out is None or agreed is None:
            if out is not None:
                await let_go(out)
            return LeftOut(member.name, "it did not acknowledge the subscription")
        return _Strand(member, out, events, agreed)


class _Merging:
    """Streams that have been acknowledged, as one."""

    def __init__(self, company: Company, single: Single, visit: Visit, strands: list[_Strand]) -> None:
        self._company = company
        self._single = single
        self._visit = visit
        self._strands = strands
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closed = False

    async def events(self, first: bytes) -> AsyncIterator[bytes]:
        """The acknowledgement, then what the members tell; the result when all of them have ended it."""
        try:
            yield as_event(first)
            if not self._is_closed:
                self._tasks = [asyncio.get_running_loop().create_task(self._follow(one)) for one in self._strands]
                for task in self._tasks:
                    task.add_done_callback(_look_at)
            ended = 0
            while not self._is_closed and ended < len(self._strands):
                event = await self._queue.get()
                if event == b"":
                    ended += 1
                elif event is None:
                    return  # one broke off: this is no graceful end, so there is no result
                else:
                    yield event
            if not self._is_closed:
                yield as_event(_ended(self._visit))
        finally:
            self.close()

    def close(self) -> None:
        """Nobody listens any more. May be called more than once."""
        if self._is_closed:
            return
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        for strand in self._strands:
            if strand.out.cancel is not None:
                strand.out.cancel()

    async def _follow(self, strand: _Strand) -> None:
        told = Told(strand.member, None, lambda raw: raw, lambda m, note: self._single.noted(self._visit, m, note))
        try:
            async for raw in strand.events:
                message = _message_in(raw)
                if message is not None and message.kind == "response":
                    await self._queue.put(b"")
                    return
                if message is not None and message.kind == "error":
                    break
                if message is not None and not _is_of(message, self._visit.message):
                    continue
                event = told.event(raw, lambda own: own)
                if event:
                    await self._queue.put(event)
        finally:
            await let_go(strand.out)
        self._company.left_out(self._visit, [LeftOut(strand.member.name, "its subscription broke off")])
        await self._queue.put(None)


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("a member's subscription could not be followed", exc_info=task.exception())


async def _agreed(events: AsyncIterator[bytes]) -> dict[str, Any] | None:
    """The filter of the acknowledgement, which comes first (D8); None when something else does."""
    while True:
        message = _message_in(await events.__anext__())
        if message is None:
            continue
        if message.method != ACKNOWLEDGED:
            return None
        value = edit.value_at(message.raw, _FILTER)
        agreed = msgspec.json.decode(value) if value is not None else {}
        return agreed if isinstance(agreed, dict) else None


def _acknowledgement(visit: Visit, strands: list[_Strand], gone: list[LeftOut]) -> bytes:
    together: dict[str, Any] = {}
    for strand in strands:
        for key, its_own in strand.agreed.items():
            value = _shown_tasks(strand.member.name, its_own) if key == _TASKS else its_own
            if isinstance(value, list) and isinstance(together.get(key), list):
                together[key] = together[key] + value
            elif value or key not in together:
                together[key] = value
    meta: dict[str, Any] = {SUBSCRIPTION: visit.message.id}
    if gone:
        meta[LEFT_OUT] = gone
    params = {"_meta": meta, "notifications": together}
    return msgspec.json.encode({"jsonrpc": "2.0", "method": ACKNOWLEDGED, "params": params})


def _shown_tasks(server: str, tasks: Any) -> Any:
    if not isinstance(tasks, list):
        return tasks
    return [edit.shown_task(server, task) for task in tasks if isinstance(task, str)]


def _ended(visit: Visit) -> bytes:
    result = {"resultType": "complete", "_meta": {SUBSCRIPTION: visit.message.id}}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": visit.message.id, "result": result})


def _is_of(message: Message, listen: Message) -> bool:
    """Whether a notification belongs to this subscription (C3)."""
    value = edit.value_at(message.raw, ("params", "_meta", SUBSCRIPTION))
    return value is not None and value == msgspec.json.encode(listen.id)


def _message_in(raw: bytes) -> Message | None:
    data = sse.read_fields(raw).data
    try:
        return parse_message(data) if data else None
    except BadMessage:
        return None


def _lacks(body: bytes) -> bool:
    """Whether a member says that it has no such method."""
    try:
        error = msgspec.json.decode(body).get("error")
    except (msgspec.MsgspecError, AttributeError):
        return False
    return isinstance(error, dict) and error.get("code") == METHOD_NOT_FOUND


def _texts(wanted: dict[str, Any], key: str) -> list[str]:
    value = wanted.get(key)
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
