"""Events by where they stand in the journal."""

from __future__ import annotations

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.detect.stream.spans import one_log
from watchkeeper.events import Event, JournalReader


class Places:
    """Events by where they stand; what cannot be read is not there."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader

    def read(self, writer: str, index: int) -> Event | None:
        """The event there."""
        try:
            return next((one.event for one in one_log(self._reader, writer, index, index + 1)), None)
        except WatchkeeperError:
            return None
