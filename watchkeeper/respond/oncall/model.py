"""Who is on call, and what they are called for. No I/O."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import msgspec

from watchkeeper.policy.windows import Span

PERSON, ROTA = "person", "rota"
"""What a level can name: `person:ann`, `rota:primary`."""
NOBODY = ""


class Person(msgspec.Struct, frozen=True):
    """Somebody who can be called: an operator, by the name on the roster."""

    name: str
    zone: ZoneInfo
    channels: tuple[str, ...]
    """Where they are reached: all of them, at once."""
    quiet: tuple[Span, ...] = ()
    """When they are called for what is severe only."""
    quiet_below: int = 4
    """What is below this severity waits for the end of quiet hours."""


class Layer(msgspec.Struct, frozen=True):
    """People who take turns."""

    people: tuple[str, ...]
    days: int
    """How long a turn lasts, in days of the calendar."""
    first: date
    """The day of the first handover."""
    minute: int
    """When on such a day the next turn begins: minutes since midnight, by the clock on the wall."""
    hours: tuple[Span, ...] = ()
    """When the layer counts; empty for always."""


class Rota(msgspec.Struct, frozen=True):
    """Layers, of which a later one stands above the earlier ones while it counts."""

    name: str
    zone: ZoneInfo
    layers: tuple[Layer, ...]
    holidays: dict[date, str] = {}
    """Day → who is on call from its midnight to the next, whatever the layers say."""


class Override(msgspec.Struct, frozen=True):
    """Somebody takes over for a while; the newest one that was made counts."""

    id: str
    rota: str
    person: str
    begins_at: int
    ends_at: int
    reason: str
    by: str
    made_at: int


class Turn(msgspec.Struct, frozen=True):
    """Who is on call, and why it is they."""

    person: str
    """Empty when nobody is."""
    why: str
    """`layer 1`, `holiday`, `override`, or `nobody`."""


class Shift(msgspec.Struct, frozen=True):
    """A turn with its ends, microseconds."""

    rota: str
    person: str
    begins_at: int
    ends_at: int
    why: str


class Rung(msgspec.Struct, frozen=True):
    """A step of an escalation."""

    targets: tuple[str, ...]
    wait: int
    """Microseconds since the step before."""
    level: int
    """1 is the first; the fallback's is one more than the last."""
    is_fallback: bool = False


class Plan(msgspec.Struct, frozen=True):
    """The settings of on-call, read and checked."""

    people: dict[str, Person] = {}
    rotas: dict[str, Rota] = {}
    rungs: tuple[Rung, ...] = ()
    """In order; the last one is repeated until somebody acknowledges."""
    page_from: int = 3
    escalate_from: int = 4
    most_pages: int = 10
    within: int = 0
    """Microseconds in which a person gets at most so many pages that are neither critical nor an escalation."""

    @property
    def is_on(self) -> bool:
        """Whether there is anybody to call."""
        return bool(self.rungs)
