"""What a durable runner must do for us, whichever engine does it.

A run is a JSON document and a fixed list of steps. The engine remembers the result of each step that ended, so that a
run whose process was killed goes on where it stopped. It may carry out a step twice (killed between effect and
checkpoint): that an effect is not doubled is the actions' business, by their idempotency keys. No I/O here; the engine
behind the port is `_dbos`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from watchkeeper.core.errors import Conflict

Document = dict[str, Any]
"""JSON types only: it is stored, and read again by a later release."""
Step = Callable[[], Document]
"""Does one step and returns its result. It must not raise: what went wrong is part of the result."""
Do = Callable[[str, Step], Document]
"""Carry out the named step durably: its stored result if it ended in an earlier life, else do it now and store it."""
Interpreter = Callable[[Document, Do], None]
"""Walks one run's document. It must be deterministic between steps."""


class Fenced(Conflict):
    """This process holds the runs no longer: another took them over. Nothing was done."""

    code = "fenced"


class Taken(Conflict):
    """The store was opened at `epoch` already."""

    code = "taken"

    def __init__(self, epoch: int) -> None:
        super().__init__(
            f"the playbooks were taken over at epoch {epoch}", hint="only one process can hold the runs; see which does"
        )
        self.epoch = epoch


class ParkedRun(msgspec.Struct, frozen=True):
    """A run that this engine will not touch, because another engine version began it."""

    run: str
    engine: str
    """The engine version that began it."""


class DurableRunner(Protocol):
    """Runs documents to their end, across restarts."""

    def open(self, interpreter: Interpreter, epoch: int = 0) -> None:
        """Take over as the only runner of this store, and go on with the runs that were under way.

        Whoever had it at a lower epoch can write nothing more; 0 stands for the next one. Raises `Taken` when it was
        opened at this epoch or a later one already.
        """
        ...

    def begin(self, run: str, document: Document) -> None:
        """Start the run; a run of that id that has begun already is left alone. Returns without waiting for its end."""
        ...

    @property
    def trouble(self) -> str:
        """Why it waits, in words; empty while it does not."""
        ...

    def is_over(self, run: str) -> bool:
        """Whether the run ended, well or not, and will not go on."""
        ...

    def parked(self) -> list[ParkedRun]:
        """Unfinished runs of an unknown engine version: somebody has to be told."""
        ...

    def close(self) -> None:
        """Stop. Runs under way go on at the next `open`."""
        ...
