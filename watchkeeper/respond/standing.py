"""What a run has still to contain while it goes on or waits. Pure.

A gate that waits for what cannot be undone keeps nobody from saying that an attack is contained. A containment that
could be taken back, and waits behind a gate all the same, is one that is not there yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from watchkeeper.respond.planning import Plan, PlannedStep
from watchkeeper.respond.playbook import StepKind

_HOLDS_UP = (StepKind.WAIT, StepKind.MANUAL)


@dataclass(frozen=True)
class Ahead:
    """Containments of a plan that have not ended."""

    under_way: tuple[str, ...] = ()
    """Nothing keeps the run from them: they come next."""
    behind_gates: tuple[str, ...] = ()
    """A person or a moment is waited for before them."""


def ahead(plan: Plan, ended: Collection[str], contains: Callable[[PlannedStep], str]) -> Ahead:
    """What is ahead of a run whose steps `ended` are over.

    `contains` says what a step is to contain, by an order that can be taken back; empty for any other step.
    """
    under_way: list[str] = []
    behind: list[str] = []

    def walk(block: Sequence[PlannedStep], *, is_held_up: bool) -> bool:
        """Whether whatever follows the block is held up."""
        for step in block:
            is_over = step.id in ended or bool(step.skip)
            waits = step.approve is not None or step.kind in _HOLDS_UP
            is_held_up = is_held_up or (waits and not is_over)
            if not is_over and (target := contains(step)):
                (behind if is_held_up else under_way).append(target)
            branches = [walk(branch, is_held_up=is_held_up) for branch in step.branches.values()]
            is_held_up = is_held_up or any(branches)
        return is_held_up

    walk(plan.steps, is_held_up=plan.approve is not None and not ended)
    return Ahead(tuple(under_way), tuple(behind))
