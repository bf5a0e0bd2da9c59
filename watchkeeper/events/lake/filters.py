"""What a search asks for, as a value: a condition of SQL for the lake, and the same question of one event in memory.

Pure. Values enter SQL as literals of a syntax tree (sqlglot writes them), never as text pasted into text. The two forms
must agree: an event is answered by the one or the other depending on how far the lake has come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from sqlglot import exp

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid
from watchkeeper.events.lake.schema import to_row
from watchkeeper.events.model import Event
from watchkeeper.events.query import sql
from watchkeeper.events.query.memory import question
from watchkeeper.events.query.model import All, Compare, Contains, Expr, Is, Pattern

_DAY = 86_400 * SECOND
_PLAIN = re.compile(r"[A-Za-z0-9._ -]+")


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
    where: Expr | None = None
    """A query (`events.query`)."""
    tenant: str = "default"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_.*]*", self.kind):
            raise Invalid(
                f"not a kind of event: {self.kind!r}", hint="write it as gateway.request.decided or gateway.*"
            )

    def parts(self) -> Iterator[Expr]:
        """All but time and tenant, as parts of a query: there is one meaning of `server`, however it was asked for."""
        for name in ("kind", "server", "actor", "target", "outcome"):
            if value := getattr(self, name):
                yield Is(name, (Pattern(value, is_wild=name == "kind" and "*" in value),))
        for label in self.labels:
            yield Is("label", (Pattern(label),))
        if self.severity:
            yield Compare("severity", ">=", self.severity)
        if self.text:
            yield Contains(self.text)
        if isinstance(self.where, All):
            yield from self.where.parts
        elif self.where is not None:
            yield self.where


def matching(wanted: Filter) -> Callable[[Event], bool]:
    """The question whether an event is one that `condition` would find, ready to be asked of many."""
    bounds = _bounds(wanted)
    asked = All(tuple(wanted.parts()))
    ask = question(asked)
    return lambda event: bounds(event) and (not asked.parts or ask(to_row(event)))


def matches(wanted: Filter, event: Event) -> bool:
    """`matching`, of one event."""
    return matching(wanted)(event)


def can_match(wanted: Filter) -> Callable[[bytes], bool]:
    """Whether a stored record may be one that `matching` finds: told from its bytes, much sooner than asking the event.

    Letters, digits and `._ -` stand in JSON text as they stand in the text itself. A record with other letters than
    ASCII's is always one that may: their lower case may be one of these.
    """
    texts = [part.text for part in wanted.parts() if isinstance(part, Contains) and _PLAIN.fullmatch(part.text)]
    needles = [text.lower().encode() for text in texts]
    if not needles:
        return lambda record: True

    def can(record: bytes) -> bool:
        low = record.lower()
        return all(needle in low for needle in needles) or not record.isascii()

    return can


def condition(wanted: Filter) -> Any:
    """The condition over the lake's columns."""
    parts: list[Any] = [exp.column("tenant").eq(sql.literal(wanted.tenant))]
    if wanted.since is not None:
        parts += [exp.column("time") >= moment(wanted.since), exp.column("day") >= day(wanted.since)]
    if wanted.until is not None:
        parts += [exp.column("time") < moment(wanted.until), exp.column("day") <= day(wanted.until)]
    return exp.and_(*parts, *map(sql.condition, wanted.parts()))


def moment(microseconds: int) -> Any:
    """A time as the lake's engine compares it."""
    return sql.call("to_timestamp_micros", exp.Literal.number(min(max(microseconds, 0), 2**62)))


def _bounds(wanted: Filter) -> Callable[[Event], bool]:
    """What needs no row: cheap to ask, and most events of another time or tenant end here."""
    since = -(2**63) if wanted.since is None else wanted.since
    until = 2**63 if wanted.until is None else wanted.until
    return lambda event: since <= event.time < until and (event.tenant or "default") == wanted.tenant


def day(microseconds: int) -> Any:
    """The partition that a time lies in."""
    days = min(max(microseconds // _DAY, 0), 2_932_896)
    return sql.call("arrow_cast", exp.Literal.number(days), sql.literal("Date32"))
