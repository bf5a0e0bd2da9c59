"""What approvals need from others: who may decide what, and what a definition is pinned to."""

from __future__ import annotations

from typing import Protocol


class Roles(Protocol):
    """Which role may do what another one may."""

    def covers(self, operator: str, role: str, needed: str) -> bool:
        """Whether this operator, acting in `role`, may decide what asks for `needed`."""
        ...


class Definitions(Protocol):
    """`registry.Pins`, as far as memory goes."""

    @property
    def generation(self) -> int:
        """Another number when any pin moved."""
        ...

    def fingerprint(self, server: str, kind: str, name: str) -> str:
        """Of the definition that may be used now; empty when there is none."""
        ...
