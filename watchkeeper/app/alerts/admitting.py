"""Admission with everything it asks, and the follower that fills the queue."""

from __future__ import annotations

from watchkeeper.app.alerts.closings import Closings
from watchkeeper.app.alerts.knowing import Containments, sources_of
from watchkeeper.app.alerts.places import Places
from watchkeeper.app.platform import Platform
from watchkeeper.app.servers import effective
from watchkeeper.app.settings import Loaded
from watchkeeper.detect.alerts.admission import AlertAdmission, Knowledge, Limits
from watchkeeper.detect.alerts.enrichment import Enrichment
from watchkeeper.detect.alerts.exceptions.book import ExceptionBook
from watchkeeper.detect.alerts.exceptions.held import Held
from watchkeeper.detect.alerts.queue.book import AlertQueue
from watchkeeper.detect.alerts.queue.follower import QueueFollower
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.events import JournalReader
from watchkeeper.events.journal.reading.telling import telling_reader
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.ledger import Ledger


def admission_for(loaded: Loaded, platform: Platform, *, demo: bool = False) -> AlertAdmission:
    """What makes alerts of detections in this data folder; `demo` knows the training server. Raises `Misconfigured`."""
    settings = loaded.settings.detect
    limits = Limits(settings.window_seconds, settings.throttle_alerts, settings.throttle_seconds)
    book = ExceptionBook(platform.database, platform.journal, platform.clock)
    library = Library(loaded.data_dir, platform.clock, loaded.settings.intelligence)
    knowledge = Knowledge(
        enrich=Enrichment(sources_of(platform, effective(loaded, demo=demo), library)).of,
        standing=Containments(platform).standing,
        closed=_closings(platform, settings.window_seconds).ids,
        exceptions=Held(book.in_force),
    )
    return AlertAdmission(limits, knowledge)


def queue_for(platform: Platform) -> AlertQueue:
    """The queue as people use it."""
    reader = JournalReader(platform.data_dir, pass_over_corrupt=True)
    return AlertQueue(platform.database, platform.journal, platform.clock, Places(reader).read)


def _closings(platform: Platform, window_seconds: int) -> Closings:
    ledger = Ledger(platform.database, platform.journal, JournalReader(platform.data_dir, pass_over_corrupt=True))
    incidents = IncidentDesk(platform.database, ledger, platform.clock)
    return Closings(platform, queue_for(platform), incidents, 2 * window_seconds)


def follower_for(loaded: Loaded, platform: Platform) -> QueueFollower:
    """What fills the queue."""
    reader = telling_reader(loaded.data_dir, "alerts", platform.journal.record, platform.clock)
    return QueueFollower(platform.database, reader, platform.clock)
