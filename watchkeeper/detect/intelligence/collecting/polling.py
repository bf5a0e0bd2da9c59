"""Asking the sources when they are due: what they say is taken in, how it went is kept, and both are told.

1. A source that fails is asked again, later each time, and what it said before stays in use; that it is stale is shown.
2. Where it goes on (the cursor) is kept after its indicators are: a crash between asks for some twice (none is lost).
3. A credential is read for each poll, by reference, and goes to the source's own URL only.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.secrets import SecretReader
from watchkeeper.detect.intelligence.collecting import taxii
from watchkeeper.detect.intelligence.collecting.documents import collect_document, collect_feed
from watchkeeper.detect.intelligence.collecting.model import Collected
from watchkeeper.detect.intelligence.formats.reading import MOST
from watchkeeper.detect.intelligence.keeping.library import Imported, Library
from watchkeeper.detect.intelligence.keeping.sources import Source

_LOOK_SECONDS = 2.0
_TOLD_AGAIN = frozenset({1, 10, 100})
"""Failures in a row that are recorded."""
_log = logging.getLogger(__name__)
Tell = Callable[[str, str, dict[str, Any]], None]
"""`imported` or `failed`, the source's name, the body."""


class Poller:
    """Asks the sources of one library."""

    def __init__(
        self, library: Library, fetcher: Callable[[], Fetcher], secrets: SecretReader, clock: Clock, tell: Tell
    ) -> None:
        self._library = library
        self._fetcher = fetcher
        self._secrets = secrets
        self._clock = clock
        self._tell = tell

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; a source's trouble is its own."""
        while not stop.wait(_LOOK_SECONDS):
            try:
                self.poll_due(stop)
            except WatchkeeperError as error:
                _log.warning("sources cannot be asked", extra={"why": error.reason})

    def poll_due(self, stop: threading.Event | None = None) -> int:
        """Ask each source whose time has come; how many were asked."""
        asked = 0
        for source in self._library.register.all().values():
            if stop is not None and stop.is_set():
                break
            if source.is_due(self._clock.now()):
                asked += 1
                try:
                    self.poll(source)
                except WatchkeeperError as error:
                    _log.info("a source does not answer", extra={"source": source.name, "why": error.reason})
        return asked

    def poll(self, source: Source) -> Imported:
        """Ask one now. Raises what kept it from answering, after that was noted."""
        now = self._clock.now()
        try:
            collected = asyncio.run(self._collect(source))
        except WatchkeeperError as error:
            self._note_failure(source, error.reason, now)
            raise
        imported = self._library.take(source, collected.read, replace=collected.is_whole, by=f"source:{source.name}")
        done = self._library.register.get(source.name)
        self._library.note_poll(
            msgspec.structs.replace(
                done, polled=now, succeeded=now, trouble="", failures=0, cursor=collected.cursor or source.cursor
            )
        )
        if imported.added or imported.changed or imported.revoked or imported.removed or imported.refused:
            self._tell("imported", source.name, {**msgspec.to_builtins(imported), "via": "poll"})
        return imported

    async def _collect(self, source: Source) -> Collected:
        fetcher = self._fetcher()
        authorization = self._secrets.expand(f"the source {source.name}", source.auth).reveal() if source.auth else ""
        if source.kind == "taxii":
            return await taxii.collect(fetcher, source.url, authorization, source.cursor, MOST)
        if source.kind == "misp" and not source.url.endswith(".json"):
            return await collect_feed(fetcher, source, authorization, MOST)
        return await collect_document(fetcher, source, authorization, MOST)

    def _note_failure(self, source: Source, why: str, now: int) -> None:
        failures = source.failures + 1
        self._library.note_poll(msgspec.structs.replace(source, polled=now, trouble=why[:300], failures=failures))
        if failures in _TOLD_AGAIN:
            body = {"why": why[:300], "failures": failures, "succeeded": source.succeeded}
            self._tell("failed", source.name, body)
