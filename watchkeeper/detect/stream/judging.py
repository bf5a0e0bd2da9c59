"""One event: which rules match, what stages find, what is admitted. No I/O; the journal and the disk are not here.

1. A rule or a stage that fails is recorded, at most once a minute, and the others go on (one bad rule stops all).
2. When admission fails, the alert is raised as it would be without it (an alert that vanishes).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from msgspec import structs

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.detect.alerts.plain import PlainAdmission
from watchkeeper.detect.alerts.raising import detection_of, failure_for
from watchkeeper.detect.interface import Admission, Matcher, Seen, Stage
from watchkeeper.detect.model import Detection
from watchkeeper.detect.stream.counts import Counts
from watchkeeper.detect.stream.partition import Partition
from watchkeeper.detect.stream.records import stage_failure
from watchkeeper.detect.stream.watermark import Timed
from watchkeeper.events import Event, Position

_QUIET = 60 * SECOND
"""Between two records of one rule's or stage's failure."""
At = tuple[Event, Position]
"""An event, and where it stands."""
_Found = TypeVar("_Found")
_Asked = ParamSpec("_Asked")
_log = logging.getLogger(__name__)


_ALONE = Partition()


@dataclass(frozen=True)
class Court:
    """Who is asked."""

    matcher: Matcher
    stages: tuple[Stage, ...] = ()
    admission: Admission = field(default_factory=PlainAdmission)
    partition: Partition = _ALONE


class Judge:
    """Asks in this order: rules, stages, admission."""

    def __init__(self, court: Court, clock: Clock, counts: Counts) -> None:
        self._matcher = court.matcher
        self._stages = court.stages
        self._admission = court.admission
        self._partition = court.partition
        self._clock = clock
        self._counts = counts
        self._plain = PlainAdmission()
        self._failing: dict[str, tuple[int, int]] = {}

    def judge(self, event: Event, position: Position, timed: Timed) -> list[Event]:
        """The events that follow from this one."""
        matched = self._matcher.match(event)
        derived: list[Event] = []
        for rule, why in matched.failed:
            silent = self._failure(rule.id)
            if silent is not None and self._partition.owns(rule.id):
                derived.append(failure_for(rule, event, position, self._clock.now(), why=why, silent=silent))
        for rule in matched.rules:
            if rule.alone and self._partition.owns(rule.id):
                derived += self._admit(detection_of(rule, event, position))
        if self._stages:
            seen = Seen(event, position, matched.rules, timed.time, timed.is_late)
            others = seen if self._partition.of == 1 else structs.replace(seen, is_mine=False)
            for stage in self._stages:
                shown = seen if self._partition.owns(stage.name) else others
                derived += self._found(stage.name, _all(stage.look, shown), (event, position))
        return derived

    def pass_time(self, watermark: int, last: At) -> list[Event]:
        """The events that follow from time itself; `last` is what was looked at last."""
        derived: list[Event] = []
        for stage in self._stages:
            derived += self._found(stage.name, _all(stage.pass_time, watermark), last)
        found, why = _all(self._admission.pass_time, watermark, self._clock.now())
        return [*derived, *found, *self._failed(self._admission.name, why, last)]

    def unrecordable(self, what: Event, at: At) -> list[Event]:
        """Something that was derived cannot be written down."""
        self._counts.unrecordable += 1
        return self._failed(f"record {what.kind}", "Unrecordable", at)

    def _found(self, stage: str, told: tuple[list[Detection], str], at: At) -> list[Event]:
        found, why = told
        derived = [event for detection in found for event in self._admit(detection)]
        return derived + self._failed(stage, why, at)

    def _admit(self, detection: Detection) -> list[Event]:
        now = self._clock.now()
        found, why = _all(self._admission.admit, detection, now)
        if not why:
            return found
        failed = self._failed(self._admission.name, why, (detection.event, detection.position))
        return [*self._plain.admit(detection, now), *failed]

    def _failed(self, stage: str, why: str, at: At) -> list[Event]:
        """The record of a stage's failure, unless there was one a moment ago, or none."""
        silent = self._failure(f"stage {stage}") if why else None
        if silent is None:
            return []
        worker = self._partition.number if self._partition.of > 1 else 0
        return [stage_failure(stage, at, self._clock.now(), why=why, silent=silent, worker=worker)]

    def _failure(self, subject: str) -> int | None:
        """Count it; how many before it were not recorded, or `None` when this one is not to be recorded."""
        now = self._clock.now()
        self._counts.failures += 1
        last, silent = self._failing.get(subject, (now - _QUIET, 0))
        is_quiet = now - last < _QUIET
        self._failing[subject] = (last, silent + 1) if is_quiet else (now, 0)
        return None if is_quiet else silent


def _all(ask: Callable[_Asked, Iterable[_Found]], *asked: _Asked.args, **by: _Asked.kwargs) -> tuple[list[_Found], str]:
    """What was found until it failed, and why it did; empty when it did not."""
    found: list[_Found] = []
    try:
        found.extend(ask(*asked, **by))
    except Exception as error:  # noqa: BLE001 — the outermost loop of a stage: its fault must not silence the others
        _log.exception("a stage failed")
        return found, type(error).__name__
    return found, ""
