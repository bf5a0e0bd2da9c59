"""What the console needs from below, as Protocols; `app` hands over what fits. Every method blocks, off the loop.

A service that cannot answer raises `Unavailable`: the page then says that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from watchkeeper.events import Event
from watchkeeper.operators.model import Acting
from watchkeeper.web.alerts import Alerts
from watchkeeper.web.casework import Cases
from watchkeeper.web.detection import Covering, Hunts
from watchkeeper.web.inbox import Held, Inbox
from watchkeeper.web.intelligence import Intelligence, Nobody
from watchkeeper.web.model import (
    Activity,
    Anchor,
    DefinitionChange,
    IncidentRow,
    Lake,
    Neighbours,
    Notification,
    OrderRow,
    Pin,
    PinMoment,
    RecordedEvent,
    Server,
    TrafficQuery,
    Writer,
)
from watchkeeper.web.playing import Playing
from watchkeeper.web.standby import Standby

if TYPE_CHECKING:  # the lake's engine: whoever only reads settings or runs a gateway must not wait for it
    from watchkeeper.events.lake.search import Found
    from watchkeeper.events.search import Asked
    from watchkeeper.events.search.conversation import Conversation
    from watchkeeper.events.search.counting import Counts


class Events(Protocol):
    """Everything that was recorded, searched; of one tenant."""

    def require(self, acting: Acting) -> None:
        """Raises `Denied` unless this program may read events."""
        ...

    def ask(self, text: str, since: str, until: str) -> Asked:
        """Raises `BadQuery`, which says where, and `Invalid`."""
        ...

    def search(self, asked: Asked, after: str, limit: int) -> Found:
        """Newest first; `after` is the `next` of the page before."""
        ...

    def count(self, asked: Asked) -> Counts:
        """Over time, by field, and how long calls took."""
        ...

    def find(self, event_id: str) -> RecordedEvent:
        """Raises `NotFound`."""
        ...

    def around(self, found: RecordedEvent, number: int) -> Neighbours:
        """At most so many on each side."""
        ...

    def conversation(self, key: str) -> Conversation:
        """Of a session, a trace or an event. Raises `NotFound`."""
        ...

    def export(self, asked: Asked, form: str) -> Iterator[bytes]:
        """All that is found, as a file. Raises `Unavailable` when too many are being made."""
        ...

    def proof(self, event_id: str) -> bytes:
        """That the event was recorded. Raises `NotFound` and `Untrusted`."""
        ...


class Traffic(Protocol):
    """Decided messages and what they amount to."""

    def recent(self, query: TrafficQuery) -> Sequence[Event]:
        """Newest first, at most `query.limit`."""
        ...

    def activity(self) -> Activity:
        """The last half hour or so, in spans."""
        ...


class Servers(Protocol):
    """Servers and the definitions they show."""

    def servers(self) -> Sequence[Server]: ...

    def pins(self, server: str) -> Sequence[Pin]:
        """Of one server."""
        ...

    def diff(self, server: str, kind: str, name: str) -> DefinitionChange:
        """Pinned against last seen. Raises `NotFound`."""
        ...

    def history(self, server: str, kind: str, name: str) -> Sequence[PinMoment]:
        """Newest first."""
        ...


class Incidents(Protocol):
    """Incidents, as the desk knows them."""

    def list(self, state: str = "") -> Sequence[IncidentRow]:
        """Newest first; all states when `state` is empty."""
        ...


class Orders(Protocol):
    """Containment orders, in force and lifted."""

    def all(self) -> Sequence[OrderRow]:
        """Newest first."""
        ...


class JournalState(Protocol):
    """What is known of the journal's health."""

    def writers(self) -> Sequence[Writer]: ...

    def lake(self) -> Lake | None:
        """`None` when nobody knows."""
        ...

    def suspended(self) -> str:
        """Why and since when calls pass unrecorded; empty while everything is recorded."""
        ...

    def anchors(self) -> Sequence[Anchor]:
        """The places for copies of checkpoints. Raises `Unavailable` when nobody knows."""
        ...


class Notifications(Protocol):
    """Who was told what."""

    def recent(self) -> Sequence[Notification]:
        """Newest first."""
        ...


class Hooks(Protocol):
    """Where other systems send decisions and replies to."""

    def reply(self, name: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """What became of what an integration sent back. Raises like `hear`."""
        ...

    def hear(self, name: str, headers: Mapping[str, str], body: bytes) -> Held:
        """Raises `Untrusted` for what is not theirs, `Conflict` for a replay or what is decided already, and more."""
        ...


class Recorder(Protocol):
    """The part of the journal that the console itself writes to: strictly, an event at a time."""

    def record(self, event: Event) -> object: ...


@dataclass(frozen=True)
class Services:
    """Everything the pages show."""

    events: Events
    traffic: Traffic
    servers: Servers
    incidents: Incidents
    orders: Orders
    journal: JournalState
    notifications: Notifications
    inbox: Inbox
    alerts: Alerts
    hooks: Hooks
    intelligence: Intelligence = field(default_factory=Nobody)
    cases: Cases | None = None
    playing: Playing | None = None
    standby: Standby | None = None
    hunts: Hunts | None = None
    coverage: Covering | None = None
    data_dir: str = "DATA_DIR"
    """Only for the commands that pages show."""
    is_default_data: bool = True
    """Whether commands find that folder without being told."""
