"""The memories of all stages as one: restored at the start, their changes gathered until they are committed.

1. A damaged row costs that row; a memory that cannot read what is left begins anew (a crash loop).
2. Whatever is lost is told by name, with a count (a detection that never happens, in silence).
3. Changes that could not be committed are kept and committed later (a full disk).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import msgspec

from watchkeeper.detect.interface import Memory

_log = logging.getLogger(__name__)


class Loss(msgspec.Struct, frozen=True):
    """What a memory could not be given back."""

    memory: str
    rows: int
    """How many of its rows are gone."""
    kept: int
    """How many are still there."""
    why: str


class Memories:
    """In the order in which they are asked."""

    def __init__(self, memories: Sequence[Memory]) -> None:
        self._memories = {memory.name: memory for memory in memories}
        assert len(self._memories) == len(memories), "two memories have one name"
        self._changes: dict[str, dict[str, bytes | None]] = {}
        self.emptied: tuple[str, ...] = ()
        """Memories that began anew, until that is committed."""

    def restore(self, kept: Mapping[str, Mapping[str, bytes]], damaged: Mapping[str, Sequence[str]]) -> list[Loss]:
        """Hand back what was kept; what was lost."""
        losses = []
        for name, memory in self._memories.items():
            rows, bad = kept.get(name, {}), damaged.get(name, ())
            self._changes[name] = dict.fromkeys(bad)
            why = self._restore(memory, rows)
            if why:
                losses.append(Loss(name, len(rows) + len(bad), 0, why))
            elif bad:
                losses.append(Loss(name, len(bad), len(rows), "rows are not as they were written"))
        return losses

    def changes(self) -> dict[str, dict[str, bytes | None]]:
        """All that is not committed yet."""
        for name, memory in self._memories.items():
            self._changes.setdefault(name, {}).update(memory.changes())
        return {name: rows for name, rows in self._changes.items() if rows}

    def committed(self) -> None:
        """What `changes` said is durable."""
        self._changes.clear()
        self.emptied = ()

    def _restore(self, memory: Memory, rows: Mapping[str, bytes]) -> str:
        """Why it had to begin anew; empty when it did not."""
        try:
            memory.restore(rows)
            return ""
        except Exception as error:  # noqa: BLE001 — whatever it cannot read must not keep detection from starting
            _log.exception("a memory cannot be read and begins anew", extra={"memory": memory.name})
            memory.restore({})
            self.emptied = (*self.emptied, memory.name)
            return type(error).__name__
