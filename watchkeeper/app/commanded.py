"""What a command beside a running service has to know of its orders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from watchkeeper.app.administration import Administration
from watchkeeper.app.cutting import barrier_of
from watchkeeper.core.errors import NotFound
from watchkeeper.core.fetch.client import Barrier
from watchkeeper.gateway.containment import Order


def barrier_at(data_dir: Path) -> Barrier:
    """`cutting.barrier_of` by what the running service says is in force, or the folder where none runs."""

    def in_force() -> Sequence[Order]:
        try:
            return msgspec.convert(Administration(data_dir).call("quarantine.list", everything=False), list[Order])
        except NotFound:
            return ()  # nothing ever ran here, so nothing was ever ordered

    return barrier_of(in_force)
