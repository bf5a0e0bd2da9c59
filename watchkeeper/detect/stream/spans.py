"""A span of one log, read past all the others."""

from __future__ import annotations

from collections.abc import Iterator

from watchkeeper.events import JournalReader, Record

_BEYOND = 1 << 62
_CHUNK = 4096


def one_log(reader: JournalReader, writer: str, since: int, end: int = _BEYOND) -> Iterator[Record]:
    """What one writer's log holds durably from `since` to before `end`. Raises `Unavailable`."""
    at = dict.fromkeys(reader.writers(), _BEYOND) | {writer: since}
    while at[writer] < end and (records := reader.read(at, limit=min(_CHUNK, end - at[writer]))):
        yield from records
        at[writer] = records[-1].position.index + 1


def is_there(reader: JournalReader, writer: str, index: int) -> bool:
    """Whether a record stands there; in a journal that was restored from an older copy it may not."""
    return any(record.position.index == index for record in one_log(reader, writer, index, index + 1))
