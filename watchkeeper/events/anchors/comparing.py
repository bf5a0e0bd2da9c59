"""What copied checkpoints say of the logs as they are now: each must be the beginning of its log.

A copy that is signed by the log's key and does not fit is evidence: somebody with that key made two histories, or the
log was cut. A copy that is not signed by it is evidence of nothing. A place that does not answer says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from watchkeeper.core.errors import NotFound, Unavailable, WatchkeeperError
from watchkeeper.events.anchors.model import KEY, Compared, Contradiction, Copy, read_name
from watchkeeper.events.anchors.place import Place
from watchkeeper.events.journal import note as notes
from watchkeeper.events.journal.note import BadNote, origin_of, read_verifier_key, verifier_key
from watchkeeper.events.journal.reading.scan import Progress, Scan
from watchkeeper.events.journal.tree import Tree, leaf_hashes
from watchkeeper.events.journal.verifying.verification import PATIENCE, public_key_of

_MOST = 20
"""Contradictions told of one log and place: the first says it all."""


class History(msgspec.Struct, frozen=True):
    """A log's roots at the sizes that were asked for."""

    size: int
    roots: dict[int, bytes]
    first: int = 0
    """The first record whose hash is still there."""
    damage: str = ""


def compare(data_dir: Path, places: Sequence[Place], progress: Progress | None = None) -> list[Compared]:
    """Every log with every place, each log read once. Never raises for what it finds."""
    found: list[Compared] = []
    copies: dict[str, list[tuple[Place, list[Copy]]]] = {}
    local = _local(data_dir)
    for place in places:
        try:
            for writer in sorted({*place.writers(), *local}):
                kept = [copy for name in place.names(writer) if (copy := read_name(name)) is not None]
                copies.setdefault(writer, []).append((place, kept))
        except WatchkeeperError as error:
            found += [Compared(place=place.name, writer=writer, failure=error.reason) for writer in local]
            for kept_of in copies.values():
                kept_of[:] = [one for one in kept_of if one[0] is not place]
    for writer, by_place in sorted(copies.items()):
        found += _compare_log(data_dir, writer, by_place, progress, is_here=writer in local)
    return found


def history_of(data_dir: Path, writer: str, sizes: Sequence[int], progress: Progress | None = None) -> History:
    """Walk a log and check it on the way. Raises `Unavailable`, `Untrusted` when there is no key to check it with."""
    public = public_key_of(data_dir, writer)
    scan = Scan(data_dir / "journal" / writer, origin_of(writer, public), public, patience=PATIENCE)
    wanted, roots, first = sorted(set(sizes)), dict[int, bytes](), -1
    before = Tree()
    try:
        for _, frame in scan.frames():
            first = frame.first if first < 0 else first
            while wanted and wanted[0] <= scan.tree.size:
                size = wanted.pop(0)
                if size == scan.tree.size:
                    roots[size] = scan.tree.root()
                elif size >= frame.first and size > 0:  # a commit was split or joined since; the tree is the same
                    part = before.copy()
                    part.extend(leaf_hashes(frame.entries[: size - frame.first]))
                    roots[size] = part.root()
            before = scan.tree.copy()
            if progress is not None:
                progress(writer, scan.bytes_read, scan.bytes_total)
    except OSError as error:
        raise Unavailable(f"the journal of {writer} cannot be read: {error}", hint="check its mode") from error
    damage = scan.damage.reason if scan.damage is not None and not scan.damage.is_torn else ""
    return History(scan.proven, roots, max(first, 0), damage)


def _compare_log(
    data_dir: Path,
    writer: str,
    by_place: Sequence[tuple[Place, list[Copy]]],
    progress: Progress | None,
    *,
    is_here: bool,
) -> list[Compared]:
    sizes = [copy.size for _, copies in by_place for copy in copies]
    try:
        public = public_key_of(data_dir, writer) if is_here else b""
        history = history_of(data_dir, writer, sizes, progress) if is_here else History(0, {})
    except WatchkeeperError as error:
        return [Compared(place=place.name, writer=writer, failure=error.reason) for place, _ in by_place]
    return [_compare_place(place, writer, copies, history, public) for place, copies in by_place]


def _compare_place(place: Place, writer: str, copies: list[Copy], history: History, public: bytes) -> Compared:
    suspects = [(copy, why) for copy in copies if (why := _doubt(copy, history))]
    result = Compared(
        place=place.name,
        writer=writer,
        copies=len(copies),
        newest=max((copy.size for copy in copies), default=0),
        log=history.size,
        not_compared=sum(0 < copy.size <= history.first and copy.size not in history.roots for copy in copies),
    )
    try:
        key = _kept_key(place, writer)
        if key is not None and copies and key != public:
            reason = "the log is gone" if not public else "the log has another key than the one that was copied"
            suspects = [(max(copies), reason)]
        found, unreadable = [], 0
        for copy, reason in suspects[:_MOST]:
            note = _signed(place, writer, copy, key or public)
            if not note:
                unreadable += 1
                continue
            found.append(
                Contradiction(
                    place=place.name, writer=writer, size=copy.size, root=copy.root.hex(), reason=reason, note=note
                )
            )
    except WatchkeeperError as error:
        return msgspec.structs.replace(result, failure=error.reason)
    failure = f"the log is damaged: {history.damage}" if history.damage and not found else ""
    return msgspec.structs.replace(result, contradictions=tuple(found), unreadable=unreadable, failure=failure)


def _doubt(copy: Copy, history: History) -> str:
    if copy.size > history.size:
        return f"the log has {history.size} records and had {copy.size}: it was cut"
    if copy.size and copy.size <= history.first and copy.size not in history.roots:
        return ""
    if copy.size and history.roots.get(copy.size) != copy.root:
        return f"the first {copy.size} records are not those that were copied: the log was rewritten"
    return ""


def _signed(place: Place, writer: str, copy: Copy, public: bytes) -> str:
    """The copied note, if it is about what its name says and signed by the log's key; else empty."""
    try:
        data = place.get(writer, copy.name)
        checkpoint, signed = notes.read(data)
    except (BadNote, NotFound):
        return ""
    fits = (checkpoint.size, checkpoint.root) == (copy.size, copy.root)
    return data.decode() if fits and notes.is_valid(checkpoint, signed, origin_of(writer, public), public) else ""


def _kept_key(place: Place, writer: str) -> bytes | None:
    """The public key that lies beside the copies; `None` when there is none that could be this log's."""
    try:
        text = place.get(writer, KEY).decode("utf-8", "replace")
        name, public = read_verifier_key(text)
    except (NotFound, BadNote):
        return None
    return public if name == origin_of(writer, public) and text.strip() == verifier_key(name, public) else None


def _local(data_dir: Path) -> list[str]:
    try:
        return sorted(path.name for path in (data_dir / "journal").iterdir() if path.is_dir())
    except OSError:
        return []
