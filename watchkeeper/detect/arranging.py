"""Changing how many workers share detection: all of the former ones are brought equally far, in the journal and in
event time, then what they remember is dealt out anew. Killed in the middle, the next start goes on where this one was.
"""

from __future__ import annotations

from collections.abc import Callable

from watchkeeper.core.database import Database
from watchkeeper.detect.detector import Detector
from watchkeeper.detect.stream.arrangement import arranged, cursors, deal_out, furthest, workers
from watchkeeper.detect.stream.partition import Partition


def rearrange(database: Database, into: Partition, detector_of: Callable[[Partition], Detector]) -> bool:
    """Have as many workers as `into` says; whether there was anything to do. `detector_of` makes a former worker.

    Raises `Unavailable` when the journal or the state cannot be read or written, `Conflict` when a worker runs.
    """
    before = arranged(database)
    if not before or before == workers(into.of):
        return False
    end = furthest(cursors(database, before))
    detectors = [detector_of(worker) for worker in before]
    for detector in detectors:
        detector.catch_up(end)
    latest = max(detector.watermark for detector in detectors)
    for detector in detectors:
        detector.catch_up(end, latest)
    deal_out(database, before, into)
    return True
