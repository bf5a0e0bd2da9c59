"""A session told as a conversation: who asked for what, what the verdict was, what came back, who was asked. Pure.

Every turn is words; colour and symbols only repeat them. What was not kept by the capture policy is said and never
looks like nothing. Gathering the events is `gathering`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from watchkeeper.events.model import Event

GATEWAY = "watchkeeper"
_LONGEST = 4000
_STOPPED = {"deny": "denied", "ask": "held for a person", "modify": "changed", "allow": "allowed"}


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody said or did."""

    time: int
    who: str
    """The principal, the server, `watchkeeper`, or the person."""
    role: str
    """`asks`, `rules`, `answers`, `decides`, `alerts`, `orders`, `notes`."""
    words: str
    """What happened, in one line."""
    detail: str = ""
    """What was said, as captured."""
    rules: tuple[str, ...] = ()
    outcome: str = ""
    """The verdict's word, where there is one."""
    event: str
    labels: tuple[str, ...] = ()


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The turns, and by what they were found to belong together."""

    key: str
    by: str
    """`session`, `trace`, or `gap`."""
    how: str
    """The same as a sentence."""
    actors: tuple[str, ...]
    servers: tuple[str, ...]
    since: int
    until: int
    turns: tuple[Turn, ...]
    requests: int
    stopped: int
    is_cut: bool
    """There is more than was read."""
    note: str = ""


def told(events: Sequence[Event]) -> tuple[Turn, ...]:
    """The turns of events that lie in order of time."""
    return tuple(turn for event in events for turn in _turns(event))


def is_stopped(event: Event) -> bool:
    """Whether a request, or its answer, did not get through."""
    outcomes = {event.outcome, _text(_dict(event.body.get("answer")).get("outcome"))}
    is_decision = event.kind in ("gateway.request.decided", "gateway.request.refused", "gateway.message.decided")
    return is_decision and bool(outcomes & {"deny", "ask"}) and "shadow" not in event.labels


def left_out(event: Event) -> tuple[tuple[str, str], ...]:
    """What the capture policy did not keep: (member of the body, in words); see docs/concepts/capture.md."""
    capture = event.body.get("capture")
    found = capture.items() if isinstance(capture, dict) else ()
    return tuple((str(name), _left_out(said)) for name, said in found)


def _left_out(said: object) -> str:
    if not isinstance(said, dict):
        return "not kept by policy"
    kept, of = said.get("kept"), said.get("of")
    why = ", ".join(word for word in (_text(said.get("mode")), *_words(said.get("why"))) if word)
    masked = f", {said['masked']} masked" if isinstance(said.get("masked"), int) else ""
    if isinstance(kept, int) and isinstance(of, int) and 0 < of <= kept and masked:  # masks may be longer
        return f"{kept:,} bytes kept in place of {of:,} by policy ({why}{masked})"
    if isinstance(kept, int) and isinstance(of, int) and kept > 0:
        return f"{kept:,} of {of:,} bytes kept by policy ({why}{masked})"
    size = f", {of:,} bytes" if isinstance(of, int) else ""
    return f"not kept by policy ({why or 'no reason is given'}{size}{masked})"


def _words(value: object) -> list[str]:
    return [_text(one) for one in value] if isinstance(value, (list, tuple)) else [_text(value)]


def _captured(event: Event, member: str) -> str:
    """What was said, and what of it was not kept."""
    missing = dict(left_out(event)).get(member, "")
    return "\n".join(part for part in (_text(event.body.get(member)), missing and f"[{missing}]") if part)


def _turns(event: Event) -> Iterator[Turn]:
    if event.kind == "gateway.request.decided":
        yield from _exchange(event)
    elif event.kind == "gateway.request.refused":
        code = event.body.get("status")
        words = f"turned a request away before it was looked at{f' ({code})' if code else ''}"
        yield _turn(event, GATEWAY, "rules", _because(words, event.body), outcome="deny")
    elif event.kind == "gateway.message.decided":
        words = f"sent {_method(event)} on its own accord"
        detail = _captured(event, "message")
        yield _turn(event, event.server or "the server", "answers", words, detail=detail)
        yield _verdict(event, event.body, "the message")
    elif event.kind.startswith("gateway.approval."):
        yield _approval(event)
    elif event.kind == "detect.alert.raised":
        words = _text(event.body.get("summary")) or _text(event.body.get("title")) or "an alert"
        yield _turn(event, GATEWAY, "alerts", words, rules=_rules({"rules": [event.body.get("rule")]}))
    elif event.kind.startswith(("gateway.order.", "respond.")):
        verb = event.kind.rpartition(".")[2].replace("_", " ")
        subject = event.kind.split(".")[1]
        words = _because(f"{subject} {verb}{f': {event.target}' if event.target else ''}", event.body)
        yield _turn(event, event.actor or GATEWAY, "orders", words)
    else:
        words = " ".join(event.kind.split(".")[1:]).replace("_", " ")
        where = f" at {event.server}" if event.server else ""
        yield _turn(event, event.actor or GATEWAY, "notes", _because(words + where, event.body))


def _exchange(event: Event) -> Iterator[Turn]:
    body = event.body
    asked = f"{_method(event)} {event.target}".strip()
    begun = event.time - (took if isinstance(took := body.get("duration_us"), int) else 0)
    detail = _captured(event, "arguments")
    who = event.actor or "nobody verified"
    yield _turn(event, who, "asks", f"{asked} of {event.server}", detail=detail, time=begun)
    yield msgspec.structs.replace(_verdict(event, body, "the request"), time=begun)
    answer = _dict(body.get("answer"))
    ending, failure = body.get("ending"), body.get("failure")
    if isinstance(ending, str):
        yield _turn(event, event.server, "answers", f"nothing: {ending.replace('_', ' ')}")
    elif answer or _captured(event, "result"):
        words = "with an error" if failure else "with a result"
        size = body.get("bytes_out")
        words += f", {size:,} bytes" if isinstance(size, int) and size else ""
        words += f" after {_took(event.time - begun)}" if event.time > begun else ""
        yield _turn(event, event.server, "answers", words, detail=_captured(event, "result"))
    if answer:
        yield _verdict(event, answer, "the answer")


def _verdict(event: Event, said: dict[str, Any], what: str) -> Turn:
    outcome = _text(said.get("outcome")) or event.outcome
    word = _STOPPED.get(outcome, outcome or "judged")
    is_shadow = "shadow" in event.labels and outcome in ("deny", "ask", "modify")
    words = f"{what} would have been {word} (shadow mode: it was let through)" if is_shadow else f"{what} is {word}"
    return _turn(event, GATEWAY, "rules", _because(words, said), rules=_rules(said), outcome=outcome)


def _approval(event: Event) -> Turn:
    verb = event.kind.rpartition(".")[2]
    words = {
        "requested": f"{event.server}/{event.target} waits for a person",
        "decided": f"{'approves' if event.outcome == 'allow' else 'denies'} {event.server}/{event.target}",
        "consumed": f"the approved call of {event.server}/{event.target} was let through, once",
        "expired": "nobody decided, or the call did not come, in time",
        "voided": "what it was asked for is no more",
    }.get(verb, verb)
    role = "decides" if verb == "decided" else "notes"
    who = event.actor if verb == "decided" else GATEWAY
    return _turn(event, who, role, _because(words, event.body), outcome=event.outcome, rules=_rules(event.body))


def _turn(event: Event, who: str, role: str, words: str, *, time: int | None = None, **more: Any) -> Turn:
    moment = event.time if time is None else time
    detail = more.pop("detail", "")
    if len(detail) > _LONGEST:
        detail = f"{detail[:_LONGEST]}… {len(detail) - _LONGEST:,} more characters"
    return Turn(
        time=moment, who=who, role=role, words=words, event=event.id, labels=event.labels, detail=detail, **more
    )


def _because(words: str, said: dict[str, Any]) -> str:
    reason = _text(said.get("reason"))
    return f"{words}: {reason}" if reason else words


def _rules(said: dict[str, Any]) -> tuple[str, ...]:
    rules = said.get("rules")
    return tuple(rule for rule in rules if isinstance(rule, str)) if isinstance(rules, (list, tuple)) else ()


def _method(event: Event) -> str:
    return _text(event.body.get("method")) or "a message"


def _took(microseconds: int) -> str:
    return f"{microseconds / 1000:.3g} ms" if microseconds < 1_000_000 else f"{microseconds / 1_000_000:.3g} s"


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
