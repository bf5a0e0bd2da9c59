"""A CACAO document taken apart and held to what the standard says of its graph, before anything is made of it.

1. It is JSON of bounded size and depth, and what it says has the types of section 3 to 10 (a file that explodes).
2. Every id has the form `type--UUID`, names its step's type, and leads to a step that is there (a way into nothing).
3. There is one start, no way leads back, and few steps (a walk that never ends).
4. A revoked playbook is refused (section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.respond.cacao.model import IDENTIFIER, TYPES, Document, Step

MAX_BYTES = 1 << 20
MAX_STEPS = 256
_HINT = "see docs/guides/playbooks.md"


class Graph:
    """A document's steps, and the ways between them."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises `Misconfigured`, naming `name` and the step."""
        self.name = name
        if len(data) > MAX_BYTES:
            raise self.wrong(f"it has {len(data)} bytes; {MAX_BYTES} are allowed")
        try:
            self.document = msgspec.json.decode(data, type=Document)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
            raise self.wrong(f"no playbook of CACAO 2.0: {str(error)[:200]}") from error
        self.steps = self.document.workflow
        self._check()

    def wrong(self, said: str) -> Misconfigured:
        """The error to raise."""
        return Misconfigured(f"{self.name}: {said}", hint=_HINT)

    def step(self, key: str) -> Step:
        """A step by its id. Raises `Misconfigured`."""
        step = self.steps.get(key)
        if step is None:
            raise self.wrong(f"there is no step {key[:120]!r}")
        return step

    def reached(self, key: str) -> list[str]:
        """A step and every step that can come after it, nearest first."""
        found: dict[str, None] = {}
        waiting = [key] if key else []
        while waiting:
            at = waiting.pop(0)
            if at not in found:
                found[at] = None
                waiting += _ways(self.step(at))
        return list(found)

    def meeting(self, *keys: str) -> str:
        """The first step, no end, at which ways come together again; empty when they do not."""
        every = [self.reached(key) for key in keys if key]
        if len(every) < 2:
            return ""
        shared = set(every[0]).intersection(*every[1:])
        return next((key for key in every[0] if key in shared and self.step(key).type != "end"), "")

    def _check(self) -> None:
        document = self.document
        if document.revoked:
            raise self.wrong("its author has revoked it")
        if not 1 <= len(self.steps) <= MAX_STEPS:
            raise self.wrong(f"it has {len(self.steps)} steps; 1 to {MAX_STEPS} are allowed")
        for key, step in self.steps.items():
            form = IDENTIFIER.match(key)
            if form is None or step.type not in TYPES or form[1] != step.type:
                raise self.wrong(f"{key[:120]!r} is no id of a step of the type {step.type[:40]!r}")
            if step.type == "end" and _ways(step):
                raise self.wrong(f"the end {key} leads on")
            if step.on_completion and (step.on_success or step.on_failure):
                raise self.wrong(f"{key} says on_completion and another way besides")
            for way in _ways(step):
                self.step(way)
        if self.step(document.workflow_start).type != "start":
            raise self.wrong("workflow_start is no start")
        self._refuse_circles()

    def _refuse_circles(self) -> None:
        """Peel off, again and again, what nothing leads to."""
        incoming = dict.fromkeys(self.steps, 0)
        for step in self.steps.values():
            for way in _ways(step):
                incoming[way] += 1
        free = [key for key, count in incoming.items() if not count]
        left = len(incoming)
        while free:
            left -= 1
            for way in _ways(self.steps[free.pop()]):
                incoming[way] -= 1
                if not incoming[way]:
                    free.append(way)
        if left:
            raise self.wrong("its steps lead round in a circle; write what repeats as one manual step")


def _ways(step: Step) -> list[str]:
    return list(_each_way(step))


def _each_way(step: Step) -> Iterator[str]:
    yield from step.next_steps
    yield from (key for key in (step.on_true, step.on_false) if key)
    yield from step.cases.values()
    yield from (key for key in (step.on_completion, step.on_success, step.on_failure) if key)
