"""One log on disk: recovered on open, then one commit after another. Synchronous, for one thread.

`writer` gives it to many. A commit is: seal, hash, sign, write, sync. It is durable when `commit` returns and has
left nothing behind when it raises.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Invalid, Unavailable, Untrusted, WatchkeeperError
from watchkeeper.core.files import Lock, make_private_folder, write_private
from watchkeeper.core.keys import SigningKey
from watchkeeper.events.journal import note as notes
from watchkeeper.events.journal.forms import frame as frames
from watchkeeper.events.journal.forms.closed import is_closed
from watchkeeper.events.journal.forms.seal import Pending, Sealer
from watchkeeper.events.journal.mark import DurableMark
from watchkeeper.events.journal.model import JournalSettings
from watchkeeper.events.journal.note import Signer
from watchkeeper.events.journal.reading.scan import Damage, Scan
from watchkeeper.events.journal.segments import SegmentWriter, segments_in, sync_file
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.journal.tree import Tree, leaf_hashes

_WRITER = re.compile(r"[a-z][a-z0-9-]{0,31}")
LATEST = "latest.note"
"""A copy of a late checkpoint beside the log. A convenience; whoever can cut the log can cut this too."""
PUBLIC = "public.vkey"
_log = logging.getLogger(__name__)


class Recovered(msgspec.Struct, frozen=True):
    """What `Log.open` found."""

    size: int
    dropped: int = 0
    """Bytes of a torn tail."""
    kept: str = ""
    """The file that has them now."""
    missing: int = 0
    """Records that the last copied checkpoint covered and the log no longer has."""


class Log:
    """The log of one writer."""

    def __init__(self, folder: Path, lock: Lock, signer: Signer, keys: SubjectKeys, clock: Clock) -> None:
        """Use `open`."""
        self._folder = folder
        self._lock = lock
        self._signer = signer
        self._keys = keys
        self._clock = clock
        self._sealer = Sealer(folder.name, keys)
        self._tree = Tree()
        self._note = b""
        self._segments = SegmentWriter(folder, 0)
        self._mark = DurableMark.at(folder.parent.parent, folder.name)
        self.recovered = Recovered(0)

    @classmethod
    def open(cls, data_dir: Path, writer: str, clock: Clock, settings: JournalSettings) -> Log:
        """Lock, load or make the key, recover. Raises `Conflict` when another process has it, `Untrusted` when the log
        was tampered with or its key is missing, `Invalid` for a name that is none."""
        if not _WRITER.fullmatch(writer):
            raise Invalid(f"no name for a writer: {writer!r}", hint="lower-case letters, digits and hyphens")
        folder = make_private_folder(data_dir / "journal" / writer)
        with ExitStack() as undo:
            lock = undo.enter_context(Lock(folder / "lock").acquire(f"the journal of {writer}"))
            try:
                signer = Signer(writer, _load_key(data_dir, writer, folder))
                log = cls(folder, lock, signer, SubjectKeys(data_dir, create=True), clock)
                undo.callback(log._let_go)
                log._recover(settings)
            except OSError as error:
                raise Unavailable(f"cannot open the journal of {writer}: {error}", hint="check the disk") from error
            undo.pop_all()
        return log

    @property
    def size(self) -> int:
        """How many records are durable."""
        return self._tree.size

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def signer(self) -> Signer:
        return self._signer

    @property
    def keys(self) -> SubjectKeys:
        return self._keys

    def commit(self, batch: Sequence[Pending]) -> None:
        """Make these records durable, in this order. Raises `Unavailable`; `NotWritten.is_final`: for good."""
        first, now = self._tree.size, self._clock.now()
        entries, blocks = self._sealer.seal(first, batch, now)
        tree = self._tree.copy()
        tree.extend(leaf_hashes(entries))
        body = frames.pack_body(first, now, entries, blocks)
        note = self._signer.sign(tree.size, tree.root(), sha256(body).digest())
        rotated = self._segments.append(frames.pack(body, note), first)
        self._tree, self._note = tree, note
        self._mark.set(tree.size)
        if rotated:
            self._copy_checkpoint()

    def close(self) -> None:
        """Let go of the files and the lock."""
        self._copy_checkpoint()
        self._let_go()

    def _let_go(self) -> None:
        self._segments.close()
        self._mark.close()
        self._keys.close()
        self._lock.close()

    def _recover(self, settings: JournalSettings) -> None:
        scan = Scan(self._folder, self._signer.origin, self._signer.public, every_signature=False, trust_closed=True)
        for _ in scan.frames():
            pass
        damage = scan.damage
        if damage and not damage.is_torn:
            raise Untrusted(
                f"the journal of {self._folder.name} was tampered with: {damage.reason}"
                f" ({damage.path.name}, byte {damage.offset})",
                hint="keep the files as evidence; see `watchkeeper journal verify` and docs/concepts/journal.md",
            )
        kept, dropped = _set_aside(damage, scan.tree.size) if damage else ("", 0)
        copied = copied_checkpoint(self._folder, self._signer.origin, self._signer.public)
        self._tree, self._note = scan.tree, scan.last_note
        end = scan.end if scan.end and not is_closed(scan.end.path) else None  # a closed file is never appended to
        self._segments = SegmentWriter(
            self._folder, settings.segment_bytes, end.path if end else None, end.offset if end else 0
        )
        self.recovered = Recovered(self._tree.size, dropped, kept, max(0, copied - self._tree.size))
        if self.recovered.missing:
            self._mark.say_cut(self._tree.size, self._clock.now())
        self._mark.set(self._tree.size)

    def _copy_checkpoint(self) -> None:
        try:
            if self._note:
                write_private(self._folder / LATEST, self._note)
        except WatchkeeperError:
            _log.warning("the latest checkpoint could not be copied", extra={"writer": self._folder.name})


def copied_checkpoint(folder: Path, origin: str, public: bytes) -> int:
    """The size that the copied checkpoint states, 0 without one. Raises `Untrusted` when it is not the log's own."""
    try:
        checkpoint, signed = notes.read((folder / LATEST).read_bytes())
    except FileNotFoundError:
        return 0
    except notes.BadNote as error:
        raise Untrusted(f"{folder / LATEST} is no checkpoint: {error}", hint="keep the files as evidence") from error
    if not notes.is_valid(checkpoint, signed, origin, public):
        raise Untrusted(f"{folder / LATEST} is not signed by the log's key", hint="keep the files as evidence")
    return checkpoint.size


def _load_key(data_dir: Path, writer: str, folder: Path) -> SigningKey:
    path = data_dir / "keys" / f"journal-{writer}.pem"
    if not path.exists() and segments_in(folder):
        raise Untrusted(f"the signing key of the journal of {writer} is missing", hint=f"restore {path} from a backup")
    key = SigningKey.load_or_create(path)
    name = notes.origin_of(writer, key.public)
    public = folder / PUBLIC
    text = notes.verifier_key(name, key.public) + "\n"
    if not public.exists():
        write_private(public, text.encode())
    elif public.read_bytes() != text.encode():
        raise Untrusted(f"{public} is not the public half of {path}", hint=f"restore {path} from a backup")
    return key


def _set_aside(damage: Damage, size: int) -> tuple[str, int]:
    """Keep a torn tail's bytes in a file of their own, durably, then cut them off."""
    with damage.path.open("r+b") as file:
        file.seek(damage.offset)
        tail = file.read()
        name = f"dropped-{size}-{sha256(tail).hexdigest()[:16]}.tail"
        write_private(damage.path.parent / name, tail)
        os.ftruncate(file.fileno(), damage.offset)
        sync_file(file.fileno())
    return name, len(tail)
