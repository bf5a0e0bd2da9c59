"""What response needs from others, as Protocols that `app` connects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from watchkeeper.events.model import Event
from watchkeeper.gateway.orders import Containment, Order, OrderKind, Probe
from watchkeeper.registry.model import Snapshot
from watchkeeper.respond.model import Notification


class At(Protocol):
    """A position in the journal."""

    @property
    def writer(self) -> str: ...

    @property
    def index(self) -> int: ...


class Recorder(Protocol):
    """The journal, as far as we write to it."""

    writer: str

    def append(self, event: Event) -> int:
        """Take an event; its index. Raises `Unavailable`."""
        ...

    def wait(self, index: int) -> None:
        """Return once it is durable. Raises `Unavailable`."""
        ...


class Finder(Protocol):
    """The journal, as far as we look an event up."""

    def find(self, event_id: str) -> At | None: ...


class Definitions(Protocol):
    """What the registry knows of a tool (`registry.Pins`)."""

    def snapshot(self, server: str, name: str) -> Snapshot:
        """The pin and every definition ever shown under this name. Raises `NotFound`."""
        ...


class Orders(Protocol):
    """Containment by the gateways (`gateway.orders.OrderBook`)."""

    def issue(self, kind: OrderKind, target: str, *, reason: str, by: str, key: str, incident: str = "") -> Order:
        """Give an order; the same key twice is one order. Raises `Unavailable`: then nothing was given."""
        ...

    def in_force(self) -> tuple[Order, ...]:
        """The orders that were not lifted."""
        ...

    def is_contained(self, order: Order, probe: Probe) -> Containment:
        """Push it to every live gateway and have each judge the probe."""
        ...

    def lift(self, order_id: str, *, by: str, reason: str) -> Order:
        """End an order; one that was lifted before stays as it is."""
        ...


class Notifier(Protocol):
    """A way to tell people."""

    def send(self, notification: Notification) -> Sequence[str]:
        """Deliver once per `notification.key`; returns the channels. Raises `Unavailable` when none took it."""
        ...
