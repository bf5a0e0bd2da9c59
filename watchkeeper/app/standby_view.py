"""On-call and the dead-man's switch as the console's port wants them: the command line's acts, asked by who is in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.admission import Access
from watchkeeper.app.oncall import Oncalling
from watchkeeper.app.overview import deadman
from watchkeeper.core.clock import SECOND, from_iso
from watchkeeper.core.errors import Denied, Invalid
from watchkeeper.operators import Acting
from watchkeeper.respond.deadman.pausing import pause_at
from watchkeeper.respond.oncall.handover import Report
from watchkeeper.respond.oncall.model import Shift
from watchkeeper.web.standby import DAYS, StandbyWhole, Switch

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform
    from watchkeeper.app.settings import Loaded

_NEEDS = {
    "ack": "acknowledge_incidents",
    "accept": "acknowledge_incidents",
    "quiet": "acknowledge_incidents",
    "override": "manage_oncall",
    "override_end": "manage_oncall",
    "pause": "pause_deadman",
    "resume": "pause_deadman",
}
_UNITS = {"m": 60, "h": 3600, "d": 86_400}
_HANDOVERS = 4


class StandbyView:
    """Asks the policies about operators first."""

    def __init__(self, platform: Platform, loaded: Loaded) -> None:
        self._on = platform
        self._acts = Oncalling(platform, loaded)
        self._access = Access(platform)

    def show(self, acting: Acting) -> StandbyWhole:
        self._access.require(acting, "read_oncall")
        acts = self._acts.acts
        standing = acts["oncall.show"]({})
        calendars: dict[str, list[Shift]] = {
            seat.rota: acts["oncall.calendar"]({"rota": seat.rota, "days": DAYS}) for seat in standing.seats
        }
        reports = acts["oncall.handovers"]({"limit": _HANDOVERS})
        return StandbyWhole(
            standing=standing,
            calendars=calendars,
            handovers=[(msgspec.convert(dict(one), Report), str(one["text"])) for one in reports],
            switch=self._switch(),
            people=sorted(person.name for person in self._on.roster.list() if not person.revoked_at),
            may_acknowledge=self._may(acting, "acknowledge_incidents"),
            may_manage=self._may(acting, "manage_oncall"),
            may_pause=self._may(acting, "pause_deadman"),
        )

    def act(self, acting: Acting, said: Mapping[str, str]) -> None:
        act = said.get("act", "")
        if act not in _NEEDS:
            raise Invalid(f"nothing is called {act[:40]!a}", hint="use a form of this page")
        self._access.require(acting, _NEEDS[act])
        asked = {**said, "by": acting.actor, "acting": acting}
        doing: dict[str, Callable[[dict[str, Any]], Any]] = {"override": self._override, "quiet": self._quiet}
        if act in doing:
            doing[act](asked)
        elif act == "pause":
            self._acts.acts["deadman.pause"](asked | {"seconds": _seconds(said.get("lasting", ""))})
        else:
            self._acts.acts["deadman.resume" if act == "resume" else f"oncall.{act}"](asked)

    def _override(self, asked: dict[str, Any]) -> None:
        begins = from_iso(asked["begins"]) if asked.get("begins") else self._on.clock.now()
        ends = begins + _seconds(asked.get("lasting", "")) * SECOND
        self._acts.acts["oncall.override"](asked | {"begins_at": begins, "ends_at": ends})

    def _quiet(self, asked: dict[str, Any]) -> None:
        person = asked["by"].removeprefix("operator:")  # on this page, everybody for themselves
        seconds = 0 if asked.get("lasting") == "0" else _seconds(asked.get("lasting", ""))
        self._acts.acts["oncall.quiet"](asked | {"person": person, "seconds": seconds})

    def _switch(self) -> Switch:
        found = deadman(self._on.data_dir)
        now = self._on.clock.now()
        return Switch(
            is_on=found["is_on"],
            known=found["known"],
            why=found["why"],
            sources=found.get("sources", ()),
            channels=found.get("channels", ()),
            unsent=found.get("unsent") or 0,
            pause=pause_at(self._on.database, now),
            ping=found.get("ping"),
        )

    def _may(self, acting: Acting, act: str) -> bool:
        try:
            self._access.check(acting, act)
        except Denied:
            return False
        return True


def _seconds(text: str) -> int:
    """Of `30m`, `2h` or `3d`. Raises `Invalid`."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text.strip())
    if found is None:
        raise Invalid(f"{text[:40]!a} is no length of time", hint="write it as 30m, 2h or 3d")
    return int(found[1]) * _UNITS[found[2]]
