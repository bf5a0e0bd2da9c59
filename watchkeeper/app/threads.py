"""Long-running readers, a thread each, with one way to stop them and one place that knows whether they live."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Self

WITHIN = 10.0
"""Seconds that readers have to end when the block that holds them does."""
_log = logging.getLogger(__name__)

Runs = Callable[[threading.Event], None]
"""Runs until the event is set."""


class Readers:
    """Named readers; one that ends by an error is remembered with it."""

    def __init__(self, readers: Mapping[str, Runs] | None = None) -> None:
        self._stop = threading.Event()
        self.failures: dict[str, str] = {}
        """Reader → why it ended."""
        self._threads: dict[str, threading.Thread] = {}
        self._waiting: list[threading.Thread] = []
        self.add(readers or {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(WITHIN)

    def add(self, readers: Mapping[str, Runs]) -> None:
        """More of them; those that run already go on."""
        for name, run in readers.items():
            self._threads[name] = threading.Thread(target=self._run, args=(name, run), name=name)
            self._waiting.append(self._threads[name])

    def start(self) -> None:
        """Start those that were added since the last time."""
        while self._waiting:
            self._waiting.pop(0).start()

    def stop(self, within: float) -> list[str]:
        """Tell all to stop, wait; returns the names of those that still run."""
        self._stop.set()
        self._waiting.clear()
        for thread in self._threads.values():
            if thread.ident is not None:
                thread.join(within)
        return [name for name, thread in self._threads.items() if thread.is_alive()]

    def alive(self) -> dict[str, bool]:
        """Reader → whether it runs."""
        return {name: thread.is_alive() for name, thread in self._threads.items()}

    def _run(self, name: str, run: Runs) -> None:
        try:
            run(self._stop)
        except Exception as error:  # noqa: BLE001 — the outermost loop of a reader: its end must be known, never silent
            self.failures[name] = f"{type(error).__name__}: {error}"
            _log.exception("a reader ended", extra={"reader": name})
