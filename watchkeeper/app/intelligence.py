"""Intelligence of a data folder, for commands and the watch: the library as the settings say, and what is recorded.

A command changes the store's files itself, under their lock, for a large import would keep the watch from its work;
what it did is recorded by the watch, or by the command while none runs.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from watchkeeper.app.cutting import barrier_of
from watchkeeper.app.lakes import search_in
from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.app.threads import Runs
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.core.fetch.client import Barrier, Fetcher
from watchkeeper.core.secrets import SecretReader
from watchkeeper.core.state import is_there
from watchkeeper.detect.intelligence.collecting.polling import Poller, Tell
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.model import Tlp
from watchkeeper.detect.intelligence.retro import Retro
from watchkeeper.detect.intelligence.settings import check_intelligence
from watchkeeper.detect.intelligence.sharing.objects import Shared, shared
from watchkeeper.detect.intelligence.sharing.server import TaxiiServer
from watchkeeper.detect.intelligence.sightings import sightings
from watchkeeper.detect.intelligence.stage import Intelligence
from watchkeeper.detect.interface import Stage
from watchkeeper.detect.model import Detection
from watchkeeper.detect.proving.past import Past
from watchkeeper.events import Severity, new_event
from watchkeeper.events.ingest.serving import listen, serve

Act = Callable[[dict[str, Any]], Any]
PREFIX = "detect.intelligence."
IMPORTED = "detect.intelligence.imported"
CHANGED = "detect.intelligence.changed"
FAILED = "detect.intelligence.failed"
NOTE = "intelligence.note"
_SYSTEM = SystemClock()
_FRESH = 10.0
"""Seconds for which what is shared is remembered."""


def library_of(loaded: Loaded, clock: Clock = _SYSTEM) -> Library:
    """The folder's store. Raises `NotFound` when nothing ever ran on it: what is done there could not be recorded."""
    if not is_there(loaded.data_dir):
        raise NotFound(
            f"nothing ever ran on {loaded.data_dir}", hint="start with `watchkeeper up`, or name the folder with --data"
        )
    return Library(loaded.data_dir, clock, loaded.settings.intelligence)


def poller_of(loaded: Loaded, clock: Clock, tell: Tell, barrier: Barrier) -> Poller:
    """What asks the sources, as far and as long as the settings let it."""
    settings = loaded.settings.intelligence
    fetch = msgspec.structs.replace(
        loaded.settings.fetch, seconds=settings.timeout_seconds, max_bytes=settings.max_megabytes * 1_000_000
    )
    library = Library(loaded.data_dir, clock, settings)
    return Poller(library, lambda: Fetcher(fetch, barrier=barrier), SecretReader(environment()), clock, tell)


def check_url(loaded: Loaded, url: str) -> None:
    """Whether a source there would be asked at all: what polls would refuse each time. Raises `FetchRefused`."""
    Fetcher(loaded.settings.fetch).check(url)


def shared_of(loaded: Loaded, database: Database, clock: Clock, limit: Tlp) -> list[Shared]:
    """What may be passed on."""
    library = Library(loaded.data_dir, clock, loaded.settings.intelligence)
    name = loaded.settings.intelligence.share_name
    return shared(library.every(), sightings(database), name=name, limit=limit, now=clock.now())


def retro_of(loaded: Loaded, clock: Clock, found: queue.Queue[Detection], tell: Tell) -> Retro:
    """What searches the past for arrivals."""
    settings = loaded.settings.intelligence

    def past(since: int, until: int) -> Past:
        return Past(search_in(loaded.data_dir), since, until)

    library = Library(loaded.data_dir, clock, settings)
    return Retro(library, past, found, clock, days=settings.retro_days, minimum=settings.minimum_confidence, tell=tell)


class Sharing:
    """The TAXII server, in the watch."""

    def __init__(self, loaded: Loaded, platform: Platform) -> None:
        """Raises `Misconfigured` without a token, `Conflict` when the port is taken."""
        settings = loaded.settings.intelligence
        token = SecretReader(environment()).read("intelligence.share_token", settings.share_token)
        self._listener = listen(f"127.0.0.1:{settings.share_port}")
        self._loaded, self._platform = loaded, platform
        self._limit = Tlp(settings.share_tlp)
        self._known: tuple[float, list[Shared]] = (-_FRESH, [])
        self._app = TaxiiServer(self._objects, token, settings.share_name)

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        asyncio.run(serve(self._app, self._listener, stop))

    def _objects(self) -> list[Shared]:
        at, objects = self._known
        if time.monotonic() - at >= _FRESH:
            objects = shared_of(self._loaded, self._platform.database, self._platform.clock, self._limit)
            self._known = (time.monotonic(), objects)
        return objects


def intelligence_runs(loaded: Loaded, platform: Platform, stages: Iterable[Stage]) -> dict[str, Runs]:
    """What the watch runs beside the stream. Raises `Misconfigured`, `Conflict`."""
    settings = loaded.settings.intelligence
    check_intelligence(settings)
    notes = IntelligenceNotes(platform)
    actor = f"system:{platform.journal.writer}"

    def tell(what: str, name: str, body: dict[str, Any]) -> None:
        notes.record(PREFIX + what, name, body, actor)

    poller = poller_of(loaded, platform.clock, tell, barrier_of(platform.orders.in_force))
    runs: dict[str, Runs] = {"intelligence": poller.run} if settings.poll else {}
    for stage in stages:
        if isinstance(stage, Intelligence):
            runs["retro"] = retro_of(loaded, platform.clock, stage.past, tell).run
    return runs | ({"taxii": Sharing(loaded, platform).run} if settings.share_port else {})


class IntelligenceNotes:
    """Records what was done to the store."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self.acts: dict[str, Act] = {NOTE: self.note}

    def note(self, asked: dict[str, Any]) -> None:
        """One change or import, by whom. Raises `Invalid` for anything else."""
        kind, target, body = asked.get("kind"), asked.get("target"), asked.get("body")
        if kind not in (IMPORTED, CHANGED, FAILED) or not isinstance(target, str) or not isinstance(body, dict):
            raise Invalid("this is no note about intelligence")
        self.record(kind, target[:512], body, str(asked["by"]))

    def record(self, kind: str, target: str, body: dict[str, Any], by: str) -> None:
        """The event, durable."""
        is_failure = kind == FAILED
        event = new_event(
            self._on.clock.now(),
            kind,
            actor=by,
            target=target,
            outcome="failure" if is_failure else "success",
            severity=Severity.LOW if is_failure else Severity.INFORMATIONAL,
            body=body,
        )
        self._on.journal.record(event)
