"""One event of every kind, as it is recorded: data of `content/events`, for people, for tests and for other readers."""

from __future__ import annotations

from functools import cache

import msgspec

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured, NotFound
from watchkeeper.events.model import Event


@cache
def examples() -> dict[str, Event]:
    """Kind → its example. Raises `Misconfigured` when a file is damaged."""
    found: dict[str, Event] = {}
    for path in sorted(content_folder("events").glob("*.json")):
        try:
            events = msgspec.json.decode(path.read_bytes(), type=list[Event])
        except (OSError, msgspec.MsgspecError) as error:
            raise Misconfigured(f"{path.name} holds no events: {error}", hint="reinstall watchkeeper") from error
        found |= {event.kind: event for event in events}
    return found


def example_of(kind: str) -> Event:
    """Raises `NotFound`."""
    event = examples().get(kind)
    if event is None:
        raise NotFound(f"there is no example of {kind[:80]!a}", hint="see `watchkeeper events kinds`")
    return event
