"""Detection, wired: the rules that run, the stages behind them, and what makes alerts of what they find."""

from __future__ import annotations

from pathlib import Path

from watchkeeper.app.platform import Platform
from watchkeeper.app.ranking import silenced
from watchkeeper.app.settings import Loaded
from watchkeeper.core.content import content_folder
from watchkeeper.detect.alerts.plain import PlainAdmission
from watchkeeper.detect.detector import Detector, Place
from watchkeeper.detect.interface import Admission, Matcher, Stage
from watchkeeper.detect.matching.own import Indexed
from watchkeeper.detect.sigma.rules import load_rules
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.partition import Partition
from watchkeeper.events.journal.reading.telling import telling_reader

_ALONE = Partition()


def detector_of(loaded: Loaded, platform: Platform, partition: Partition = _ALONE) -> Detector:
    """The detector, or one of its workers. Raises `Misconfigured` when a rule cannot be loaded."""
    reader = telling_reader(loaded.data_dir, "detect", platform.journal.record, platform.clock)
    matcher = matcher_of(loaded)
    admission = silenced(admission_of(loaded, platform), loaded, platform, matcher.rules)
    court = Court(matcher, stages_of(loaded, platform, partition), admission)
    place = Place(platform.journal, reader, platform.database)
    return Detector(court, place, clock=platform.clock, settings=loaded.settings.detect)


def matcher_of(loaded: Loaded) -> Matcher:
    """Rules about single events."""
    folders = [content_folder("detections")]
    if loaded.settings.detect.rules:
        folders.append(Path(loaded.settings.detect.rules))
    return Indexed(load_rules(folders))


def stages_of(loaded: Loaded, platform: Platform, partition: Partition) -> tuple[Stage, ...]:
    """What finds more than a rule about one event can: a line for each."""
    return ()


def admission_of(loaded: Loaded, platform: Platform) -> Admission:
    """What makes alerts of detections."""
    return PlainAdmission()
