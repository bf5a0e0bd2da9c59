"""What a sink is: it puts an event into its receiver's words, and hands parts over. It decides nothing else.

When to send, what to do when it is not taken and what counts as dealt with are the shipper's. A sink is used by one
thread; what it raises beside `NotTaken` and `BatchRefused` is taken for a fault, and the same is sent again.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

from watchkeeper.events.journal.model import Record
from watchkeeper.events.sinks.model import Entry, Receipt


class Sink(Protocol):
    """One receiver."""

    def render(self, record: Record) -> bytes:
        """The event as it goes over the wire. Raises `Invalid` for one that cannot be put into its words."""
        ...

    def send(self, entries: Sequence[Entry]) -> Receipt:
        """Hand them over in this order; blocks, for a bounded time. Raises `NotTaken`, `BatchRefused`."""
        ...

    def settled(self, ticket: Hashable) -> bool:
        """Whether what was sent under the ticket is there to stay. Raises `NotTaken` when it must be sent again."""
        ...

    def close(self) -> None:
        """Let go of connections and files; the sink may be used again."""
        ...
