"""Whose turn it is, over changes of the clock, layers, holidays and overrides."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Misconfigured
from watchkeeper.respond.oncall.model import Override, Rota
from watchkeeper.respond.oncall.reading import plan_of
from watchkeeper.respond.oncall.rotation import boundary, on_call, quiet_until, shift_at, shifts
from watchkeeper.respond.oncall.settings import (
    ChannelSettings,
    LayerSettings,
    LevelSettings,
    OncallSettings,
    PersonSettings,
    RotaSettings,
)

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC")
NAMES = ("ann", "bob", "cy")
DAY = 24 * 3600 * SECOND


def us(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def settings_of(*layers: LayerSettings, zone: str = "UTC", **more: object) -> OncallSettings:
    people = {name: PersonSettings(channels=("pager",)) for name in NAMES}
    rota = RotaSettings(layers=layers, zone=zone, **more)  # type: ignore[arg-type]
    return OncallSettings(people=people, channels={"pager": ChannelSettings()}, rotas={"main": rota})


def rota_of(*layers: LayerSettings, zone: str = "UTC", **more: object) -> Rota:
    return plan_of(settings_of(*layers, zone=zone, **more)).rotas["main"]


weekly = LayerSettings(people=NAMES, handover="mon 09:00", start="2026-01-01")


@pytest.mark.behaviour("oncall.wall-clock")
@pytest.mark.parametrize(("before", "after"), [("2026-03-23", "2026-03-30"), ("2026-10-19", "2026-10-26")])
def test_the_handover_stays_at_nine_on_the_wall_when_the_clock_is_changed(before: str, after: str) -> None:
    rota = rota_of(weekly, zone="Europe/Berlin")
    for day in (before, after):
        at = us(f"{day}T09:00:00", "Europe/Berlin")
        assert on_call(rota, at - 1).person != on_call(rota, at).person
    length = us(f"{after}T09:00:00", "Europe/Berlin") - us(f"{before}T09:00:00", "Europe/Berlin")
    assert length - 7 * DAY == (-1 if before.startswith("2026-03") else 1) * 3600 * SECOND


@pytest.mark.behaviour("oncall.wall-clock")
@given(
    zone=st.sampled_from(ZONES),
    hour=st.integers(0, 23),
    minute=st.sampled_from((0, 15, 30, 59)),
    days=st.integers(1, 14),
    turn=st.integers(0, 6000),
)
def test_turns_follow_each_other_in_order_and_without_a_gap_over_every_change_of_the_clock(
    zone: str, hour: int, minute: int, days: int, turn: int
) -> None:
    layer = LayerSettings(people=NAMES, every="day", length=days, handover=f"{hour:02}:{minute:02}", start="2008-01-01")
    rota = rota_of(layer, zone=zone)
    begin, end = (boundary(rota.layers[0], rota.zone, one) for one in (turn, turn + 1))
    assert abs(end - begin - days * DAY) <= 25 * 3600 * SECOND  # Apia left a whole day out
    if end == begin:
        return
    assert on_call(rota, begin).person == on_call(rota, end - 1).person == NAMES[turn % 3]
    assert on_call(rota, end).person != on_call(rota, begin).person
    local = datetime.fromtimestamp(begin / SECOND, UTC).astimezone(rota.zone)
    was_skipped = local.replace(fold=0, hour=hour, minute=minute).astimezone(UTC).astimezone(rota.zone).hour != hour
    assert (local.hour, local.minute) == (hour, minute) or was_skipped


@pytest.mark.behaviour("oncall.wall-clock")
@given(
    zone=st.sampled_from(ZONES),
    begin=st.integers(us("2026-01-01T00:00:00"), us("2027-01-01T00:00:00")),
    offsets=st.lists(st.integers(0, 10 * DAY - 1), min_size=5, max_size=30),
)
def test_the_calendar_says_at_every_moment_who_is_on_call(zone: str, begin: int, offsets: list[int]) -> None:
    office = LayerSettings(people=("cy",), every="day", handover="00:00", hours=("mon-fri 02:30-17:00",))
    rota = rota_of(weekly, office, zone=zone, holidays={"2026-12-25": "bob", "2026-03-29": "bob"})
    taken = Override("o", "main", "ann", begin + DAY, begin + 2 * DAY, "", "operator:ann", 1)
    listed = shifts(rota, begin, begin + 10 * DAY, [taken])
    assert [one.begins_at for one in listed[1:]] == [one.ends_at for one in listed[:-1]]
    assert (listed[0].begins_at, listed[-1].ends_at) == (begin, begin + 10 * DAY)
    for offset in offsets:
        said = next(one for one in listed if one.begins_at <= begin + offset < one.ends_at)
        assert said.person == on_call(rota, begin + offset, [taken]).person


@pytest.mark.behaviour("oncall.layers")
def test_overrides_stand_above_holidays_and_holidays_above_layers() -> None:
    night = LayerSettings(people=("bob",), every="day", handover="08:00", hours=("mon-sun 20:00-08:00",))
    rota = rota_of(weekly, night, holidays={"2026-12-25": "cy"})
    noon, late = us("2026-12-24T12:00:00"), us("2026-12-24T23:00:00")
    assert on_call(rota, noon).why == "layer 1"
    assert (on_call(rota, late).person, on_call(rota, late).why) == ("bob", "layer 2")
    assert on_call(rota, us("2026-12-25T23:00:00")).person == "cy"
    older = Override("a", "main", "ann", late, late + DAY, "", "operator:bob", 1)
    newer = Override("b", "main", "bob", late, late + DAY, "", "operator:bob", 2)
    elsewhere = Override("c", "other", "cy", late, late + DAY, "", "operator:bob", 3)
    assert on_call(rota, us("2026-12-25T12:00:00"), [newer, older, elsewhere]).person == "bob"
    assert on_call(rota, late + DAY, [newer, older]).person == "cy"


def test_before_its_first_handover_and_outside_of_its_hours_nobody_is_on_call() -> None:
    rota = rota_of(LayerSettings(people=("ann",), start="2026-06-01", hours=("mon-fri 09:00-17:00",)))
    assert on_call(rota, us("2026-05-29T12:00:00")).why == "nobody"
    assert on_call(rota, us("2026-06-02T12:00:00")).person == "ann"
    assert on_call(rota, us("2026-06-06T12:00:00")).person == ""


def test_a_shift_has_the_ends_of_a_persons_turn() -> None:
    rota = rota_of(weekly, zone="Europe/Berlin")
    shift = shift_at(rota, us("2026-11-26T12:00:00"))
    assert (shift.begins_at, shift.ends_at) == (
        us("2026-11-23T09:00:00", "Europe/Berlin"),
        us("2026-11-30T09:00:00", "Europe/Berlin"),
    )
    alone = rota_of(LayerSettings(people=("ann",)))
    assert shift_at(alone, us("2026-11-26T12:00:00")).person == "ann"


@pytest.mark.behaviour("oncall.quiet")
def test_quiet_hours_end_by_the_clock_on_the_wall_and_never_last_for_ever() -> None:
    settings = OncallSettings(
        people={
            "ann": PersonSettings(channels=("p",), zone="Europe/Berlin", quiet=("mon-sun 22:00-07:00",)),
            "bob": PersonSettings(channels=("p",), quiet=("mon-sun 00:00-24:00",)),
        },
        channels={"p": ChannelSettings()},
    )
    people = plan_of(settings).people
    night = us("2026-10-24T23:30:00", "Europe/Berlin")  # the clock is put back in this night
    assert quiet_until(people["ann"].quiet, night, most=3 * DAY) == us("2026-10-25T07:00:00", "Europe/Berlin")
    day = us("2026-10-24T12:00:00", "Europe/Berlin")
    assert quiet_until(people["ann"].quiet, day, most=3 * DAY) == day
    assert quiet_until(people["bob"].quiet, day, most=3 * DAY) == day + 3 * DAY


@pytest.mark.behaviour("oncall.checked")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (settings_of(LayerSettings(people=("dan",))), "nobody here is 'dan'"),
        (settings_of(LayerSettings(people=("ann",), handover="09:00")), "no time of a handover"),
        (settings_of(LayerSettings(people=("ann",), every="day", handover="mon 09:00")), "no time of a handover"),
        (settings_of(LayerSettings(people=("ann",), handover="mon 25:00")), "no time of a handover"),
        (settings_of(LayerSettings(people=("ann",), start="soon")), "no day"),
        (settings_of(weekly, zone="Mars/Olympus"), "no time zone"),
        (settings_of(weekly, holidays={"2026-13-01": "ann"}), "no day"),
        (settings_of(LayerSettings(people=("ann",), hours=("always",))), "respond.oncall.rotas.main.layers.hours"),
        (OncallSettings(people={"ann": PersonSettings(channels=("pager",))}), "there is no channel"),
        (OncallSettings(people={"ann": PersonSettings(channels=())}), "reached by no channel"),
        (OncallSettings(levels=(LevelSettings(page=("rota:main",)),)), "nobody is 'rota:main'"),
        (OncallSettings(fallback=("person:ann",)), "no level before it"),
    ],
)
def test_a_flaw_of_the_settings_is_named(settings: OncallSettings, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        plan_of(settings)
    assert said in caught.value.reason
    assert caught.value.hint


def test_without_people_nobody_is_called() -> None:
    assert not plan_of(OncallSettings()).is_on


def test_levels_are_gone_through_again_and_end_at_the_fallback() -> None:
    settings = settings_of(weekly)
    settings = msgspec.structs.replace(
        settings,
        levels=(LevelSettings(page=("rota:main",)), LevelSettings(page=("person:bob",), after_minutes=5)),
        repeats=1,
        fallback=("person:cy",),
    )
    rungs = plan_of(settings).rungs
    assert [(one.level, one.wait // (60 * SECOND), one.is_fallback) for one in rungs] == [
        (1, 0, False),
        (2, 5, False),
        (1, 10, False),
        (2, 5, False),
        (3, 30, True),
    ]
