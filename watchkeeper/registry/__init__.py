"""The registry knows which definitions each server has shown, and which of them may be used.

`Pins` is its door: the gateway reads and observes, people approve and hold, evidence takes snapshots.
"""

from watchkeeper.registry.model import Observation, Peer, Pin, PinState, Sighting, Snapshot
from watchkeeper.registry.pins import Pins

__all__ = ["Observation", "Peer", "Pin", "PinState", "Pins", "Sighting", "Snapshot"]
