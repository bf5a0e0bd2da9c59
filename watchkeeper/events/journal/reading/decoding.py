"""Stored bytes as events; what a newer version wrote is `None`, not an error."""

from __future__ import annotations

import msgspec

from watchkeeper.events.model import Event, decode


def events_of(records: list[bytes | None]) -> list[Event | None]:
    try:
        return [decode(record) if record is not None else None for record in records]
    except msgspec.MsgspecError:  # a newer version wrote one
        return [_event(record) for record in records]


def _event(record: bytes | None) -> Event | None:
    try:
        return decode(record) if record else None
    except msgspec.MsgspecError:
        return None


def has_id(record: bytes, event_id: str) -> bool:
    event = _event(record)
    return event is not None and event.id == event_id
