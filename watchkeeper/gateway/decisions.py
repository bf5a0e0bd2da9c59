"""Decisions read back: what `record` wrote of them, as policy questions again.

Above: whoever explains, counts or replays. Beside: `record`, which writes these events; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from watchkeeper.events.model import Event
from watchkeeper.gateway.containment import AGENT
from watchkeeper.gateway.record import LONGEST
from watchkeeper.policy.analysis.again import Decision
from watchkeeper.policy.model import Effect, Question
from watchkeeper.policy.reads import FACTS

DECIDED = "gateway.request.decided"
MESSAGE = "gateway.message.decided"
_PAGE = 20_000


class Searches(Protocol):
    """`events.lake.Search`."""

    def events(self, *, since: int | None, until: int | None, limit: int, newest_first: bool, **narrow: Any) -> Any: ...


def decisions(search: Searches, since: int, until: int, *, page: int = _PAGE, **narrow: Any) -> Iterator[Event]:
    """Every recorded decision of a range and a tenant, each kind oldest first, page by page."""
    for kind in (DECIDED, MESSAGE):
        yield from _of_kind(search, since, until, page, kind=kind, **narrow)


def _of_kind(search: Searches, since: int, until: int, page: int, **narrow: Any) -> Iterator[Event]:
    seen: set[str] = set()
    limit = page
    while True:
        found = search.events(since=since, until=until, limit=limit, newest_first=False, **narrow)
        fresh = [event for event in found.events if event.id not in seen]
        yield from fresh
        if not found.is_cut:
            return
        if not fresh:
            limit *= 2  # more events in one microsecond than a page holds
        since = found.events[-1].time
        seen = {event.id for event in found.events if event.time == since}


def policies_named(event: Event) -> frozenset[str]:
    """The rules that a decision names, of its request and of its answer; policies are among them by their ids."""
    body = event.body
    answer = _dict(body.get("answer"))
    named: set[str] = set()
    for part in (body, answer):
        named |= _texts(part.get("rules")) | _texts(part.get("shadowed"))
        named |= _texts(_dict(part.get("changed")).get("policies"))
    return frozenset(named)


def recalled(event: Event) -> Iterator[Decision]:
    """What policy was asked and said in one event: of a request and of its answer, or of a server's message.

    Whatever something else decided before policy was asked is not among it.
    """
    body = event.body
    part = "message" if event.kind == MESSAGE else "request"
    if body.get("method") in ("GET", "DELETE") and "asked" not in body:
        return  # it had no message
    yield from _recalled(event, body, part)
    if isinstance(body.get("answer"), dict):
        yield from _recalled(event, body["answer"], "answer")


def _recalled(event: Event, said: dict[str, Any], part: str) -> Iterator[Decision]:
    asked = said.get("asked")
    if asked is None and "asked" in said:
        return
    try:
        if not isinstance(asked, dict):
            raise ValueError("it was recorded before questions were kept")
        question, is_whole = _question(event, asked, said)
        rules = tuple(sorted(_texts(said.get("rules"))))
        yield Decision(event.id, event.time, part, question, Effect(asked["effect"]), rules, is_whole)
    except (ValueError, KeyError, msgspec.ValidationError) as error:
        why = str(error) if type(error) is ValueError else "its question cannot be read"
        yield Decision(event.id, event.time, part, None, Effect.DENY, missing=why)


def _question(event: Event, asked: dict[str, Any], said: dict[str, Any]) -> tuple[Question, bool]:
    """The question, and whether its arguments are in it."""
    if max(len(asked["target"]), len(event.target)) >= LONGEST:
        raise ValueError("its target was cut")
    facts: dict[str, Any] = {
        fact: tuple(sorted(_texts(asked.get(fact, said.get(fact))))) for fact in ("groups", *FACTS) if fact != "pin"
    }
    question = Question(
        principal=event.actor.removeprefix(AGENT),
        action=asked["action"],
        server=event.server,
        target=asked["target"],
        pin=asked.get("pin", "none"),
        **facts,
    )
    if question.action != "call_tool":
        return question, True
    if not asked.get("kept"):
        return question, False
    spoken = event.body.get("arguments")
    given = msgspec.json.decode(spoken.encode(), type=_Params).arguments if isinstance(spoken, str) else b""
    return msgspec.structs.replace(question, arguments=bytes(given)), True


class _Params(msgspec.Struct):
    arguments: msgspec.Raw = msgspec.Raw(b"")


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> set[str]:
    return {text for text in value if isinstance(text, str)} if isinstance(value, list | tuple) else set()
