"""The tiles of one log, kept up to it: what is shown is the newest checkpoint whose root the tiles lead to.

Never shows a checkpoint that its own tiles contradict. Tiles that do not fit the log any more are left as they are and
nothing is shown: one of the two was changed, and a person has to look.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.events.journal import note as notes
from watchkeeper.events.journal.forms.frame import Frame
from watchkeeper.events.journal.note import BadNote, origin_of, verifier_key
from watchkeeper.events.journal.tiles.follow import Follower
from watchkeeper.events.journal.tiles.layout import WIDTH, Tile
from watchkeeper.events.journal.tiles.pile import Pile
from watchkeeper.events.journal.verifying.verification import public_key_of

Progress = Callable[[str, int, int], None]
"""Called with (writer, records done, records in all)."""


class Shelf:
    """Caught up by one thread, read by others."""

    def __init__(self, data_dir: Path, writer: str, folder: Path | None = None) -> None:
        """The tiles lie in `folder`, by default `tiles/<writer>` of the data folder. Raises `Untrusted`."""
        self.writer = writer
        self.checkpoint = b""
        """The newest note that was checked; empty while there is none."""
        self.size = 0
        """What that note states."""
        public = public_key_of(data_dir, writer)
        self._public, self._origin = public, origin_of(writer, public)
        self.key = verifier_key(self._origin, public) + "\n"
        self._follower = Follower(data_dir, writer)
        self._pile = Pile(folder or data_dir / "tiles" / writer)

    def catch_up(self, progress: Progress | None = None) -> int:
        """Take in what was committed since; how many records the checkpoint covers now.

        Raises `Untrusted` when the log does not lead to its checkpoint, or not on from these tiles.
        """
        try:
            last = self._take_in(progress)
        except Unavailable:
            self._pile = Pile(self._pile.folder)  # what it has in memory may be half of it
            raise
        if last is None and self._pile.size:
            raise self._contradicted(f"the tiles cover {self._pile.size} records and the log has fewer")
        if last is not None and last.note and (last.first + len(last.entries) != self.size or not self.checkpoint):
            self._show(last)
        return self.size

    def _take_in(self, progress: Progress | None) -> Frame | None:
        """The log from the last record that the tiles have; its last commit."""
        last, total = None, self._follower.size() or 0
        for frame in self._follower.frames(max(0, self._pile.size - 1)):
            self._pile.extend(frame.entries[max(0, self._pile.size - frame.first) :])
            last = frame
            if progress is not None:
                progress(self.writer, self._pile.size, max(total, self._pile.size))
        return last

    def read(self, tile: Tile) -> bytes | None:
        """A tile's bytes; `None` when the checkpoint that is shown has no such tile."""
        end = (tile.number * WIDTH + tile.width) * WIDTH ** max(0, tile.level)
        return self._pile.read(tile) if end <= self.size else None

    def _show(self, frame: Frame) -> None:
        try:
            checkpoint, signed = notes.read(frame.note)
        except BadNote as error:
            raise self._contradicted(f"its checkpoint cannot be read: {error}") from error
        if not notes.is_valid(checkpoint, signed, self._origin, self._public):
            raise self._contradicted("its checkpoint is not signed by its key")
        if checkpoint.size != self._pile.size or checkpoint.root != self._pile.root():
            raise self._contradicted("the tiles do not lead to its checkpoint's root")
        self.checkpoint, self.size = frame.note, checkpoint.size

    def _contradicted(self, why: str) -> Untrusted:
        return Untrusted(
            f"the journal of {self.writer} and its tiles contradict each other: {why}",
            hint=f"run `watchkeeper journal verify`; if it is intact, keep {self._pile.folder} elsewhere and remove it",
        )
