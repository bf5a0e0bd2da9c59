"""What inspectors speak of: surfaces and findings. They notice; what follows from it is policy's word. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec


class Surface(StrEnum):
    """Which part of a message is looked at; a rule names the surfaces it is made for."""

    DEFINITION = "definition"
    """A tool's, prompt's or resource's definition as a server lists it."""
    INSTRUCTIONS = "instructions"
    """`instructions` of an `initialize` or `server/discover` result."""
    ARGUMENTS = "arguments"
    """What a client sends: `params.arguments`, `inputResponses`."""
    RESULT = "result"
    """What a server answers: a result or an error."""
    MESSAGE = "message"
    """What a server says unasked: notifications and its own requests."""


HIDDEN_INSTRUCTION = "hidden_instruction"
"""Label of text that speaks to the model behind the user's back."""
SECRET = "secret"  # noqa: S105 — a label, not a password
"""Label of a credential."""
PERSONAL = "personal_data"
"""Label of what says something of a person."""
SUSPICION = "suspicion"
"""Label of hints that a text is worth a second look. No finding carries it."""
ENCODED = "encoded"
"""Label of hints that something is hidden in a text. No finding carries it."""
SUSPECTED = "suspected_poisoning"
"""Label of a definition that the judge flags without being sure: it is shown, and not held for it."""
SUSPECTED_INSTRUCTION = "suspected_instruction"
"""Label of a text that the judge flags. Only policies that ask for it act on it."""
SUPPRESSED = "suppressed"
"""Label of a finding in a definition that somebody answered for (`suppressions`)."""
QUIET = frozenset({SUSPECTED, SUPPRESSED})
"""Labels that hold no definition."""
UNSHOWN = frozenset({SECRET, PERSONAL})
"""Labels of what is never kept or shown."""


class Finding(msgspec.Struct, frozen=True):
    """One thing an inspector noticed. Safe to store and to show: it never carries the secret it found."""

    inspector: str
    rule: str
    """Id of the rule, e.g. `secrets.github-token`."""
    label: str
    """What policies ask for: `hidden_instruction`, `secret`."""
    severity: int
    """1 (informational) to 5 (critical), as `events.Severity`."""
    path: str = ""
    """JSON pointer of the string it was found in; empty when it was seen in the raw text."""
    start: int = 0
    end: int = 0
    """Byte offsets, end exclusive: in the UTF-8 of the decoded string at `path`, or, without a path, in the inspected
    bytes. Both 0 mean all of that string, or of the text: a disguise or a key makes the exact place unnameable."""
    excerpt: str = ""
    """At most 120 characters; secrets and personal data masked, control and invisible characters escaped."""

    @property
    def kind(self) -> str:
        """The class of what was found, as placeholders are typed by it: `github_token`, `email`, `national_id`."""
        return self.rule.split(".")[min(1, self.rule.count("."))].replace("-", "_")

    @property
    def classes(self) -> frozenset[str]:
        """Every name that a policy may call it by: its label, and what its rule's id says after the inspector."""
        return frozenset((self.label, *self.rule.replace("-", "_").split(".")[1:]))


def labels_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What policies are told was noticed, sorted: labels, and of personal data its classes, too."""
    found: set[str] = set()
    for finding in findings:
        found.update(finding.classes if finding.label == PERSONAL else (finding.label,))
    return tuple(sorted(found))


class Looked(NamedTuple):
    """What one pass over a text said."""

    findings: tuple[Finding, ...]
    is_suspicious: bool
    """Worth a second look by the judge. Never true for nothing: a finding, a hint, or something hidden was there."""


class Inspector(Protocol):
    """Looks at the raw JSON text of one surface. Must not raise, block or keep anything of what it saw."""

    @property
    def name(self) -> str:
        """Names it in findings, events and settings."""
        ...

    def inspect(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        """Every finding, in order of appearance; empty for clean text."""
        ...
