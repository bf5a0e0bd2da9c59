"""Work that may not hold up whoever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from watchkeeper.core.errors import WatchkeeperError


class TooLate(WatchkeeperError):
    """A step's deadline passed."""

    code = "deadline"


def within(deadline_us: int, work: Callable[[], Any]) -> Any:
    """The result of `work`, in a thread of its own, so that it cannot hold up the run. Raises `TooLate` too."""
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
        raise TooLate(f"its deadline of {deadline_us / 1_000_000:g} s passed")
    if "error" in box:
        raise box["error"]
    return box["value"]
