"""Detection, wired: the rules that run, the stages behind them, and what makes alerts of what they find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from watchkeeper.app.alerts.admitting import admission_for
from watchkeeper.app.baselines import stage_of
from watchkeeper.app.platform import Platform
from watchkeeper.app.ranking import silenced
from watchkeeper.app.rulebook import detections_of
from watchkeeper.app.settings import Loaded
from watchkeeper.detect.correlation.bounds import bounds_of
from watchkeeper.detect.correlation.stage import CorrelationStage
from watchkeeper.detect.detector import Detector, Place
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.stage import Intelligence
from watchkeeper.detect.interface import Matcher, Stage
from watchkeeper.detect.matching.own import Indexed
from watchkeeper.detect.sigma.rules import Detections
from watchkeeper.detect.stream.arrangement import name_of
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.partition import Partition, Shared
from watchkeeper.events.journal.reading.telling import telling_reader

_ALONE = Partition()


def detector_of(loaded: Loaded, platform: Platform, partition: Partition = _ALONE, *, demo: bool = False) -> Detector:
    """The detector, or one of its workers. Raises `Misconfigured` when a rule cannot be loaded."""
    name = "detect" if partition.number == 1 else platform.journal.writer
    reader = telling_reader(loaded.data_dir, name, platform.journal.record, platform.clock)
    detections = detections_of(loaded)
    stages = stages_of(loaded, platform, partition, detections)
    partition = replace(partition, families=families_of(stages))
    matcher = matcher_of(detections, stages, partition)
    admission = silenced(admission_for(loaded, platform, demo=demo), loaded, platform, matcher.rules)
    court = Court(matcher, stages, admission, partition)
    place = Place(platform.journal, reader, platform.database, name_of(partition))
    return Detector(court, place, clock=platform.clock, settings=loaded.settings.detect)


def matcher_of(detections: Detections, stages: Sequence[Stage], partition: Partition) -> Matcher:
    """Of rules about single events: all of them, or a worker's share."""
    if partition.of == 1:
        return Indexed(detections.rules)
    needs = frozenset[str]().union(*(stage.needs for stage in stages))
    return Shared(Indexed, detections.rules, needs, partition)


def families_of(stages: Sequence[Stage]) -> dict[str, str]:
    """Heading's id → by what its worker is chosen, of all stages that say so."""
    return {heading: whose for stage in stages for heading, whose in getattr(stage, "families", {}).items()}


def stages_of(loaded: Loaded, platform: Platform, partition: Partition, detections: Detections) -> tuple[Stage, ...]:
    """What finds more than a rule about one event can: a line for each."""
    detect = loaded.settings.detect
    correlation = CorrelationStage(detections.correlations, bounds=bounds_of(detect), owns=partition.owns)
    return (correlation, stage_of(detect, partition), intelligence_of(loaded, platform))


def intelligence_of(loaded: Loaded, platform: Platform) -> Intelligence:
    """What looks for indicators."""
    settings = loaded.settings.intelligence
    return Intelligence(Library(loaded.data_dir, platform.clock, settings), minimum=settings.minimum_confidence)
