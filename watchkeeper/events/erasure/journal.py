"""What the journal has of a subject before an erasure, and that its logs are what they were afterwards.

Before: which records are its own, where they stand and which keys seal them. Afterwards nobody can tell that any more;
the tree can still show that no entry was changed, removed or added for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.events.erasure.model import ranges_of
from watchkeeper.events.erasure.scanning import Needle
from watchkeeper.events.journal.note import origin_of
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.journal.reading.scan import Scan
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.journal.tree import Tree, leaf_hashes
from watchkeeper.events.journal.verifying.verification import LogReport, public_key_of, verify

_CHUNK = 10_000


class Held(msgspec.Struct, frozen=True):
    """What can be read of a subject in all logs."""

    positions: dict[str, list[list[int]]]
    own: int
    mentions: int
    """Records of others that name it."""
    records: int
    """Looked at, decrypted."""
    unreadable: int
    """Of subjects erased before, or of a newer version."""
    bytes: int


def held_of(data_dir: Path, subject: str) -> Held:
    """Every record of every log is decrypted and looked at. Raises `Untrusted` when one cannot be read as written."""
    reader, needle = JournalReader(data_dir), Needle(subject)
    indexes: dict[str, list[int]] = {}
    cursor: dict[str, int] = {}
    own = mentions = records = unreadable = size = 0
    try:
        while portion := reader.read(cursor, limit=_CHUNK):
            for one in portion:
                cursor[one.position.writer] = one.position.index + 1
                records += 1
                size += len(one.record)
                if one.event is None:
                    unreadable += 1
                elif one.event.actor == subject:
                    own += 1
                    indexes.setdefault(one.position.writer, []).append(one.position.index)
                elif needle.count(one.record):
                    mentions += 1
    finally:
        reader.close()
    return Held({w: ranges_of(sorted(i)) for w, i in indexes.items()}, own, mentions, records, unreadable, size)


def keys_of(data_dir: Path, subject: str) -> tuple[str, ...]:
    """Ids of the keys that seal its records, hex."""
    keys = SubjectKeys(data_dir)
    try:
        return tuple(key.hex() for key in keys.ids_of(subject))
    finally:
        keys.close()


def heads_of(data_dir: Path) -> dict[str, tuple[int, str]]:
    """Writer → size and root of its log now."""
    return {log.writer: (log.records, log.root) for log in verify(data_dir).logs}


def logs_of(data_dir: Path, before: dict[str, tuple[int, str]]) -> tuple[dict[str, Any], ...]:
    """Each log verified, byte by byte; of those in `before`, whether they still begin with the tree that they were."""
    return tuple(_log(data_dir, log, before.get(log.writer)) for log in verify(data_dir).logs)


def _log(data_dir: Path, log: LogReport, before: tuple[int, str] | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "writer": log.writer,
        "code": log.code,
        "reason": log.reason,
        "size": log.records,
        "root": log.root,
        "erased": log.erased,
        "key": log.key,
    }
    if before is not None and before[0]:
        size, root = before
        now = _root_at(data_dir, log.writer, size)
        said |= {"size_before": size, "root_before": root, "is_unchanged": now == root}
    return said


def _root_at(data_dir: Path, writer: str, size: int) -> str:
    """The root of the first `size` entries, computed again; empty when there are not so many."""
    public = public_key_of(data_dir, writer)
    scan = Scan(data_dir / "journal" / writer, origin_of(writer, public), public, every_signature=False)
    tree = Tree()
    for _, frame in scan.frames():
        tree.extend(leaf_hashes(frame.entries[: size - tree.size]))
        if tree.size == size:
            return tree.root().hex()
    return ""
