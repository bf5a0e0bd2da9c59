"""What approvals need from others: who may decide what, and what a definition is pinned to."""

from __future__ import annotations

from typing import Protocol


class Roles(Protocol):
    """Which role may do what another one may."""

    def covers(self, operator: str, role: str, needed: str) -> bool:
        """Whether this operator, acting in `role`, may decide what asks for `needed`."""
        ...


class Standing(Protocol):
    """`operators.Roster`: what becomes of the word of somebody who was revoked, or has another role now."""

    def counts_as(self, actor: str, role: str, at: int) -> str:
        """The role in which something counts now that was said then; empty when it does not count any more."""
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
