"""A span of one log, read past all the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from watchkeeper.events import JournalReader, Record

_BEYOND = 1 << 62
_CHUNK = 4096


def one_log(reader: JournalReader, writer: str, since: int, end: int = _BEYOND) -> Iterator[Record]:
    """What one writer's log holds durably from `since` to before `end`. Raises `Unavailable`."""
    at = dict.fromkeys(reader.writers(), _BEYOND) | {writer: since}
    while at[writer] < end and (records := reader.read(at, limit=min(_CHUNK, end - at[writer]))):
        yield from records
        at[writer] = records[-1].position.index + 1


def before(reader: JournalReader, cursor: Mapping[str, int], end: Mapping[str, int]) -> list[Record]:
    """Some of what stands from `cursor` on and before `end`; nothing when that is all dealt with."""
    at = {
        writer: cursor.get(writer, 0) if cursor.get(writer, 0) < end.get(writer, 0) else _BEYOND
        for writer in reader.writers()
    }
    records = reader.read(at, limit=_CHUNK)
    return [record for record in records if record.position.index < end[record.position.writer]]


def is_there(reader: JournalReader, writer: str, index: int) -> bool:
    """Whether a record stands there; in a journal that was restored from an older copy it may not."""
    return any(record.position.index == index for record in one_log(reader, writer, index, index + 1))
