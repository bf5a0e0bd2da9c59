"""Which steps of playbooks were driven: counted in the journal's trace of what was done, never in a script. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from watchkeeper.events import Event
from watchkeeper.respond.playbook import Playbook, StepSpec

_ACTED = frozenset({"completed", "unavailable"})
"""Carried out, or found to be carried out by nobody here."""
Step = tuple[str, str]
"""A playbook's id and a step's."""


@dataclass
class Driven:
    """What a journal tells of steps."""

    acted: set[Step] = field(default_factory=set)
    skipped: set[Step] = field(default_factory=set)
    """Whose `if` did not hold, or that were not reached."""

    @classmethod
    def told_by(cls, events: Iterable[Event]) -> Driven:
        """Of these events, whatever else is among them."""
        driven = cls()
        for event in events:
            domain, _, state = event.kind.rpartition(".")
            if domain != "respond.step":
                continue
            step = str(event.body.get("playbook")), str(event.body.get("step"))
            if state in _ACTED:
                driven.acted.add(step)
            elif state == "skipped":
                driven.skipped.add(step)
        return driven


def steps_of(playbook: Playbook) -> list[Step]:
    """Every step that does something or asks somebody, also those in branches and failure paths."""
    return [(playbook.id, step.id) for step in _each(playbook.steps)]


def conditional(playbook: Playbook) -> list[Step]:
    """The steps that are taken only if something holds."""
    return [(playbook.id, step.id) for step in _each(playbook.steps) if step.if_]


def _each(steps: Sequence[StepSpec]) -> Iterator[StepSpec]:
    for step in steps:
        yield step
        for branch in step.parallel.values():
            yield from _each(branch)
        yield from _each(step.failure_path)
