"""Which sealed files may lose their records, and why the others keep them. Pure.

A legal hold keeps a file whatever else says. A registered reader that has not passed it keeps it until it has been
over its time for `reader_days`; then the reader loses what it has not read, counted. Else age and size decide. A file
that is kept keeps none of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.events.journal.keeping import RetentionSettings

DAY = 86_400 * SECOND
IsHeld = Callable[[int, int], bool]
"""Whether a legal hold covers anything between two times, microseconds since the epoch, both included."""
Cursors = Callable[[str], Mapping[str, int]]
"""The first index of this writer that each registered reader has not read yet. Raises when it cannot be known."""


def _nothing_held(_first: int, _last: int) -> bool:
    return False


def _no_readers(_writer: str) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True)
class Guards:
    """Who may keep a file from losing its records; wired by `app`."""

    is_held: IsHeld = field(default=_nothing_held)
    cursors: Cursors = field(default=_no_readers)


class Candidate(msgspec.Struct, frozen=True):
    """One full file, as retention sees it."""

    file: str
    first: int
    size: int
    """The log's size after its last record."""
    times: tuple[int, int]
    """Of its first and last commit: age counts from when something was recorded."""
    event_times: tuple[int, int]
    """The earliest and the latest that its events state: a hold is about these."""
    bytes: int
    form: str
    """`plain`, `sealed` or `pruned`."""


class Ruling(msgspec.Struct, frozen=True):
    """What is to become of one file."""

    file: str
    is_removed: bool
    reason: str
    loses: dict[str, int] = {}
    """Records that a reader has not read, by its name."""


def rule(
    candidates: Sequence[Candidate], settings: RetentionSettings, guards: Guards, writer: str, now: int
) -> list[Ruling]:
    """A ruling for each file that is not pruned already, the oldest first. Raises what the guards raise: on doubt
    nothing is removed."""
    rulings: list[Ruling] = []
    total = sum(candidate.bytes for candidate in candidates)
    cursors = guards.cursors(writer) if settings.is_on else {}
    for candidate in candidates:
        if candidate.form == "pruned":
            continue
        over = _time_over(candidate, settings, now, total)
        ruling = _rule_one(candidate, settings, guards, cursors, over)
        rulings.append(ruling)
        if ruling.is_removed:
            total -= candidate.bytes
    return rulings


def _time_over(candidate: Candidate, settings: RetentionSettings, now: int, total: int) -> int | None:
    """How long it has been over its time, or `None` when it is not."""
    age = now - candidate.times[1]
    if settings.days and age >= settings.days * DAY:
        return age - settings.days * DAY
    if settings.megabytes and total > settings.megabytes * 1_000_000:
        return max(0, age)
    return None


def _rule_one(
    candidate: Candidate,
    settings: RetentionSettings,
    guards: Guards,
    cursors: Mapping[str, int],
    over: int | None,
) -> Ruling:
    if over is None:
        return Ruling(candidate.file, False, "within its time" if settings.is_on else "retention is off")
    if candidate.form != "sealed":
        return Ruling(candidate.file, False, "not sealed yet")
    if guards.is_held(*candidate.event_times):
        return Ruling(candidate.file, False, "under a legal hold")
    behind = {
        name: candidate.size - max(index, candidate.first) for name, index in cursors.items() if index < candidate.size
    }
    if behind and over < settings.reader_days * DAY:
        return Ruling(candidate.file, False, f"not read yet by {', '.join(sorted(behind))}")
    return Ruling(candidate.file, True, "past its time", behind)
