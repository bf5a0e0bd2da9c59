"""Sealing: a full file's commits joined into groups. The same records, salts, entries and tree, in fewer bytes.

Files are sealed in order, the oldest first: the tree before a file is in the closing of the one before it. The last
file is never touched: it is the one that is written. Of the checkpoints the last of each file is kept; any other that
was copied elsewhere is provable from the entries, which all stay.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.events.journal.forms import closed
from watchkeeper.events.journal.forms.closed import BadClosing, Closing, is_closed
from watchkeeper.events.journal.forms.frame import Frame
from watchkeeper.events.journal.forms.seal import HMAC_VERSION, BadBlock, Opener
from watchkeeper.events.journal.note import Signer
from watchkeeper.events.journal.reading.scan import Scan
from watchkeeper.events.journal.segments import Segment, segments_in
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.journal.tree import Tree
from watchkeeper.events.journal.upkeep.joining import Joiner
from watchkeeper.events.journal.upkeep.rewriting import Draft, Pause, remove_unfinished


class Premises(msgspec.Struct, frozen=True):
    """What upkeep needs of a log. The log is locked by this process."""

    folder: Path
    signer: Signer
    keys: SubjectKeys

    @property
    def writer(self) -> str:
        return self.folder.name


class Rewritten(msgspec.Struct, frozen=True):
    """What became of one file."""

    file: str
    first: int
    records: int
    before: int
    """Bytes."""
    after: int
    times: tuple[int, int]


def full_files(folder: Path) -> list[Segment]:
    """Those that nothing is appended to any more."""
    return segments_in(folder)[:-1]


def seal(premises: Premises, pause: Pause = lambda: False) -> Rewritten | None:
    """Seal the oldest full file that is not closed; `None` when there is none, or it was told to stop.

    Raises `Untrusted` when the file does not verify, `Unavailable` when the disk refuses. It is then left as it is.
    """
    remove_unfinished(premises.folder)
    tree = Tree()
    try:
        for segment in full_files(premises.folder):
            if is_closed(segment.path):
                with segment.path.open("rb") as file:
                    tree = closed.read(file, premises.signer.origin, premises.signer.public).tree()
                continue
            return _seal(premises, segment, tree, pause)
    except BadClosing as error:
        raise Untrusted(f"{premises.writer}: {error}", hint="run `watchkeeper journal verify`") from error
    except OSError as error:
        raise Unavailable(f"a file of {premises.writer} cannot be sealed: {error}", hint="check the disk") from error
    return None


def _seal(premises: Premises, segment: Segment, before: Tree, pause: Pause) -> Rewritten | None:
    scan = Scan(premises.folder, premises.signer.origin, premises.signer.public, every_signature=False)
    scan.tree = before.copy()
    joiner, draft = Joiner(premises.writer, premises.keys), Draft(segment.path)
    times: list[int] = []
    size = segment.path.stat().st_size
    try:
        for _, frame in scan.frames_in(segment):
            if frame.entries[0][:1] == HMAC_VERSION:
                return None  # the first logs' files stay as they are
            times += (frame.time, frame.last_time)
            joiner.add(frame)
            if joiner.is_full:
                draft.add(joiner.take())
                if pause():
                    return None
        if scan.damage or not times:
            reason = scan.damage.reason if scan.damage else "it is empty"
            raise Untrusted(
                f"{segment.path.name} of {premises.writer} was not sealed: {reason}",
                hint="run `watchkeeper journal verify`",
            )
        if not joiner.is_empty:
            draft.add(joiner.take())
        closing = Closing(
            form="sealed",
            first=segment.first,
            size=scan.tree.size,
            times=(times[0], times[-1]),
            event_times=joiner.event_times or (times[0], times[-1]),
            commits=scan.commits,
            written=size,
            frontier=scan.tree.frontier(),
            groups=tuple(draft.groups),
            checkpoint=scan.last_note.decode(),
        )
        opener = Opener(premises.writer, premises.keys)
        after = draft.put_in_place(closing, premises.signer, before, lambda frame: _check(opener, frame), pause)
        if after is None:
            return None
        return Rewritten(segment.path.name, segment.first, closing.count, size, after, closing.times)
    except BadBlock as error:
        raise Untrusted(
            f"{segment.path.name} of {premises.writer} was not sealed: {error}", hint="run `watchkeeper journal verify`"
        ) from error
    finally:
        draft.close()


def _check(opener: Opener, frame: Frame) -> None:
    opener.records(frame)  # each against its entry
