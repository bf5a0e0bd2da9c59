"""The lake's share of the counts, in few scans: fields are grouped together where few combinations of them occur.

One scan is over time, outcome and what we name ourselves; one over server and tool; one over what clients
say of themselves. The groups are added up here. What clients choose may have as many values as there are events: of
more than a million events it is first estimated how many combinations there are, and when they are too many a part of
the events is counted, and said to be so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlglot import exp

from watchkeeper.events.lake.engine import TABLE, rows
from watchkeeper.events.query.fields import FIELDS
from watchkeeper.events.query.needles import members
from watchkeeper.events.query.sql import call, literal
from watchkeeper.events.search.latency import STEP
from watchkeeper.events.search.tally import REQUESTS, Tally

CROWD = 1_000_000
"""Events from which on it is looked at how many combinations there are."""
COMBINATIONS = 250_000
"""More are not counted each."""
BODIES = 100_000
"""Bodies that are read for a member, at most about so many; of more a part."""
_OURS = ("outcome", "severity", "kind", "era", "label", "rule")
TOOLS = ("server", "target")
_CLIENTS = ("actor", "claimed", "method", "status")
_HAS_TAKEN = exp.and_(
    exp.column("duration_us") > exp.Literal.number(0),
    exp.column("server").neq(literal("")),
    call("starts_with", exp.column("kind"), literal(REQUESTS)),
)
_PRIME, _FACTOR = 1_000_003, 48_271


class Options(msgspec.Struct, frozen=True):
    """What is counted of a search."""

    fields: tuple[str, ...]
    buckets: int
    now: int
    with_latency: bool
    top: int
    """Tools that are told of."""


class LakeShare:
    """What a snapshot of the lake holds of a search. Every method raises `Unavailable`."""

    def __init__(self, table: Any, where: Any, options: Options) -> None:
        self._table = table
        self._where = where
        self._options = options
        self._total = 0
        self._sampled = 0

    def oldest(self) -> int | None:
        """The time of the first event."""
        for (moment,) in self._rows(_select(self._where, _micros(call("min", exp.column("time"))).as_("a"))):
            return None if moment is None else int(moment)
        return None

    def count(self, tally: Tally, span: int) -> int:
        """Add everything to the tally; of how many events one was looked at where not all were, else 0."""
        self._over_time(tally, span)
        if not self._total:
            return 0
        if self._options.with_latency or self._chosen(TOOLS):
            self._tools(tally)
        if clients := self._chosen(_CLIENTS):
            self._values(tally, clients)
        for name in self._options.fields:
            if FIELDS[name].type == "member":
                self._members(tally, name)
            elif name not in (*_OURS, *TOOLS, *_CLIENTS):
                self._values(tally, [name])
        return self._sampled

    def _over_time(self, tally: Tally, span: int) -> None:
        names = [name for name in self._chosen(_OURS) if name != "outcome"]
        time = _micros(exp.column("time"))
        start = time.copy() - exp.Mod(this=time.copy(), expression=exp.Literal.number(span))
        late = exp.case().when(time.copy() > exp.Literal.number(self._options.now), exp.Literal.number(1))
        told = [
            _all().as_("n"),
            call("sum", late.else_(exp.Literal.number(0))).as_("late"),
            _micros(call("min", exp.column("time"))).as_("oldest"),
            _micros(call("max", exp.column("time"))).as_("newest"),
        ]
        keys = [start.as_("at"), exp.column("outcome"), *map(_value, names)]
        for at, outcome, *values, number, late_ones, oldest, newest in self._grouped(self._where, keys, told):
            self._total += number
            tally.moment(at, outcome, number, (oldest, newest))
            tally.future += late_ones or 0
            if "outcome" in tally.facets:
                tally.values("outcome", (outcome,), number)
            self._add(tally, names, values, number)

    def _tools(self, tally: Tally) -> None:
        """How many calls each tool had; then how long they took, of those that are told of alone."""
        names = self._chosen(TOOLS)
        where, times = self._part(TOOLS)
        taken = exp.case().when(_HAS_TAKEN.copy(), exp.Literal.number(1)).else_(exp.Literal.number(0))
        keys = [exp.column("server"), exp.column("target")]
        for server, target, number, calls in self._grouped(where, keys, [_all().as_("n"), call("sum", taken).as_("c")]):
            tally.called(server, target, calls * times)
            self._add(tally, names, [server if name == "server" else target for name in names], number * times)
        self._say(tally, names, times)
        tools = tally.busiest(self._options.top) if self._options.with_latency else []
        if not tools:
            return
        steps = call("round", exp.Div(this=call("ln", exp.column("duration_us")), expression=exp.Literal.number(STEP)))
        told = exp.or_(
            *(exp.and_(exp.column("server").eq(literal(s)), exp.column("target").eq(literal(t))) for s, t in tools)
        )
        keys.append(call("arrow_cast", steps, literal("Int64")).as_("step"))
        for server, target, step, number in self._grouped(exp.and_(where, told, _HAS_TAKEN), keys, [_all().as_("n")]):
            tally.took[server, target, step] += number * times

    def _values(self, tally: Tally, names: Sequence[str]) -> None:
        where, times = self._part([FIELDS[name].column for name in names])
        for *values, number in self._grouped(where, [_value(name) for name in names], [_all().as_("n")]):
            self._add(tally, names, values, number * times)
        self._say(tally, names, times)

    def _members(self, tally: Tally, name: str) -> None:
        """Read out of the bodies that have it, here: an event has several, and the engine finds only the first."""
        column = FIELDS[name].column
        has_it = call("contains", exp.column("body"), literal(f'"{column}":"'))
        where, times = exp.and_(self._where.copy(), has_it), 1
        found, number = self._bodies(_select(where, exp.column("body")).limit(BODIES + 1), column)
        if number > BODIES:
            ((number,),) = self._rows(_select(where, _all().as_("n")))
            times = -(-number // BODIES)
            found, _ = self._bodies(_select(exp.and_(where, _one_of(times)), exp.column("body")), column)
        for value, count in found.items():
            tally.values(name, (value,), count * times)
        self._say(tally, [name], times)

    def _bodies(self, select: exp.Select, column: str) -> tuple[Counter[str], int]:
        found: Counter[str] = Counter()
        number = 0
        for (body,) in self._rows(select):
            found.update(set(members(column, body)))
            number += 1
        return found, number

    def _part(self, columns: Sequence[str]) -> tuple[Any, int]:
        """What is looked at, and how many events each of these stands for."""
        if self._total <= CROWD:
            return self._where, 1
        together = call("concat", *(call("arrow_cast", exp.column(name), literal("Utf8")) for name in columns))
        for (different,) in self._rows(_select(self._where, call("approx_distinct", together).as_("n"))):
            if different > COMBINATIONS:
                times = -(-self._total // CROWD)
                return exp.and_(self._where.copy(), _one_of(times)), times
        return self._where, 1

    def _say(self, tally: Tally, names: Sequence[str], times: int) -> None:
        if times > 1:
            self._sampled = max(self._sampled, times)
            tally.about.update(names)
            tally.cut.update(names)

    def _add(self, tally: Tally, names: Sequence[str], values: Sequence[Any], number: int) -> None:
        for name, value in zip(names, values, strict=True):
            tally.values(name, value if FIELDS[name].type == "list" else (value,), number)

    def _chosen(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self._options.fields]

    def _grouped(self, where: Any, keys: Sequence[Any], told: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        by = [exp.Literal.number(number) for number in range(1, len(keys) + 1)]
        return self._rows(_select(where, *keys, *told).group_by(*by))

    def _rows(self, select: exp.Select) -> Iterator[tuple[Any, ...]]:
        return rows(self._table, select)


def _one_of(times: int) -> Any:
    """True for one in so many events, the same ones each time, spread evenly over every log."""
    mixed = exp.Mod(this=exp.column("idx"), expression=exp.Literal.number(_PRIME)) * exp.Literal.number(_FACTOR)
    spread = exp.Mod(this=exp.paren(mixed), expression=exp.Literal.number(_PRIME))
    return spread < exp.Literal.number(-(-_PRIME // times))


def _select(where: Any, *selected: Any) -> exp.Select:
    return exp.select(*selected).from_(TABLE).where(where.copy())


def _value(name: str) -> Any:
    return exp.column(FIELDS[name].column)


def _micros(value: Any) -> Any:
    return call("arrow_cast", value, literal("Int64"))


def _all() -> Any:
    return exp.Count(this=exp.Star())
