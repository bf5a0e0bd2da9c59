"""A rule as the engine holds it, and its own tests. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from watchkeeper.detect.fields import Fields
from watchkeeper.events import Event, Severity


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One Sigma rule, compiled."""

    id: str
    name: str
    """A short name that people and playbooks use."""
    title: str
    level: Severity
    tags: tuple[str, ...]
    falsepositives: tuple[str, ...]
    playbook: str
    """The playbook that applies to its alerts; empty for none."""
    group: tuple[str, ...]
    """The members of the event whose values together name what the alert is about."""
    version: str
    """Hash of what decides: log source, detection and group."""
    kinds: frozenset[str] | None
    """The kinds of event it looks at; `None` for all of `domain`."""
    domain: str
    """The first part of the kinds it looks at (Sigma's category); empty for all."""
    reads: frozenset[str]
    """The fields that its condition reads, as dotted paths; `*` for all of them."""
    holds: Callable[[Fields], bool]
    match: tuple[Event, ...]
    """Events that it must match."""
    clean: tuple[Event, ...]
    """Events that it must not match."""
    source: str
    """The file's name."""

    def sees(self, kind: str) -> bool:
        """Whether an event of this kind can match at all."""
        if self.kinds is not None and kind.casefold() not in self.kinds:
            return False
        return not self.domain or kind.startswith(f"{self.domain}.")

    def matches(self, event: Event) -> bool:
        """Whether the rule matches; for tests and single questions."""
        return self.sees(event.kind) and self.holds(Fields(event))

    def group_of(self, event: Event) -> str:
        """What the alert is about, e.g. `files/read_file`."""
        return "/".join(str(getattr(event, name)) for name in self.group)
