"""A clock that nobody sets, beside the one on the wall.

Timeouts are judged by it where it can be: it goes on while the host sleeps (Linux), starts anew with the host, and
knows nothing of clocks that are put right or wrong. `boot` tells whether two of its times can be compared.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()[:64]
    except OSError:
        return str(uuid.uuid4())  # elsewhere a time of it is good for as long as this process lives


def _now() -> int:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)) // 1000


@dataclass(frozen=True)
class Steady:
    """Microseconds since `boot`."""

    boot: str = field(default_factory=_boot)
    now: Callable[[], int] = _now
