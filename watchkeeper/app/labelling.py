"""Events of an exercise carry the label `exercise`, wherever in the process they are made.

Stands before the journal: whatever concerns an exercise's server or client is marked on its way in, so that no figure
about the real estate counts it.
"""

from __future__ import annotations

import msgspec

from watchkeeper.events import Event, Journal
from watchkeeper.exercise.stage import CLIENT, SERVERS, THIEF

LABEL = "exercise"
_PRINCIPALS = frozenset({f"agent:{CLIENT}", CLIENT, f"agent:{THIEF}", THIEF})


class ExerciseJournal(Journal):
    """A journal that marks what an exercise causes."""

    def append(self, event: Event) -> int:
        return super().append(labelled(event))


def labelled(event: Event) -> Event:
    """The event, marked if it belongs to an exercise."""
    is_ours = event.server in SERVERS or event.actor in _PRINCIPALS or event.target in _PRINCIPALS
    if not is_ours or LABEL in event.labels:
        return event
    return msgspec.structs.replace(event, labels=tuple(sorted({*event.labels, LABEL})))


def journal_class(*, demo: bool) -> type[Journal]:
    """Which journal a process opens."""
    return ExerciseJournal if demo else Journal
