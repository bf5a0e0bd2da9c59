"""That the entries of erased records still stand in their logs: inclusion paths that anybody checks, in one pass a log.

The record is gone and its salt with it, so nobody can tell what an entry was made from; that it is there, where it
was, can be shown as before.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.events.journal.note import origin_of, verifier_key
from watchkeeper.events.journal.reading.scan import Scan
from watchkeeper.events.journal.verifying.verification import PATIENCE, public_key_of

BOUND = 1000
"""Paths of a report; of more positions a sample is shown, evenly over all of them."""


def inclusions_of(
    data_dir: Path, positions: Mapping[str, Sequence[Sequence[int]]], bound: int = BOUND
) -> tuple[dict[str, Any], ...]:
    """For each log, the signed checkpoint of now and the paths of the entries at these ranges.

    Raises `Untrusted` when a log is gone, cut before one of them or does not verify.
    """
    total = sum(last - first + 1 for ranges in positions.values() for first, last in ranges)
    return tuple(
        _in_log(data_dir, writer, _spread(ranges, bound, total)) for writer, ranges in sorted(positions.items())
    )


def _spread(ranges: Sequence[Sequence[int]], bound: int, total: int) -> list[int]:
    """The positions themselves; of too many an even share, the first and the last among them."""
    count = sum(last - first + 1 for first, last in ranges)
    share = count if total <= bound else max(2, bound * count // total)
    if count <= share:
        return [index for first, last in ranges for index in range(first, last + 1)]
    wanted = [at * (count - 1) // (share - 1) for at in range(share)]
    found, before = list[int](), 0
    for first, last in ranges:
        length = last - first + 1
        found += [first + at - before for at in wanted if before <= at < before + length]
        before += length
    return found


def _in_log(data_dir: Path, writer: str, indexes: Sequence[int]) -> dict[str, Any]:
    public = public_key_of(data_dir, writer)
    origin, wanted, entries = origin_of(writer, public), sorted(indexes), dict[int, bytes]()
    scan = Scan(data_dir / "journal" / writer, origin, public, watch=wanted, patience=PATIENCE)
    try:
        at = 0
        for _, frame in scan.frames():
            while at < len(wanted) and wanted[at] < frame.first + len(frame.entries):
                entries[wanted[at]] = frame.entries[wanted[at] - frame.first]
                at += 1
    except OSError as error:
        raise Unavailable(f"the journal of {writer} cannot be read: {error}", hint="check its mode") from error
    if (scan.damage is not None and not scan.damage.is_torn) or any(index >= scan.proven for index in wanted):
        why = scan.damage.reason if scan.damage is not None else "it ends before an erased record"
        raise Untrusted(f"the journal of {writer} was tampered with: {why}", hint="run `watchkeeper journal verify`")
    return {
        "writer": writer,
        "key": verifier_key(origin, public),
        "checkpoint": scan.last_note.decode(),
        "entries": [
            {"index": index, "entry": _b64(entries[index]), "path": [_b64(one) for one in scan.tree.path(index)]}
            for index in wanted
        ],
    }


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
