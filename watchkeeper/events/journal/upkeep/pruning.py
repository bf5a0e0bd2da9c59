"""Pruning: a sealed file loses its records and salts. Its entries stay, 32 bytes each, and with them every proof.

What stays provable: each record that is kept; each proof that was exported before, against its own checkpoint; that
every checkpoint ever signed, wherever it was copied, is of the same tree that the log has now.
"""

from __future__ import annotations

import msgspec

from watchkeeper.core.errors import Conflict, Unavailable, Untrusted
from watchkeeper.events.journal.forms import closed
from watchkeeper.events.journal.forms.closed import BadClosing, Closing
from watchkeeper.events.journal.forms.frame import Frame, pack_group
from watchkeeper.events.journal.segments import Segment, segments_in
from watchkeeper.events.journal.tree import Tree, leaf_hashes
from watchkeeper.events.journal.upkeep.rewriting import Draft, Pause, remove_unfinished
from watchkeeper.events.journal.upkeep.sealing import Premises, Rewritten


def prune(premises: Premises, file: str, pause: Pause = lambda: False) -> Rewritten | None:
    """Remove the records of one sealed file; `None` when told to stop.

    Raises `Conflict` when it is not a sealed file of this log, `Untrusted` when it does not verify, `Unavailable` when
    the disk refuses. It is then left as it is.
    """
    remove_unfinished(premises.folder)
    found = [segment for segment in segments_in(premises.folder) if segment.path.name == file]
    try:
        for segment in found:
            with segment.path.open("rb") as handle:
                closing = closed.read(handle, premises.signer.origin, premises.signer.public)
            if closing.form == "sealed":
                return _prune(premises, segment, closing, pause)
    except BadClosing as error:
        raise Untrusted(f"{premises.writer}: {error}", hint="run `watchkeeper journal verify`") from error
    except OSError as error:
        raise Unavailable(f"{file} of {premises.writer} cannot be pruned: {error}", hint="check the disk") from error
    raise Conflict(f"{file} is no sealed file of {premises.writer}", hint="see `watchkeeper journal status`")


def _prune(premises: Premises, segment: Segment, closing: Closing, pause: Pause) -> Rewritten | None:
    size = segment.path.stat().st_size
    leaves: list[bytes] = []
    draft = Draft(segment.path)
    try:
        with segment.path.open("rb") as file:
            for group in closing.groups:
                frame = closed.group_of(file.read(group.size), group, closing.first + len(leaves))
                leaves += leaf_hashes(frame.entries)
                times = (frame.time, frame.last_time)
                draft.add(pack_group(frame.first, times, frame.entries, [], is_emptied=True))
                if pause():
                    return None
        before = _tree_before(premises, segment)
        tree = before.copy()
        tree.extend(leaves)
        if tree.frontier() != closing.frontier:
            raise BadClosing(f"the entries of {segment.path.name} do not lead to its closing's tree")
        pruned = msgspec.structs.replace(closing, form="pruned", groups=tuple(draft.groups))
        after = draft.put_in_place(pruned, premises.signer, before, _is_empty, pause)
        if after is None:
            return None
        return Rewritten(segment.path.name, segment.first, closing.count, size, after, closing.times)
    finally:
        draft.close()


def _tree_before(premises: Premises, segment: Segment) -> Tree:
    earlier = [other for other in segments_in(premises.folder) if other.first < segment.first]
    if not earlier:
        return Tree()
    with earlier[-1].path.open("rb") as file:  # files are closed in order
        return closed.read(file, premises.signer.origin, premises.signer.public).tree()


def _is_empty(frame: Frame) -> None:
    if not frame.is_emptied or frame.blocks:
        raise BadClosing("a group still has records")
