"""Putting another form of a file in its place: written beside it, synced, read back and verified, then renamed.

Whatever moment a crash comes at, either form is there, whole; what is left of an unfinished one is removed at the next
turn. A reader that has the old file open reads on in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.core.files import sync_folder
from watchkeeper.events.journal.forms import closed
from watchkeeper.events.journal.forms.closed import BadClosing, Closing, Group
from watchkeeper.events.journal.forms.frame import Frame
from watchkeeper.events.journal.note import Signer
from watchkeeper.events.journal.segments import sync_file
from watchkeeper.events.journal.tree import Tree, leaf_hashes

_SUFFIX = ".rewritten"
Check = Callable[[Frame], None]
"""Looks at each group as it was read back. Raises when it is not what it should be."""
Pause = Callable[[], bool]
"""Called between two groups; True when it is time to stop."""


class Draft:
    """The other form of one file, as long as it is not in its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(path.name + _SUFFIX)
        self._handle = os.open(self._beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.groups: list[Group] = []

    def add(self, group: bytes) -> None:
        """Written and synced at once: small portions disturb the log's own syncs less than one large one."""
        _write(self._handle, group)
        sync_file(self._handle)
        self.groups.append(Group(len(group), sha256(group).digest()))

    def put_in_place(
        self, closing: Closing, signer: Signer, before: Tree, check: Check, pause: Pause = lambda: False
    ) -> int | None:
        """Finish, verify, replace; bytes of the new file, or `None` when told to stop before.

        Raises `Untrusted` when what was written does not verify.
        """
        _write(self._handle, closed.pack(closing, signer))
        sync_file(self._handle)
        if not self._verify(signer, before, check, pause):
            return None
        size = os.fstat(self._handle).st_size
        os.rename(self._beside, self._path)
        sync_folder(self._path.parent)
        return size

    def close(self) -> None:
        """Let go; an unfinished draft is removed."""
        os.close(self._handle)
        self._beside.unlink(missing_ok=True)

    def _verify(self, signer: Signer, before: Tree, check: Check, pause: Pause) -> bool:
        tree = before.copy()
        try:
            with self._beside.open("rb") as file:
                closing = closed.read(file, signer.origin, signer.public)
                file.seek(0)
                for group in closing.groups:
                    frame = closed.group_of(file.read(group.size), group, tree.size)
                    check(frame)
                    tree.extend(leaf_hashes(frame.entries))
                    if pause():
                        return False
            if tree.size != closing.size or tree.frontier() != closing.frontier:
                raise BadClosing("the entries do not lead to the closing's tree")
        except BadClosing as error:
            raise Untrusted(
                f"another form of {self._path.name} was not written as meant: {error}",
                hint="the file was left as it is; check memory and disk",
            ) from error
        return True


def remove_unfinished(folder: Path) -> None:
    """What a crash left of drafts. Raises `Unavailable`."""
    try:
        for path in folder.glob(f"*{_SUFFIX}"):
            path.unlink()
    except OSError as error:
        raise Unavailable(f"cannot tidy {folder}: {error.strerror}", hint="check its mode") from error


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
