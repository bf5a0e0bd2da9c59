"""What a place for copies can do. Whoever implements it never writes over a copy, and never removes one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Place(Protocol):
    """Synchronous, called by one thread. Every method raises `Unavailable` when the place does not answer, and
    `Denied` when it must not be asked."""

    @property
    def name(self) -> str:
        """What the settings call it."""
        ...

    def put(self, writer: str, name: str, data: bytes) -> None:
        """Keep this under the name; what is there already under the name stays as it is."""
        ...

    def writers(self) -> list[str]:
        """Of whom there is something."""
        ...

    def names(self, writer: str) -> Iterator[str]:
        """Everything that is kept of a log, in the names' order."""
        ...

    def get(self, writer: str, name: str) -> bytes:
        """What is kept under a name. Raises `NotFound`."""
        ...
