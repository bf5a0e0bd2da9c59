"""The registry knows which definitions each server has shown, and which of them may be used.

`Pins` is its door: the gateway reads and observes, people approve and hold, evidence takes snapshots.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.registry.model import Observation, Peer, Pin, PinState, Sighting, Snapshot
    from watchkeeper.registry.pins import Pins
else:
    __getattr__ = door(
        __name__,
        {
            "model": ("Observation", "Peer", "Pin", "PinState", "Sighting", "Snapshot"),
            "pins": ("Pins",),
        },
    )

__all__ = ["Observation", "Peer", "Pin", "PinState", "Pins", "Sighting", "Snapshot"]
