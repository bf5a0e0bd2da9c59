"""The logs' tiles kept up to them while the console runs, and where they are served."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path

from watchkeeper.core.errors import Conflict, NotFound, Unavailable, WatchkeeperError
from watchkeeper.events.journal.outside import TileSettings, address_of
from watchkeeper.events.journal.tiles.export import writers_of
from watchkeeper.events.journal.tiles.layout import Tile
from watchkeeper.events.journal.tiles.shelf import Shelf
from watchkeeper.web.application import bind
from watchkeeper.web.tiles import TileApp

EVERY = 1.0
"""Seconds between two looks at the logs."""
_log = logging.getLogger(__name__)


class ShownLog:
    """One log's tiles, or why they are not shown."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.failure = ""

    @property
    def checkpoint(self) -> bytes:
        return self._shelf.checkpoint

    @property
    def key(self) -> str:
        return self._shelf.key

    def read(self, tile: Tile) -> bytes | None:
        return self._shelf.read(tile)

    def catch_up(self) -> None:
        """Show what was committed since. A contradiction stays one until somebody has looked and restarted."""
        if self.failure:
            return
        try:
            self._shelf.catch_up()
        except Unavailable as error:
            _log.warning(error.reason)  # what is shown stands; the next look tries again
        except WatchkeeperError as error:
            _log.error(error.reason)
            self.failure = error.reason


class Tiling:
    """Every log's tiles."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._logs: dict[str, ShownLog] = {}
        self._refused: set[str] = set()
        self.app = TileApp(self._logs)

    def run(self, stop: threading.Event) -> None:
        """Follow the logs until told to stop."""
        while not stop.is_set():
            self.look()
            stop.wait(EVERY)

    def look(self) -> None:
        """Take in what is new of every log."""
        try:
            writers = writers_of(self._data_dir)
        except NotFound:
            return
        for writer in writers:
            if writer not in self._logs and writer not in self._refused:
                self._add(writer)
        for log in self._logs.values():
            log.catch_up()

    def _add(self, writer: str) -> None:
        try:
            self._logs[writer] = ShownLog(Shelf(self._data_dir, writer))
        except Unavailable as error:
            _log.info(error.reason)  # a log whose key is not there yet
        except WatchkeeperError as error:
            _log.error(error.reason)
            self._refused.add(writer)


def bound(settings: TileSettings) -> socket.socket:
    """A listening socket. Raises `Conflict`, `Unavailable`."""
    address = address_of(settings.listen)
    assert address is not None
    try:
        return bind(*address)
    except (Conflict, Unavailable) as error:
        raise type(error)(
            f"journal.tiles.listen: {settings.listen} cannot be listened on", hint="choose another, or stop what has it"
        ) from error


def url_of(listener: socket.socket) -> str:
    """Where it is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
