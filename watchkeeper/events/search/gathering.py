"""Which events are one conversation: by session, by trace, else by principal and pauses. Says which was used.

A session of the older era has an id, of which events hold a digest. A request of the newer era stands alone: its trace
joins what one run of an agent did. Where there is neither, what one principal's client did without a long pause is
taken to be one conversation, which is a guess and is called one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.events.lake.search import Search
from watchkeeper.events.model import Event
from watchkeeper.events.query.model import All, AnyOf, Expr, Is, Not, Pattern
from watchkeeper.events.search.conversation import Conversation, is_stopped, told

PAUSE = 10 * 60 * SECOND
"""A longer one ends a conversation that is kept together by nothing else."""
MOST = 2000
_REACH = 12 * 3600 * SECOND
_BACK = 30 * 86_400 * SECOND
_LATER = 3600 * SECOND
"""How long after the last message an alert or a decision still belongs to it."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TRACE = re.compile(r"([0-9a-f]{32})(-[0-9a-f]{16})?")
_BELONGING = ("detect.alert.raised", "gateway.approval", "gateway.order", "respond.incident", "respond.containment")


class _Thread(msgspec.Struct, frozen=True):
    """What keeps events together."""

    by: str
    value: str
    where: Expr
    how: str
    anchor: Event | None = None


def gather(search: Search, key: str, now: int, tenant: str = "default") -> Conversation:
    """The conversation of a session, a trace, or around an event. Raises `NotFound` and `Invalid`."""
    thread = _thread(search, key, tenant)
    at = thread.anchor.time if thread.anchor else None
    since, until = (now - _BACK, None) if at is None else (max(0, at - _REACH), at + _REACH)
    found = search.events(since=since, until=until, limit=MOST, newest_first=False, tenant=tenant, where=thread.where)
    events = list(found.events)
    if thread.by == "gap" and thread.anchor is not None:
        if found.is_cut and thread.anchor.id not in {event.id for event in events}:
            events = _around(search, thread, tenant)
        events = without_pauses(events, thread.anchor)
    if not events:
        raise NotFound(f"nothing in reach belongs to {key[:80]!r}", hint="name a session, a trace, or an event's id")
    whole = sorted([*events, *_belonging(search, events, tenant)], key=lambda event: (event.time, event.id))
    return Conversation(
        key=key,
        by=thread.by,
        how=thread.how,
        actors=tuple(sorted({event.actor for event in events if event.actor})),
        servers=tuple(sorted({event.server for event in events if event.server})),
        since=whole[0].time,
        until=whole[-1].time,
        turns=told(whole),
        requests=sum(event.kind == "gateway.request.decided" for event in events),
        stopped=sum(map(is_stopped, events)),
        is_cut=found.is_cut,
        note=found.note,
    )


def without_pauses(events: Sequence[Event], anchor: Event) -> list[Event]:
    """The run of events around `anchor` in which no pause is longer than `PAUSE`."""
    ordered = sorted(events, key=lambda event: event.time)
    at = next((number for number, event in enumerate(ordered) if event.id == anchor.id), None)
    if at is None:
        return [anchor]
    first = last = at
    while first > 0 and ordered[first].time - ordered[first - 1].time <= PAUSE:
        first -= 1
    while last + 1 < len(ordered) and ordered[last + 1].time - ordered[last].time <= PAUSE:
        last += 1
    return ordered[first : last + 1]


def _thread(search: Search, key: str, tenant: str) -> _Thread:
    if _UUID.fullmatch(key):
        event = search.find(key, tenant)[1]
        about = event.body.get("event")
        if event.kind == "detect.alert.raised" and isinstance(about, str):
            event = search.find(about, tenant)[1]
        return _of_event(event)
    if found := _TRACE.fullmatch(key):
        return _of_trace(found[1])
    if not key or len(key) > 200:
        raise Invalid("that names no conversation", hint="name a session, a trace, or an event's id")
    return _of_session(key)


def _of_event(event: Event) -> _Thread:
    session = event.body.get("session")
    if isinstance(session, str) and session:
        return msgspec.structs.replace(_of_session(session), anchor=event)
    trace = event.trace.partition("-")[0]
    if trace:
        return msgspec.structs.replace(_of_trace(trace), anchor=event)
    if not event.actor:
        raise NotFound(
            "this event belongs to no conversation: it has no session, no trace and no principal",
            hint="look at what happened around it: `watchkeeper events show --around 10`",
        )
    same = [_is("actor", event.actor), _is("claimed", event.claimed), _is("kind", "gateway")]
    names = f"{event.actor}{f' ({event.claimed})' if event.claimed else ''}"
    how = (
        f"a guess: it has no session and no trace, so this is what {names} did "
        f"without a pause of more than {PAUSE // (60 * SECOND)} minutes"
    )
    return _Thread("gap", event.actor, All((*same, Not(_is("kind", "gateway.approval")))), how, event)


def _of_trace(trace: str) -> _Thread:
    asked = All((_is("trace", trace), Not(_is("kind", "detect"))))
    return _Thread("trace", trace, asked, f"everything in the trace {trace}")


def _of_session(session: str) -> _Thread:
    return _Thread("session", session, _is("session", session), f"everything in the session {session}")


def _around(search: Search, thread: _Thread, tenant: str) -> list[Event]:
    """The same on both sides of the anchor, when there is too much on one side to reach it."""
    assert thread.anchor is not None
    at = thread.anchor.time
    half = partial(search.events, limit=MOST // 2, tenant=tenant, where=thread.where)
    before = half(since=max(0, at - _REACH), until=at)
    after = half(since=at, until=at + _REACH, newest_first=False)
    return [*before.events, *after.events]


def _belonging(search: Search, events: Sequence[Event], tenant: str) -> list[Event]:
    """Alerts of these events, and what people and playbooks decided about their principals meanwhile."""
    known, actors = {event.id for event in events}, sorted({event.actor for event in events if event.actor})
    if not actors:
        return []
    tools = sorted({f"{event.server}/{event.target}" for event in events if event.target})
    targets = [*actors[:20], *(actor.removeprefix("agent:") for actor in actors[:20]), *tools[:50]]
    people = Is("principal", tuple(map(Pattern, actors[:20])))
    about: Expr = AnyOf((people, Is("target", tuple(map(Pattern, targets)))))
    found = search.events(
        since=events[0].time,
        until=events[-1].time + _LATER,
        limit=MOST,
        newest_first=False,
        tenant=tenant,
        where=All((Is("kind", tuple(map(Pattern, _BELONGING))), about)),
    )
    servers = {event.server for event in events}
    return [event for event in found.events if event.id not in known and _belongs(event, known, servers)]


def _belongs(event: Event, known: set[str], servers: set[str]) -> bool:
    if event.kind == "detect.alert.raised":
        return event.body.get("event") in known
    return not event.server or event.server in servers


def _is(field: str, value: str) -> Any:
    return Is(field, (Pattern(value),))
