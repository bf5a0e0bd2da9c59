"""Work that may not hold up whoever waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from watchkeeper.core.errors import Unavailable, WatchkeeperError

_log = logging.getLogger(__name__)


class TooLate(WatchkeeperError):
    """A step's deadline passed."""

    code = "deadline"


MOST_STUCK = 16
"""So many steps past their deadlines may still hang; then no other is begun. A thread cannot be ended from outside."""

_stuck: set[threading.Thread] = set()
_lock = threading.Lock()


def stuck() -> int:
    """How many steps hang past their deadlines in this process."""
    with _lock:
        _stuck.difference_update([thread for thread in _stuck if not thread.is_alive()])
        return len(_stuck)


def within(deadline_us: int, work: Callable[[], Any]) -> Any:
    """The result of `work`, in a thread of its own, so that it cannot hold up the run.

    Raises `TooLate` too, and `Unavailable` without having begun while too many others hang.
    """
    if stuck() >= MOST_STUCK:
        raise Unavailable(
            f"{MOST_STUCK} steps hang past their deadlines, so none is begun",
            hint="see what the integrations wait for, then restart the watch",
        )
    box: dict[str, Any] = {}

    def target() -> None:
        try:
            box["value"] = work()
        except BaseException as error:  # noqa: BLE001 — handed to the caller's thread, whatever it is
            box["error"] = error

    thread = threading.Thread(target=target, name="playbook-step", daemon=True)
    thread.start()
    thread.join(deadline_us / 1_000_000)
    if thread.is_alive():
        with _lock:
            _stuck.add(thread)
        _log.error("a step hangs past its deadline; %d do", stuck())
        raise TooLate(f"its deadline of {deadline_us / 1_000_000:g} s passed")
    if "error" in box:
        raise box["error"]
    return box["value"]
