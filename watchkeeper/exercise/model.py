"""What an exercise shows: its steps, whether each was seen, and how long it took."""

from __future__ import annotations

import msgspec


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One expectation and what became of it."""

    name: str
    """Stable, for programs: `rug_pull_held`."""
    title: str
    """One sentence for people."""
    seen: bool
    ms: float
    """From the moment it was provoked to the moment it was seen; to the end of the wait when it was not.

    For `detected` the time from the first denial to the first alert, for `contained` from there to the verified probe,
    both by the recorded events."""
    detail: str = ""
    """The evidence, or why it was not seen."""


class Report(msgspec.Struct, frozen=True):
    """A whole exercise."""

    steps: list[Step]

    @property
    def passed(self) -> bool:
        """Whether every expected step was seen; an exercise without steps has not passed."""
        return bool(self.steps) and all(step.seen for step in self.steps)
