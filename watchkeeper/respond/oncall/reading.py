"""From the settings to a plan. Pure; every flaw is named with the setting it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Misconfigured
from watchkeeper.operators.model import NAME
from watchkeeper.policy.windows import DAYS, Span, spans_of
from watchkeeper.respond.oncall.model import PERSON, ROTA, Layer, Person, Plan, Rota, Rung
from watchkeeper.respond.oncall.settings import LayerSettings, OncallSettings, PersonSettings, RotaSettings

SEVERITIES = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
"""Words to OCSF's `severity_id`."""
_WHERE = "respond.oncall"
_HANDOVER = re.compile(r"(?:(mon|tue|wed|thu|fri|sat|sun) )?([01][0-9]|2[0-3]):([0-5][0-9])")
_MINUTE = 60 * SECOND


def plan_of(settings: OncallSettings) -> Plan:
    """The plan; one that is off where the settings name nobody. Raises `Misconfigured`."""
    people = {name: _person(name, one, settings) for name, one in settings.people.items()}
    rotas = {name: _rota(name, one, people) for name, one in settings.rotas.items()}
    rungs = tuple(_rungs(settings, people, rotas))
    return Plan(
        people=people,
        rotas=rotas,
        rungs=rungs,
        page_from=SEVERITIES[settings.page_from],
        escalate_from=SEVERITIES[settings.escalate_from],
        most_pages=settings.most_pages,
        within=int(settings.window_minutes * _MINUTE),
    )


def _person(name: str, one: PersonSettings, settings: OncallSettings) -> Person:
    where = f"{_WHERE}.people.{name}"
    if not NAME.fullmatch(name):
        raise Misconfigured(f"{where}: no name of an operator", hint="the name on the roster: letters, digits, . _ @ -")
    if not one.channels:
        raise Misconfigured(f"{where}.channels: nobody is reached by no channel", hint="name a channel")
    for channel in one.channels:
        if channel not in settings.channels:
            known = ", ".join(settings.channels) or "none"
            raise Misconfigured(f"{where}.channels: there is no channel {channel!r}", hint=f"there is: {known}")
    zone = zone_of(f"{where}.zone", one.zone)
    quiet = hours_of(f"{where}.quiet", one.quiet, one.zone)
    return Person(name, zone, one.channels, quiet, SEVERITIES[one.quiet_below])


def _rota(name: str, one: RotaSettings, people: dict[str, Person]) -> Rota:
    where = f"{_WHERE}.rotas.{name}"
    zone = zone_of(f"{where}.zone", one.zone)
    layers = tuple(_layer(f"{where}.layers", layer, one.zone, people) for layer in one.layers)
    holidays = {}
    for day, person in one.holidays.items():
        _known(f"{where}.holidays", person, people)
        holidays[_date(f"{where}.holidays", day)] = person
    return Rota(name, zone, layers, holidays)


def _layer(where: str, one: LayerSettings, zone: str, people: dict[str, Person]) -> Layer:
    for person in one.people:
        _known(where, person, people)
    found = _HANDOVER.fullmatch(one.handover)
    if found is None or (one.every == "week") != bool(found[1]):
        hint = 'for weeks "mon 09:00", for days "09:00"'
        raise Misconfigured(f"{where}: no time of a handover: {one.handover!r}", hint=hint)
    first = _date(f"{where}.start", one.start)
    if found[1]:
        first += timedelta(days=(DAYS.index(found[1]) - first.weekday()) % 7)
    return Layer(
        people=one.people,
        days=one.length * (7 if one.every == "week" else 1),
        first=first,
        minute=int(found[2]) * 60 + int(found[3]),
        hours=hours_of(f"{where}.hours", one.hours, zone),
    )


def _rungs(settings: OncallSettings, people: dict[str, Person], rotas: dict[str, Rota]) -> Iterator[Rung]:
    levels = [(level.page, int(level.after_minutes * _MINUTE)) for level in settings.levels]
    if not levels and rotas:
        levels = [(tuple(f"{ROTA}:{name}" for name in rotas), 10 * _MINUTE)]
    if settings.fallback and not levels:
        raise Misconfigured(f"{_WHERE}.fallback: there is no level before it", hint="add rotas, or levels")
    there = {f"{PERSON}:{name}" for name in people} | {f"{ROTA}:{name}" for name in rotas}
    for target in (*(one for page, _ in levels for one in page), *settings.fallback):
        if target not in there:
            raise Misconfigured(f"{_WHERE}: nobody is {target!r}", hint="write rota:NAME or person:NAME, of those here")
    for turn in range(settings.repeats + 1):
        for number, (page, wait) in enumerate(levels, 1):
            yield Rung(page, 0 if (turn, number) == (0, 1) else wait, number)
    if settings.fallback:
        yield Rung(settings.fallback, int(settings.fallback_minutes * _MINUTE), len(levels) + 1, is_fallback=True)


def zone_of(where: str, key: str) -> ZoneInfo:
    """A time zone by name. Raises `Misconfigured`."""
    try:
        return ZoneInfo(key)
    except (KeyError, OSError, ValueError) as error:  # no such zone, or no zones on this host
        hint = "a name such as Europe/Berlin or UTC; on a host without time zones, install tzdata"
        raise Misconfigured(f"{where}: no time zone {key!r}", hint=hint) from error


def hours_of(where: str, texts: Sequence[str], zone: str) -> tuple[Span, ...]:
    """Days and hours in a zone. Raises `Misconfigured`."""
    if not texts:
        return ()
    try:
        return spans_of({"hours": [f"{text} {zone}" for text in texts]})["hours"]
    except Misconfigured as error:
        reason = where + error.reason.partition(".hours")[2]  # that room names a setting of its own
        raise Misconfigured(reason, hint='write "mon-sun 22:00-07:00"') from error


def _date(where: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misconfigured(f"{where}: no day: {text!r}", hint="write it as 2026-12-25") from error


def _known(where: str, person: str, people: dict[str, Person]) -> None:
    if person not in people:
        known = ", ".join(people) or "nobody"
        raise Misconfigured(f"{where}: nobody here is {person!r}", hint=f"[{_WHERE}.people] has: {known}")
