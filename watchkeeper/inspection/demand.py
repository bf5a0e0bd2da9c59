"""What an inspector that is no set of rules says of itself, when it looks only where a policy asks for its findings."""

from __future__ import annotations

from typing import ClassVar

from watchkeeper.inspection.model import Finding, Surface


class OnDemand:
    """Made always, prepared and asked only on demand."""

    name: ClassVar[str]
    on_demand: ClassVar[frozenset[str]]
    """Its labels: a policy has to name one."""

    def prepare(self) -> None:
        """Told once, before the first text, that it is wanted. May take its time."""

    def inspect(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        """What it finds."""
        raise NotImplementedError
