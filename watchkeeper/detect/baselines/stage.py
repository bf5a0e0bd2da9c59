"""Baselines in the stream: calls in, detections out, everything remembered; orders of operators come as their records.

What an operator does to a baseline is recorded (`admin.baseline.frozen`, …), and done when this stage sees the record:
so it is in the journal, happens once, and happens again in a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.detect.baselines.engine import MAKERS, Engine, Held, Spoken, Subject
from watchkeeper.detect.baselines.model import Baseline
from watchkeeper.detect.baselines.observing import observe
from watchkeeper.detect.correlation.facts import cut, digest_of
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.keys import key_of
from watchkeeper.detect.model import Detection
from watchkeeper.events import Event

FROZEN, THAWED, FORGOTTEN = "admin.baseline.frozen", "admin.baseline.thawed", "admin.baseline.forgotten"
_ORDERS = frozenset({FROZEN, THAWED, FORGOTTEN})
_DEBUTS = frozenset({"registry.definition.seen", "registry.pin.changed", "registry.pin.approved"})
_UNREAL = frozenset({"exercise", "probe"})
_REST = "*"


class Row(msgspec.Struct, array_like=True):
    """A subject as it is kept."""

    baseline: str
    version: str
    subject: Subject
    first: int
    last: int
    count: int
    frozen: bool
    told: list[str]
    learned: Any


class Rest(msgspec.Struct):
    """What belongs to no subject."""

    frozen: list[str] = []
    debuts: dict[str, int] = {}
    overflow: int = 0


class BaselineStage:
    """One per worker."""

    name = "baselines"
    needs: frozenset[str] = frozenset()

    def __init__(
        self,
        baselines: Iterable[Baseline],
        *,
        subjects: int,
        owns: Callable[[str, str], bool] = lambda baseline, subject: True,
    ) -> None:
        self._baselines = {one.heading.id: one for one in baselines}
        self._subjects = subjects
        self._owns = owns
        self._begin()

    def look(self, seen: Seen) -> Iterable[Detection]:
        """What does not fit of a call."""
        event = seen.event
        if event.kind in _ORDERS:
            self._obey(event)
        elif event.kind in _DEBUTS:
            self._engine.debut(event.tenant, cut(event.server), cut(event.target), seen.time)
        elif (call := observe(event, seen.time)) is not None:
            is_real = _UNREAL.isdisjoint(event.labels)
            return [_detection(one, seen) for one in self._engine.see(call, is_real=is_real)]
        return ()

    def pass_time(self, watermark: int) -> Iterable[Detection]:
        """Hours end; nothing is told by that."""
        self._engine.pass_time(watermark)
        return ()

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """See `Memory`."""
        self._begin()
        self._rest = rest_of(kept)
        self._engine.frozen = dict.fromkeys(self._rest.frozen)
        self._engine.debuts = dict(self._rest.debuts)
        self._engine.overflow = self._rest.overflow
        for key, row in kept.items():
            if key != _REST:
                held = held_of(row, self._baselines)
                if held is None:
                    self._gone[key] = None
                else:
                    self._engine.hold(held)

    def changes(self) -> Mapping[str, bytes | None]:
        """See `Memory`."""
        engine = self._engine
        changes: dict[str, bytes | None] = dict.fromkeys(self._gone)
        self._gone.clear()
        for held in engine.changed:
            held.is_changed = False
            id = held.baseline.heading.id
            is_gone = engine.groups[id].get(held.subject) is not held
            changes[key_of(id, held.digest)] = None if is_gone else msgspec.msgpack.encode(_row(held))
        engine.changed.clear()
        rest = Rest(list(engine.frozen), dict(engine.debuts), engine.overflow)
        if rest != self._rest:
            self._rest = rest
            changes[_REST] = msgspec.msgpack.encode(rest)
        return changes

    @property
    def unfollowed(self) -> int:
        """Calls of subjects that found no place."""
        return self._engine.overflow

    def progress(self) -> dict[str, int]:
        """Counted now."""
        engine = self._engine
        return {"baselines": len(engine.baselines), "subjects": sum(map(len, engine.groups.values())),
                "overflow": engine.overflow}  # fmt: skip

    def _begin(self) -> None:
        self._engine = Engine(self._baselines.values(), self._subjects, self._owns)
        self._rest = Rest()
        self._gone: dict[str, None] = {}

    def _obey(self, event: Event) -> None:
        """Only for the tenant that the operator is of: a subject begins with it."""
        baseline, said = event.body.get("baseline"), event.body.get("subject")
        if not isinstance(baseline, str) or not event.actor.startswith("operator:"):
            return
        if isinstance(said, list) and not all(isinstance(one, str) for one in said):
            return
        subject = (event.tenant, *said) if isinstance(said, list) and said else None
        if event.kind == FORGOTTEN:
            self._engine.forget(baseline, subject)
        else:
            self._engine.freeze(baseline, subject, frozen=event.kind == FROZEN)


def rest_of(kept: Mapping[str, bytes]) -> Rest:
    """What belongs to no subject. Raises `MsgspecError` for what is none."""
    return msgspec.msgpack.decode(kept[_REST], type=Rest) if _REST in kept else Rest()


def held_of(row: bytes, baselines: Mapping[str, Baseline]) -> Held | None:
    """A subject of a row; `None` when its baseline is gone or another now. Raises `MsgspecError` for what is no row."""
    said = msgspec.msgpack.decode(row, type=Row)
    baseline = baselines.get(said.baseline)
    if baseline is None or baseline.heading.version != said.version:
        return None
    learner = MAKERS[baseline.kind](baseline)
    learner.load(said.learned)
    held = Held(
        baseline, said.subject, digest_of(said.subject), learner, said.first, said.last, said.count, said.frozen
    )
    held.told = dict.fromkeys(said.told)
    return held


def _row(held: Held) -> Row:
    heading = held.baseline.heading
    told, learned = list(held.told), held.learner.dump()
    return Row(heading.id, heading.version, held.subject, held.first, held.last, held.count, held.frozen, told, learned)


def _detection(spoken: Spoken, seen: Seen) -> Detection:
    held, surprise = spoken.held, spoken.surprise
    heading = held.baseline.heading
    return Detection(
        by=heading,
        event=seen.event,
        position=seen.position,
        group="/".join(held.subject[1:]),
        key=(held.digest, seen.position.writer, seen.position.index, seen.event.id),
        severity=heading.level,
        evidence=((seen.position, seen.event.id),),
        found={
            "baseline": heading.name,
            "subject": dict(zip(held.baseline.subject, held.subject[1:], strict=True)),
            "seen": surprise.seen,
            "expected": surprise.expected,
            "observations": held.count,
            "since": held.first,
            "says": sentence(spoken),
            **surprise.numbers,
        },
    )


def sentence(spoken: Spoken) -> str:
    """What was seen, what was expected, and on what ground."""
    held, surprise = spoken.held, spoken.surprise
    whose = " at ".join(held.subject[1:])
    ground = f"from {held.count} calls since {to_iso(held.first)[:10]}"
    return f"{whose}: {surprise.seen}; expected {surprise.expected} ({ground})"
