"""An attack as data, and what became of it. No I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from watchkeeper.exercise.attacks.scene import Scene


class Result(msgspec.Struct, frozen=True):
    """What the attacker got to see."""

    stopped: bool
    """Whether the gateway refused or held it."""
    detail: str


@dataclass(frozen=True)
class Attack:
    """One attack, small enough to read."""

    name: str
    title: str
    """One sentence, without its full stop."""
    techniques: tuple[str, ...]
    """As rules' tags: `safe-mcp.t1001`."""
    act: Callable[[Scene], Awaitable[Result]]
    expected: tuple[str, ...] = ()
    """Names of rules of which at least one must speak; empty: any rule will do."""


class Spoke(msgspec.Struct, frozen=True):
    """A rule that raised an alert."""

    rule: str
    name: str
    alert: str
    ms: float
    """From the event that it matched to the alert."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attack; what is recorded of it."""

    name: str
    title: str
    techniques: tuple[str, ...]
    expected: tuple[str, ...]
    detected: tuple[Spoke, ...]
    stopped: bool
    ms: float
    detail: str
    failed: str = ""
    """Why it could not be run at all; nothing is recorded then."""

    @property
    def is_detected(self) -> bool:
        """Whether a rule spoke that should."""
        names = {spoke.name for spoke in self.detected}
        return bool(names & set(self.expected)) if self.expected else bool(names)

    def fact(self) -> dict[str, Any]:
        """The body of `exercise.attack.executed`."""
        return {
            "title": self.title,
            "techniques": list(self.techniques),
            "expected": list(self.expected),
            "detected": [msgspec.to_builtins(spoke) for spoke in self.detected],
            "stopped": self.stopped,
            "ms": self.ms,
            "detail": self.detail,
        }
