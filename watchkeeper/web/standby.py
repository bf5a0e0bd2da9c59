"""What the page of on-call needs from below, as a Protocol. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # who only reads settings must not wait for response
    from watchkeeper.operators.model import Acting
    from watchkeeper.respond.deadman.pausing import Pause
    from watchkeeper.respond.oncall.handover import Report
    from watchkeeper.respond.oncall.model import Shift
    from watchkeeper.respond.oncall.views import Standing

DAYS = 14
"""Of a rota that are shown."""


@dataclass(frozen=True)
class Switch:
    """The dead-man's switch."""

    is_on: bool = False
    """Whether it was ever set up here."""
    known: bool = False
    why: str = ""
    """Why nothing is known of it."""
    sources: Sequence[Mapping[str, Any]] = ()
    """`name`, `state`, `why`, `quiet_seconds`."""
    channels: Sequence[str] = ()
    """Who outside is paged."""
    unsent: int = 0
    pause: Pause | None = None
    """The pause that is on."""
    ping: Mapping[str, Any] | None = None
    """The outside half: `sent_at`, `failure`."""


@dataclass(frozen=True)
class StandbyWhole:
    """Everything about on-call, and what who looks may do."""

    standing: Standing
    calendars: Mapping[str, Sequence[Shift]] = field(default_factory=dict)
    handovers: Sequence[tuple[Report, str]] = ()
    """The newest, each with its text."""
    switch: Switch = Switch()
    people: Sequence[str] = ()
    may_acknowledge: bool = False
    may_manage: bool = False
    may_pause: bool = False


class Standby(Protocol):
    """On-call of one tenant. Every method blocks. Raises `Denied`."""

    def show(self, acting: Acting) -> StandbyWhole: ...

    def act(self, acting: Acting, said: Mapping[str, str]) -> None:
        """What a form asks for. Raises `Invalid`, `Conflict`, `NotFound`: nothing is done."""
        ...
