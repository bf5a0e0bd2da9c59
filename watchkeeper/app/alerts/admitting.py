"""Admission with everything it asks, and the follower that fills the queue."""

from __future__ import annotations

from watchkeeper.app.alerts.knowing import Containments, sources_of
from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded
from watchkeeper.detect.alerts.admission import AlertAdmission, Knowledge, Limits
from watchkeeper.detect.alerts.enrichment import Enrichment
from watchkeeper.detect.alerts.exceptions.book import ExceptionBook
from watchkeeper.detect.alerts.exceptions.held import Held
from watchkeeper.detect.alerts.queue.follower import QueueFollower
from watchkeeper.events.journal.reading.telling import telling_reader


def admission_for(loaded: Loaded, platform: Platform) -> AlertAdmission:
    """What makes alerts of detections in this data folder."""
    settings = loaded.settings.detect
    limits = Limits(settings.window_seconds, settings.throttle_alerts, settings.throttle_seconds)
    book = ExceptionBook(platform.database, platform.journal, platform.clock)
    enrichment = Enrichment(sources_of(platform, loaded.settings.servers))
    return AlertAdmission(limits, Knowledge(enrichment.of, Containments(platform).standing, Held(book.in_force)))


def follower_for(loaded: Loaded, platform: Platform) -> QueueFollower:
    """What fills the queue."""
    reader = telling_reader(loaded.data_dir, "alerts", platform.journal.record, platform.clock)
    return QueueFollower(platform.database, reader, platform.clock)
