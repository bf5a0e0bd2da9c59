"""What a scan speaks of: sources, what they showed, what is thought of it. No I/O."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.inspection.fingerprints import Definition


class Level(IntEnum):
    """How bad it is."""

    CLEAN = 0
    NOTE = 1
    """Worth knowing; no alarm."""
    SUSPICIOUS = 2
    """A person should read it before anybody uses it."""
    HARMFUL = 3
    """A rule that knows it, or the judge being sure."""

    @property
    def word(self) -> str:
        return self.name.lower()


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Something that shows definitions."""

    name: str
    """The server's name in everything that is said of it."""
    place: str
    """Where we know it from: a file, or `command line`."""
    pointer: str = ""
    """JSON pointer of its entry in that file."""
    line: int = 1
    """Where the entry begins there."""
    server: ServerSettings | None = None
    """How it is reached; None for a file that holds lists."""
    is_named: bool = False
    """Named on the command line, not found in a file."""
    skipped: str = ""
    """Why it is not looked at on purpose."""
    broken: str = ""
    """Why it cannot be looked at: its entry makes no sense."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a source showed, or why it did not."""

    source: Source
    definitions: tuple[Definition, ...] = ()
    """In the order they were listed."""
    failure: str = ""
    """Why not all of it was seen; empty when it was."""
    hint: str = ""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that tells against a definition."""

    rule: str
    """A rule's id, or `judge.<class>`, `names.<likeness>`."""
    label: str
    level: Level
    path: str = ""
    start: int = 0
    end: int = 0
    excerpt: str = ""
    """What told, safe to show."""
    suppressed: str = ""
    """Why it does not count, in the words of whoever suppressed it."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What is thought of one definition."""

    source: Source
    kind: str
    name: str
    fingerprint: str
    level: Level
    score: float
    reasons: tuple[Reason, ...] = ()
    can: tuple[str, ...] = ()
    """What the tool can do: labels, no alarm."""

    @property
    def speaking(self) -> tuple[Reason, ...]:
        """The reasons that count, the worst first."""
        return tuple(sorted((r for r in self.reasons if not r.suppressed), key=lambda r: -r.level))


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of a scan."""

    shown: tuple[Shown, ...]
    judged: tuple[Judged, ...]
    told: tuple[str, ...] = ()
    """What whoever reads it must know: suppressions that ran out, files that are missing."""

    @property
    def is_complete(self) -> bool:
        """Whether everything was looked at that was meant."""
        return not any(one.failure for one in self.shown)

    @property
    def worst(self) -> Level:
        return max((one.level for one in self.judged), default=Level.CLEAN)

    @property
    def suppressed(self) -> int:
        return sum(bool(reason.suppressed) for one in self.judged for reason in one.reasons)

    def exit_code(self, fail_on: Level | None) -> int:
        """2 when not everything was seen, whatever was found; 1 for findings from a level on (None: never); else 0."""
        if not self.is_complete:
            return 2
        return 1 if fail_on is not None and self.worst >= fail_on else 0
