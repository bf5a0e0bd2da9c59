"""What a search asks for, as a value: a condition of SQL for the lake, and the same question of one event in memory.

Pure. Values enter SQL as literals of a syntax tree (sqlglot writes them), never as text pasted into text. The two forms
must agree: an event is answered by the one or the other depending on how far the lake has come.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from sqlglot import exp

from watchkeeper.core.clock import SECOND, from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.schema import to_row
from watchkeeper.events.model import Event

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAY = 86_400 * SECOND
_SEARCHED = ("id", "kind", "actor", "claimed", "server", "target", "outcome", "body", "arguments", "result")
"""The columns that `text` looks into."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Every member narrows; an empty one does not."""

    since: int | None = None
    """First moment, inclusive, in microseconds."""
    until: int | None = None
    """Last moment, exclusive."""
    kind: str = ""
    """A kind, the beginning of one up to a dot (`gateway`, `gateway.request`), or a pattern with `*`."""
    server: str = ""
    actor: str = ""
    target: str = ""
    outcome: str = ""
    text: str = ""
    """A substring, letters of either case, of any text of the event."""
    severity: int = 0
    """The least severity."""
    labels: tuple[str, ...] = ()
    """All of these."""
    tenant: str = "default"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_.*]*", self.kind):
            raise Invalid(
                f"not a kind of event: {self.kind!r}", hint="write it as gateway.request.decided or gateway.*"
            )


def parse_time(text: str, now: int) -> int:
    """`15m`, `24h`, `7d`, `2w` ago, `now`, or an ISO 8601 time. Raises `Invalid`."""
    ago = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip())
    if ago:
        return max(0, now - int(ago[1]) * _UNITS[ago[2]] * SECOND)
    if text.strip() == "now":
        return now
    try:
        return from_iso(text.strip())
    except Invalid as error:
        raise Invalid(error.reason, hint="write 15m, 24h, 7d, or 2026-11-22T16:54:53Z") from error


def matches(wanted: Filter, event: Event) -> bool:
    """Whether the event is one that `condition` would find."""
    if event.tenant != wanted.tenant or event.severity < wanted.severity:
        return False
    if wanted.since is not None and event.time < wanted.since:
        return False
    if wanted.until is not None and event.time >= wanted.until:
        return False
    if any(value and getattr(event, name) != value for name, value in _equal(wanted)):
        return False
    if not set(wanted.labels) <= set(event.labels):
        return False
    if wanted.kind and not re.fullmatch(_kind_pattern(wanted.kind), event.kind):
        return False
    return not wanted.text or _has_text(event, wanted.text)


def condition(wanted: Filter) -> Any:
    """The condition over the lake's columns."""
    parts: list[Any] = [exp.column("tenant").eq(_text(wanted.tenant))]
    if wanted.since is not None:
        parts += [exp.column("time") >= _moment(wanted.since), exp.column("day") >= _day(wanted.since)]
    if wanted.until is not None:
        parts += [exp.column("time") < _moment(wanted.until), exp.column("day") <= _day(wanted.until)]
    parts += [exp.column(name).eq(_text(value)) for name, value in _equal(wanted) if value]
    parts += [_call("array_has", exp.column("labels"), _text(label)) for label in wanted.labels]
    if wanted.severity:
        parts.append(exp.column("severity") >= exp.Literal.number(wanted.severity))
    if wanted.kind:
        parts.append(_call("regexp_like", exp.column("kind"), _text(f"^(?:{_kind_pattern(wanted.kind)})$")))
    if wanted.text:
        parts.append(exp.or_(*(_contains(name, needle) for name in _SEARCHED for needle in _needles(wanted.text))))
    return exp.and_(*parts)


def _equal(wanted: Filter) -> tuple[tuple[str, str], ...]:
    return tuple((name, getattr(wanted, name)) for name in ("server", "actor", "target", "outcome"))


def _kind_pattern(kind: str) -> str:
    pattern = kind.rstrip(".").replace(".", r"\.").replace("*", ".*")
    return pattern if "*" in kind else rf"{pattern}(?:\..*)?"


def _needles(text: str) -> list[str]:
    """The text in lower case, as it is and as it stands inside JSON text."""
    return sorted({text.lower(), msgspec.json.encode(text).decode()[1:-1].lower()})


def _has_text(event: Event, text: str) -> bool:
    row = to_row(event)
    texts = [row[name].lower() for name in _SEARCHED if row[name]]
    return any(needle in hay for needle in _needles(text) for hay in texts)


def _contains(name: str, needle: str) -> Any:
    return _call("contains", _call("lower", _call("coalesce", exp.column(name), _text(""))), _text(needle))


def _call(name: str, *arguments: Any) -> Any:
    """A function of the lake's own engine, written as it is: sqlglot must not translate it."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def _text(value: str) -> Any:
    return exp.Literal.string(value)


def _moment(microseconds: int) -> Any:
    return _call("to_timestamp_micros", exp.Literal.number(min(max(microseconds, 0), 2**62)))


def _day(microseconds: int) -> Any:
    days = min(max(microseconds // _DAY, 0), 2_932_896)
    return _call("arrow_cast", exp.Literal.number(days), _text("Date32"))
