"""One source's indicators in a file, sorted by what they are looked up by: read in order, joined with what is new."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from operator import attrgetter
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.detect.intelligence.keeping.files import replacing
from watchkeeper.detect.intelligence.model import Indicator, key_of

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Indicator)
_LENGTH = struct.Struct("<I")
_LARGEST = 1 << 20
_BUFFER = 1 << 20


class Change(msgspec.Struct, frozen=True):
    """What became of what was new."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    revoked: int = 0
    removed: int = 0
    arrived: tuple[str, ...] = ()
    """Keys that were not there before: what the past is searched for."""


def stored(path: Path) -> Iterator[Indicator]:
    """In order. Raises `Unavailable` for a file that is damaged."""
    try:
        with path.open("rb", buffering=_BUFFER) as file:
            while head := file.read(4):
                length = _LENGTH.unpack(head)[0] if len(head) == 4 else _LARGEST + 1
                data = file.read(length) if length <= _LARGEST else b""
                if len(data) != length:
                    raise Unavailable(f"{path} is damaged", hint="import the source's file again, or poll it anew")
                yield _decoder.decode(data)
    except FileNotFoundError:
        return
    except (OSError, msgspec.MsgspecError) as error:
        raise Unavailable(f"{path} cannot be read: {error}", hint="import the source's file again") from error


def order(one: Indicator) -> str:
    """By what it is looked up by, then by its id, as one text: a million pairs are slow to sort. No key holds a NUL."""
    return f"{key_of(one.type, one.value)}\0{one.id}"


def join(path: Path, new: Iterable[Indicator], *, replace: bool = False) -> Change:
    """Take in what is new, sorted or not; with `replace`, what is not among it goes. Raises `Unavailable`."""
    counts = dict.fromkeys(("added", "changed", "unchanged", "revoked", "removed"), 0)
    arrived: list[str] = []
    fresh = {order(one): one for one in sorted(new, key=attrgetter("modified"))}
    wanted = [fresh[key] for key in sorted(fresh)]
    with replacing(path) as file:
        for old, one in _pairs(stored(path), wanted):
            kept = _kept(old, one, counts, replace=replace)
            if old is None and kept is not None and not kept.revoked:
                arrived.append(kept.key)
            if kept is not None:
                data = _encoder.encode(kept)
                file.write(_LENGTH.pack(len(data)) + data)
    return Change(**counts, arrived=tuple(arrived))


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


def _kept(old: Indicator | None, new: Indicator | None, counts: dict[str, int], *, replace: bool) -> Indicator | None:
    if new is None:
        counts["removed"] += replace
        return None if replace else old
    if old is None:
        counts["revoked" if new.revoked else "added"] += 1
        return new
    if new.modified < old.modified:
        counts["unchanged"] += 1
        return old
    kept = msgspec.structs.replace(new, added=old.added, confirmed=old.confirmed or new.confirmed)
    if msgspec.structs.replace(kept, modified=old.modified, valid_until=old.valid_until) == old:
        counts["unchanged"] += 1
    else:
        counts["revoked" if new.revoked and not old.revoked else "changed"] += 1
    return kept
