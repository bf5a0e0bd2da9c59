"""Proofs that one record is in a log: made here, checked by anyone with `verifier.py` and a bare Python."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from watchkeeper.core.errors import NotFound, Unavailable, Untrusted
from watchkeeper.events.journal.forms.seal import BadBlock, Opener
from watchkeeper.events.journal.model import Position
from watchkeeper.events.journal.note import origin_of, verifier_key
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.journal.reading.scan import Progress, Scan
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.journal.verifying.verification import PATIENCE, public_key_of

FORMAT = "watchkeeper-proof/1"


def prove(data_dir: Path, event_id: str, progress: Progress | None = None) -> dict[str, Any]:
    """A proof, as JSON types, that the event's record is in its log at the latest checkpoint.

    Walks the whole log and checks it on the way. Raises `NotFound` when no readable record has the id, `Untrusted` when
    the log does not verify.
    """
    reader = JournalReader(data_dir)
    try:
        position = reader.find(event_id)
    finally:
        reader.close()
    if position is None:
        raise NotFound(
            f"no readable record has the id {event_id}",
            hint="look it up with `watchkeeper events search`; a record of an erased subject cannot be shown any more",
        )
    return prove_position(data_dir, position, progress)


def prove_position(data_dir: Path, position: Position, progress: Progress | None = None) -> dict[str, Any]:
    """The same, by position."""
    writer, index = position.writer, position.index
    public = public_key_of(data_dir, writer)
    origin = origin_of(writer, public)
    scan = Scan(data_dir / "journal" / writer, origin, public, watch=(index,), patience=PATIENCE)
    keys = SubjectKeys(data_dir)
    try:
        content = _content_at(scan, index, Opener(writer, keys), progress, writer)
    except OSError as error:
        raise Unavailable(f"the journal of {writer} cannot be read: {error}", hint="check its mode") from error
    finally:
        keys.close()
    if scan.damage is not None and not scan.damage.is_torn:
        raise Untrusted(
            f"the journal of {writer} was tampered with: {scan.damage.reason}",
            hint="run `watchkeeper journal verify` and keep the files as evidence",
        )
    if content is None or index >= scan.proven:
        raise NotFound(
            f"there is no readable record at {index} of {writer}", hint="it was erased, or retention removed it"
        )
    salt, record, entry = content
    return {
        "format": FORMAT,
        "writer": writer,
        "index": index,
        "record": record.decode(),
        "salt": _b64(salt),
        "entry": _b64(entry),
        "size": scan.tree.size,
        "path": [_b64(sibling) for sibling in scan.tree.path(index)],
        "checkpoint": scan.last_note.decode(),
        "key": verifier_key(origin, public),
    }


def _content_at(
    scan: Scan, index: int, opener: Opener, progress: Progress | None, writer: str
) -> tuple[bytes, bytes, bytes] | None:
    """(salt, record, entry) at `index`; walks to the end all the same."""
    found = None
    for _, frame in scan.frames():
        if frame.first <= index < frame.first + len(frame.entries):
            try:
                opened = opener.open(frame)[index - frame.first]
            except BadBlock as error:
                raise Untrusted(f"the journal of {writer} was tampered with: {error}") from error
            if opened is not None:
                found = (opened[0], opened[1], frame.entries[index - frame.first])
        if progress is not None:
            progress(writer, scan.bytes_read, scan.bytes_total)
    return found


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
