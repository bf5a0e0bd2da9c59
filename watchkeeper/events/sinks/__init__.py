"""Sinks: every event goes to what the company already runs, at least once, each receiver at its own pace.

The journal is the queue; a sink is a cursor into it, a filter, and a receiver's words. docs/concepts/sinks.md says what
that is worth.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.events.sinks.interface import Sink
    from watchkeeper.events.sinks.ledger import Ledger
    from watchkeeper.events.sinks.model import Standing
    from watchkeeper.events.sinks.settings import SinkSettings, check_sinks
    from watchkeeper.events.sinks.shipper import Ground, Shipper
else:
    __getattr__ = door(
        __name__,
        {
            "interface": ("Sink",),
            "ledger": ("Ledger",),
            "model": ("Standing",),
            "settings": ("SinkSettings", "check_sinks"),
            "shipper": ("Ground", "Shipper"),
        },
    )

__all__ = ["Ground", "Ledger", "Shipper", "Sink", "SinkSettings", "Standing", "check_sinks"]
