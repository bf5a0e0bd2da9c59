"""A service process from the inside."""

from __future__ import annotations

import gc
import threading

import pytest

from watchkeeper.app import process


class Ring:
    def __init__(self) -> None:
        self.itself = self


def test_what_a_process_holds_is_settled_and_it_stops_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_SETTLE_AFTER", (0.0, 0.0))
    held = [{} for _ in range(1_000)]  # type: ignore[var-annotated]
    before, stop = gc.get_freeze_count(), threading.Event()
    thread = threading.Thread(target=process.settling, args=(stop,), daemon=True)
    thread.start()
    while gc.get_freeze_count() < before + len(held):
        assert thread.is_alive()
        stop.wait(0.001)
    stop.set()
    thread.join(10)
    try:
        assert not thread.is_alive()
    finally:
        gc.unfreeze()


def test_what_came_later_is_still_collected() -> None:
    process.settle()
    try:
        Ring()
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
