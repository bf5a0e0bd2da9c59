"""One source's indicators in a file, sorted by what they are looked up by: read in order, joined with what is new."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from operator import attrgetter
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.intelligence.keeping.allowing import Allowed
from watchkeeper.detect.intelligence.keeping.files import replacing
from watchkeeper.detect.intelligence.model import Indicator, key_of

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Indicator)
_LENGTH = struct.Struct("<I")
_LARGEST = 1 << 20
_BUFFER = 1 << 20
Covers = Callable[[str], Allowed | None]
"""The entry of the allow-list for a key."""
Row = tuple[str, Indicator, bytes, Allowed | None]
"""Key, indicator, the indicator as it is stored, and the entry of the allow-list that silences it."""


class Change(msgspec.Struct, frozen=True):
    """What became of what was new."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    revoked: int = 0
    removed: int = 0
    silenced: int = 0
    """Of what was new: on the allow-list."""
    arrived: tuple[str, ...] = ()
    """Keys that were not there before: what the past is searched for."""


def stored(path: Path) -> Iterator[Indicator]:
    """In order. Raises `Unavailable` for a file that is damaged."""
    return (one for one, _ in _records(path))


def rows(path: Path, covers: Covers, trust: int) -> Iterator[Row]:
    """In order, with the trust that the source has today. Raises `Unavailable` for a file that is damaged."""
    for one, data in _records(path):
        now, raw = (one, data) if one.trust == trust else _trusted(one, trust)
        key = key_of(now.type, now.value)
        yield key, now, raw, covers(key)


def _records(path: Path) -> Iterator[tuple[Indicator, bytes]]:
    try:
        with path.open("rb", buffering=_BUFFER) as file:
            while head := file.read(4):
                length = _LENGTH.unpack(head)[0] if len(head) == 4 else _LARGEST + 1
                data = file.read(length) if length <= _LARGEST else b""
                if len(data) != length:
                    raise Unavailable(f"{path} is damaged", hint="import the source's file again, or poll it anew")
                yield _decoder.decode(data), data
    except FileNotFoundError:
        return
    except (OSError, msgspec.MsgspecError) as error:
        raise Unavailable(f"{path} cannot be read: {error}", hint="import the source's file again") from error


def _trusted(one: Indicator, trust: int) -> tuple[Indicator, bytes]:
    changed = msgspec.structs.replace(one, trust=trust)
    return changed, _encoder.encode(changed)


def order(one: Indicator) -> str:
    """By what it is looked up by, then by its id, as one text: a million pairs are slow to sort. No key holds a NUL."""
    return f"{key_of(one.type, one.value)}\0{one.id}"


class Joining:
    """Taking in what is new, sorted or not; with `replace`, what is not among it goes.

    To be iterated once, to its end: it yields the rows of the file as it will be, for the index to be built of them
    on the way, and the file is replaced when they are at their end. Raises `Unavailable`.
    """

    change = Change()
    """What became of what was new, when all is done."""

    def __init__(
        self, path: Path, new: Iterable[Indicator], covers: Covers, trust: int, *, replace: bool = False
    ) -> None:
        self._path, self._covers, self._trust, self._replace = path, covers, trust, replace
        self._new = sorted(new, key=attrgetter("modified"))
        self._new.sort(key=order)

    def __iter__(self) -> Iterator[Row]:
        counts = dict.fromkeys(("added", "changed", "unchanged", "revoked", "removed", "silenced"), 0)
        arrived: dict[str, None] = {}
        covers, trust, replace, encode = self._covers, self._trust, self._replace, _encoder.encode
        with replacing(self._path) as file:
            write = file.write
            for old, one in _pairs(stored(self._path), _latest(self._new)):
                kept = _kept(old, one, counts, replace=replace) if old is not None else one
                if kept is None:
                    continue
                now, data = (kept, encode(kept)) if kept.trust == trust else _trusted(kept, trust)
                write(_LENGTH.pack(len(data)) + data)
                key = key_of(now.type, now.value)
                entry = covers(key)
                if old is None:
                    counts["revoked" if now.revoked else "added"] += 1
                    if not now.revoked:
                        arrived[key] = None
                if entry is not None and one is not None:
                    counts["silenced"] += 1
                yield key, now, data, entry
        self.change = Change(**counts, arrived=tuple(arrived))


def _latest(new: Iterable[Indicator]) -> Iterator[Indicator]:
    """Of what is in order, the last of each."""
    before: Indicator | None = None
    for one in new:
        if before is not None and (before.value != one.value or order(before) != order(one)):
            yield before
        before = one
    if before is not None:
        yield before


def _pairs(old: Iterable[Indicator], new: Iterable[Indicator]) -> Iterator[tuple[Indicator | None, Indicator | None]]:
    """Both in step; where one has none, `None`."""
    before = iter(old)
    first = next(before, None)
    if first is None:
        yield from zip(repeat(None), new)
        return
    yield from _merged(chain((first,), before), new)


def _merged(old: Iterable[Indicator], new: Iterable[Indicator]) -> Iterator[tuple[Indicator | None, Indicator | None]]:
    marked = heapq.merge(((order(one), 0, one) for one in old), ((order(one), 1, one) for one in new))
    waiting: tuple[str, Indicator] | None = None
    for at, which, one in marked:
        if which == 0:
            if waiting is not None:
                yield waiting[1], None
            waiting = (at, one)
        elif waiting is not None and waiting[0] == at:
            yield waiting[1], one
            waiting = None
        else:
            if waiting is not None:
                yield waiting[1], None
                waiting = None
            yield None, one
    if waiting is not None:
        yield waiting[1], None


def _kept(old: Indicator, new: Indicator | None, counts: dict[str, int], *, replace: bool) -> Indicator | None:
    if new is None:
        counts["removed"] += replace
        return None if replace else old
    if new.modified < old.modified:
        counts["unchanged"] += 1
        return old
    kept = msgspec.structs.replace(new, added=old.added, confirmed=old.confirmed or new.confirmed)
    if msgspec.structs.replace(kept, modified=old.modified, valid_until=old.valid_until) == old:
        counts["unchanged"] += 1
    else:
        counts["revoked" if new.revoked and not old.revoked else "changed"] += 1
    return kept
