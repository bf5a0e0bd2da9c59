"""What an engine remembers, as rows that can be kept: one for each group, blocks of what waits, one for the rest. Pure.

A row makes sense without the others. What belongs to a correlation that is gone, or decides otherwise now, is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from watchkeeper.detect.correlation.engine import Engine, Held
from watchkeeper.detect.correlation.facts import digest_of
from watchkeeper.detect.keys import key_of

_REST = "*"
"""Rows that begin with a star are every worker's."""
_BLOCK = "*waiting-"


class _Group(msgspec.Struct, array_like=True):
    correlation: str
    version: str
    group: tuple[str | None, ...]
    state: Any


class _Rest(msgspec.Struct):
    time: int
    overflow: int = 0
    duplicates: int = 0
    hurried: int = 0
    late: int = 0
    quiet: dict[str, int] = {}


class Keeper:
    """Of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._numbers = {one.heading.id: number for number, one in enumerate(engine.routes.correlations)}
        self._rest = _Rest(0)
        self._gone: dict[str, None] = {}

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """Into an engine that has seen nothing. Raises `msgspec.MsgspecError` for what is no row."""
        if _REST in kept:
            self._rest = msgspec.msgpack.decode(kept[_REST], type=_Rest)
        rest, engine = self._rest, self._engine
        counts = engine.counts
        engine.time, counts.overflow, counts.duplicates = rest.time, rest.overflow, rest.duplicates
        counts.hurried, counts.late = rest.hurried, rest.late
        counts.quiet = {one: until for one, until in rest.quiet.items() if one in self._numbers}
        for key, row in sorted(kept.items()):
            if key.startswith(_BLOCK):
                engine.waiting.restore(int(key.removeprefix(_BLOCK)), row, rest.time)
            elif key != _REST:
                self._restore_group(key, msgspec.msgpack.decode(row, type=_Group))

    def changes(self) -> dict[str, bytes | None]:
        """What is not as it was when this was asked last."""
        engine = self._engine
        changes: dict[str, bytes | None] = dict.fromkeys(self._gone)
        self._gone.clear()
        for held in engine.changed:
            held.is_changed = False
            is_gone = engine.groups[held.number].get(held.group) is not held
            changes[self._key(held)] = None if is_gone else self._row(held)
        engine.changed.clear()
        changes |= {f"{_BLOCK}{number:012}": block for number, block in engine.waiting.blocks()}
        counts = engine.counts
        rest = _Rest(engine.time, counts.overflow, counts.duplicates, counts.hurried, counts.late, dict(counts.quiet))
        if rest != self._rest:
            self._rest = rest
            changes[_REST] = msgspec.msgpack.encode(rest)
        return changes

    def _restore_group(self, key: str, row: _Group) -> None:
        engine, number = self._engine, self._numbers.get(row.correlation)
        if number is None or engine.routes.correlations[number].heading.version != row.version:
            self._gone[key] = None
            return
        held = Held(number, row.group, digest_of(row.group), engine.plans[number].begin())
        held.state.load(row.state)
        engine.hold(held)

    def _row(self, held: Held) -> bytes:
        heading = self._engine.routes.correlations[held.number].heading
        return msgspec.msgpack.encode(_Group(heading.id, heading.version, held.group, held.state.dump()))

    def _key(self, held: Held) -> str:
        """Its first two parts say which worker it belongs to, as the engine asks it."""
        owner, is_whole = self._engine.owners[held.number]
        heading = self._engine.routes.correlations[held.number].heading
        return key_of(owner, "", heading.id, held.digest) if is_whole else key_of(owner, held.digest)
