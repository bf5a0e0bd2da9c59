"""What the page of intelligence shows, and what it asks for. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from watchkeeper.core.errors import Unavailable


@dataclass(frozen=True)
class LookedFor:
    """The index, and the search of the past."""

    indicators: int = 0
    values: int = 0
    by_type: Mapping[str, int] = field(default_factory=dict)
    built: int = 0
    """0: there is none yet."""
    expired: int = 0
    revoked: int = 0
    silenced: int = 0
    waiting: int = 0
    """Arrivals that the past was not searched for yet."""
    past: str = ""
    """How the newest search of the past went, in words."""


@dataclass(frozen=True)
class SourceRow:
    """Where indicators come from."""

    name: str
    kind: str
    state: str
    """`fresh`, `stale`, `failing`, `never asked`, `by hand` or `switched off`."""
    trouble: str
    looked_for: int
    trust: int
    tlp: str
    succeeded: int
    """0 for never."""


@dataclass(frozen=True)
class IndicatorRow:
    """One indicator, as a search finds it."""

    type: str
    value: str
    source: str
    confidence: int
    tlp: str
    valid_until: int
    """0 for ever."""
    state: str
    title: str


@dataclass(frozen=True)
class SeenRow:
    """What was seen of an indicator."""

    type: str
    value: str
    count: int
    past: int
    first: int
    last: int
    server: str
    actor: str
    event: str


class Intelligence(Protocol):
    """The store of indicators, and what the stream saw of them."""

    def looked_for(self) -> LookedFor: ...

    def sources(self) -> Sequence[SourceRow]: ...

    def search(self, text: str) -> Sequence[IndicatorRow]:
        """Of whatever values the text holds."""
        ...

    def seen(self) -> Sequence[SeenRow]:
        """Last seen first."""
        ...


class Nobody:
    """Where no store was handed over: the page says that it does not know."""

    def looked_for(self) -> LookedFor:
        raise Unavailable("nobody knows about indicators here")

    def sources(self) -> Sequence[SourceRow]:
        raise Unavailable("nobody knows about sources here")

    def search(self, text: str) -> Sequence[IndicatorRow]:
        raise Unavailable("nobody can search for indicators here")

    def seen(self) -> Sequence[SeenRow]:
        raise Unavailable("nobody knows what was seen")
