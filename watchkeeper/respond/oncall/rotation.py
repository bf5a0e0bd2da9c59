"""Whose turn it is, by the clock on the wall of the rota's zone. Pure.

A handover at 09:00 is at 09:00 in summer and in winter: a turn may be an hour longer or shorter. A time that the clock
skips is taken as the moment to which it jumps by the offset before; one that comes twice is its first occurrence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from watchkeeper.core.clock import SECOND
from watchkeeper.policy.windows import Span
from watchkeeper.respond.oncall.model import NOBODY, Layer, Override, Rota, Shift, Turn

_DAY = timedelta(days=1)
_MINUTE = 60 * SECOND


def on_call(rota: Rota, at: int, overrides: Sequence[Override] = ()) -> Turn:
    """Who is on call at a moment (microseconds)."""
    taken = [one for one in overrides if one.rota == rota.name and one.begins_at <= at < one.ends_at]
    if taken:
        return Turn(max(taken, key=lambda one: (one.made_at, one.id)).person, "override")
    moment = _moment(at)
    if (person := rota.holidays.get(moment.astimezone(rota.zone).date())) is not None:
        return Turn(person, "holiday")
    for number, layer in reversed(list(enumerate(rota.layers, 1))):
        if layer.hours and not any(span.is_open(moment) for span in layer.hours):
            continue
        if person := _of_layer(layer, rota.zone, at):
            return Turn(person, f"layer {number}")
    return Turn(NOBODY, "nobody")


def shifts(rota: Rota, begins_at: int, ends_at: int, overrides: Sequence[Override] = ()) -> list[Shift]:
    """Every turn between two moments, in order and without a gap; those of nobody, too."""
    edges = sorted({begins_at, *(edge for edge in _edges(rota, begins_at, ends_at, overrides))})
    found: list[Shift] = []
    for begin, end in zip(edges, [*edges[1:], ends_at], strict=True):
        turn = on_call(rota, begin, overrides)
        goes_on = bool(found) and (found[-1].person, found[-1].why) == (turn.person, turn.why)
        since = found.pop().begins_at if goes_on else begin
        found.append(Shift(rota.name, turn.person, since, end, turn.why))
    return found


def shift_at(rota: Rota, at: int, overrides: Sequence[Override] = ()) -> Shift:
    """The shift that a moment lies in: since when, and until when, the same person is on call."""
    reach = 2 * max(layer.days for layer in rota.layers) * 24 * 60 * _MINUTE
    around = shifts(rota, at - reach, at + reach, overrides)
    mine = next(number for number, one in enumerate(around) if one.begins_at <= at < one.ends_at)
    first = last = mine
    while first > 0 and around[first - 1].person == around[mine].person:
        first -= 1
    while last + 1 < len(around) and around[last + 1].person == around[mine].person:
        last += 1
    one = around[mine]
    return Shift(rota.name, one.person, around[first].begins_at, around[last].ends_at, one.why)


def _of_layer(layer: Layer, zone: ZoneInfo, at: int) -> str:
    turn = ((_moment(at).astimezone(zone).date() - layer.first).days) // layer.days
    while boundary(layer, zone, turn) > at:
        turn -= 1
    while boundary(layer, zone, turn + 1) <= at:
        turn += 1
    return layer.people[turn % len(layer.people)] if turn >= 0 else NOBODY


def boundary(layer: Layer, zone: ZoneInfo, turn: int) -> int:
    """When a turn begins, microseconds; the first is 0."""
    return _at(layer.first + timedelta(days=turn * layer.days), layer.minute, zone)


def _edges(rota: Rota, begins_at: int, ends_at: int, overrides: Sequence[Override]) -> Iterator[int]:
    edges = [edge for one in overrides if one.rota == rota.name for edge in (one.begins_at, one.ends_at)]
    day = _moment(begins_at).astimezone(rota.zone).date() - _DAY
    last = _moment(ends_at).astimezone(rota.zone).date() + _DAY
    while day <= last:
        edges += _edges_of_day(rota, day)
        day += _DAY
    return (edge for edge in edges if begins_at < edge < ends_at)


def _edges_of_day(rota: Rota, day: date) -> Iterator[int]:
    if day in rota.holidays or day - _DAY in rota.holidays:
        yield _at(day, 0, rota.zone)
    for layer in rota.layers:
        if (day - layer.first).days % layer.days == 0:
            yield _at(day, layer.minute, rota.zone)
        for span in layer.hours:
            for minute in (span.start, span.end):
                yield _at(day + timedelta(days=minute // (24 * 60)), minute % (24 * 60), span.zone)
                yield _at(day + timedelta(days=minute // (24 * 60)), minute % (24 * 60), span.zone, fold=1)
    begin, end = _at(day, 0, rota.zone), _at(day + _DAY, 0, rota.zone)
    if end - begin != 24 * 60 * _MINUTE and any(layer.hours for layer in rota.layers):
        yield from range(begin, end, 15 * _MINUTE)  # the wall's clock jumps somewhere in here


def quiet_until(spans: Sequence[Span], at: int, *, most: int) -> int:
    """When quiet hours that are on at `at` end, microseconds; `at` itself when they are not on, and never after `most`
    microseconds more."""
    end = at
    while end < at + most and any(span.is_open(_moment(end)) for span in spans):
        end = end - end % _MINUTE + _MINUTE
    return min(end, at + most)


def _at(day: date, minute: int, zone: ZoneInfo, fold: int = 0) -> int:
    local = datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone)
    return int(local.timestamp()) * SECOND


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)
