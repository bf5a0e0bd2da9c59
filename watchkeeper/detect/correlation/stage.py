"""Correlation in the stream: matches of rules in, detections out, everything remembered. Decides nothing itself.

Events that are later than event time allows are counted and not correlated: what was decided without them stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.correlation.bounds import Bounds
from watchkeeper.detect.correlation.engine import Engine, Found
from watchkeeper.detect.correlation.facts import cut, digest_of
from watchkeeper.detect.correlation.keeping import Keeper
from watchkeeper.detect.correlation.model import Correlation, Type
from watchkeeper.detect.correlation.operators.interface import Mark
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.model import Detection
from watchkeeper.events import Event, Position

_BOUNDS = Bounds()
_NAME = 1024
"""Characters of one of an event's own members that are kept as they are."""
_LABELS = 32
_TEXTS = ("actor", "claimed", "server", "target", "trace")


class CorrelationProgress(msgspec.Struct, frozen=True):
    """What correlation remembers, and what it could not do as it should."""

    correlations: int
    groups: int
    waiting: int
    """Events that wait for event time to pass them."""
    late: int
    """Events that came too late to be correlated."""
    hurried: int
    duplicates: int
    overflow: int
    """Groups that found no place; an alert says so."""


class CorrelationStage:
    """One per worker; `owns` says whose groups are its own."""

    name = "correlation"

    def __init__(
        self,
        correlations: Iterable[Correlation],
        *,
        bounds: Bounds = _BOUNDS,
        owns: Callable[[str, str], bool] = lambda correlation, group: True,
    ) -> None:
        """Raises `Misconfigured` for a correlation that cannot be carried out."""
        self._correlations = tuple(correlations)
        self._bounds = bounds
        self._owns = owns
        self._begin()
        self.needs = self._engine.routes.named - {one.heading.id for one in self._correlations}

    @property
    def families(self) -> dict[str, str]:
        """Correlation → by what its worker is chosen: one that feeds another goes where that one goes."""
        owners = self._engine.owners
        return {one.heading.id: owner for one, (owner, _) in zip(self._correlations, owners, strict=True)}

    def look(self, seen: Seen) -> Iterable[Detection]:
        """An event waits until event time has passed it; so there is something to tell only where too many wait."""
        if not seen.matched:
            return ()
        ids = tuple([rule.id for rule in seen.matched if rule.id in self.needs])
        if not ids:
            return ()
        engine = self._engine
        if seen.is_late or seen.time < engine.time:
            engine.counts.late += 1
            return ()
        mark = Mark(seen.time, seen.position.writer, seen.position.index, seen.event.id)
        engine.take(mark, seen.event, ids, brief(seen.event))
        return [_detection(found) for found in engine.hurry() if found.correlation.alone]

    def pass_time(self, watermark: int) -> Iterable[Detection]:
        """What holds by then."""
        return [_detection(found) for found in self._engine.advance(watermark) if found.correlation.alone]

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """See `Memory`."""
        self._begin()
        self._keeper.restore(kept)

    def changes(self) -> Mapping[str, bytes | None]:
        """See `Memory`."""
        return self._keeper.changes()

    @property
    def unfollowed(self) -> int:
        """Groups that found no place, and events that could not wait for their time."""
        counts = self._engine.counts
        return counts.overflow + counts.hurried

    def progress(self) -> CorrelationProgress:
        """Counted now."""
        engine, counts = self._engine, self._engine.counts
        return CorrelationProgress(
            correlations=len(engine.plans),
            groups=sum(map(len, engine.groups)),
            waiting=len(engine.waiting),
            late=counts.late,
            hurried=counts.hurried,
            duplicates=counts.duplicates,
            overflow=counts.overflow,
        )

    def _begin(self) -> None:
        self._engine = Engine(self._correlations, self._bounds, self._owns)
        self._keeper = Keeper(self._engine)


def brief(event: Event) -> Event:
    """What an alert needs of an event: all but its body, of which only what became of the answer is kept."""
    answer = event.body.get("answer")
    outcome = answer.get("outcome") if isinstance(answer, dict) else None
    body = {"answer": {"outcome": cut(outcome)}} if isinstance(outcome, str) else {}
    if max(len(event.target), len(event.claimed), len(event.server), len(event.actor), len(event.trace)) > _NAME or (
        event.labels and (len(event.labels) > _LABELS or max(map(len, event.labels)) > _NAME)
    ):
        texts = {name: cut(getattr(event, name), _NAME) for name in _TEXTS}
        labels = tuple(cut(label, _NAME) for label in event.labels[:_LABELS])
        return msgspec.structs.replace(event, body=body, labels=labels, **texts)
    return msgspec.structs.replace(event, body=body)


def _detection(found: Found) -> Detection:
    correlation, last = found.correlation, found.last
    return Detection(
        by=correlation.heading,
        event=last.record,
        position=Position(last.mark.writer, last.mark.at),
        group=_group(found),
        key=(digest_of(found.group), found.time, last.mark.id),
        severity=correlation.heading.level,
        evidence=tuple((Position(mark.writer, mark.at), mark.id) for mark in found.evidence if mark.id),
        found=_said(found),
    )


def _group(found: Found) -> str:
    if found.correlation.group_by:
        return "/".join("-" if value is None else value for value in found.group[1:])
    return "/".join(str(getattr(found.last.record, name)) for name in found.correlation.group)


def _said(found: Found) -> dict[str, Any]:
    correlation = found.correlation
    said: dict[str, Any] = {"correlation": str(correlation.type), "seconds": correlation.timespan / SECOND}
    if correlation.group_by:
        said["group"] = dict(zip(correlation.group_by, found.group[1:], strict=True))
    if correlation.type is Type.ABSENCE:
        said["missing"] = list(correlation.missing)
    return said | {"at": found.time} | found.found
