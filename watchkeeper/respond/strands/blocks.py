"""Places in a plan. Pure.

A strand is named by the branches that lead to it: `both.left`, and `both.left/inner.b` within it; the way that every
run has is the empty name. Failure paths belong to the strand of the step that failed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from watchkeeper.core.errors import NotFound
from watchkeeper.respond.planning import Plan, PlannedStep

Block = tuple[PlannedStep, ...]


def branch(strand: str, step: str, name: str) -> str:
    """The strand of a branch."""
    inner = f"{step}.{name}"
    return f"{strand}/{inner}" if strand else inner


def block_of(plan: Plan, strand: str) -> Block:
    """The steps of a strand. Raises `NotFound`."""
    block = plan.steps
    for part in filter(None, strand.split("/")):
        step, _, name = part.partition(".")
        found = next((one for one in _inline(block) if one.id == step), None)
        if found is None or name not in found.branches:
            raise NotFound(f"there is no branch {strand!r}")
        block = found.branches[name]
    return block


def way_to(block: Block, step: str) -> list[int]:
    """Indices that lead to a step: in the block, then in the failure path of that one, and so on. Raises `NotFound`."""
    for index, one in enumerate(block):
        if one.id == step:
            return [index]
        if any(inner.id == step for inner in _inline(one.path)):
            return [index, *way_to(one.path, step)]
    raise NotFound(f"there is no step {step!r}")


def acts(block: Block) -> bool:
    """Whether anything in it is carried out."""
    return any(not (step.skip or step.broken) for step in block)


def scopes_of(plan: Plan, step: str) -> tuple[str, ...]:
    """The steps whose approval covers this one: itself and the blocks around it; empty stands for the playbook."""
    return ("", *_around(plan.steps, step, ()))


def is_asked(plan: Plan, step: str) -> bool:
    """Whether somebody must approve before this step."""
    scopes = scopes_of(plan, step)
    return plan.approve is not None or any(one.approve and one.id in scopes for one in plan.each())


def binding(run: str, step: str, playbook_hash: str, plan: Plan) -> str:
    """What an approval of this step of this run is for."""
    parts = "\n".join((run, step, playbook_hash, plan.digest()))
    return "sha256:" + hashlib.sha256(parts.encode()).hexdigest()


def _around(block: Sequence[PlannedStep], step: str, outer: tuple[str, ...]) -> tuple[str, ...]:
    for one in block:
        if one.id == step:
            return (*outer, one.id)
        for steps in one.branches.values():
            if found := _around(steps, step, (*outer, one.id)):
                return found
        # what was approved is the step, not what is tried in its place
        if found := _around(one.path, step, outer):
            return found
    return ()


def _inline(block: Sequence[PlannedStep]) -> list[PlannedStep]:
    """The steps that a strand itself may take: its own, and those of failure paths."""
    found: list[PlannedStep] = []
    for one in block:
        found += [one, *_inline(one.path)]
    return found
