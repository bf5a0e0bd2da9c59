"""Where evidence is kept until there is a room for it: files named by their content, with their digest in the journal.

Small on purpose: custody, signing, timestamps and exports belong to a room of their own, which takes this port over.

1. An object is named by the SHA-256 of its bytes, is readable by its owner alone, and is on disk before its event is.
2. One key keeps one object: asked again, after whoever asked was killed, the first one stays, and so does its event.
3. What it says is proven by reading both again: the bytes from the disk, the digest from the journal.
4. A secret is kept only as an HMAC under a key of this folder: two that are alike can be seen to be, and no more.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Any, Self

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Conflict, NotFound, Unavailable
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.core.ids import derived_id
from watchkeeper.events import JournalReader
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.gateway.orders import Fence
from watchkeeper.respond.ports import Asking, Checked, Kept, Recorder

KEPT = "respond.evidence.kept"
_ALGORITHM = "sha256:"
_MAX_OBJECT = 32 * 1024 * 1024


class Vault:
    """One data folder's. Blocking; safe for threads and processes."""

    def __init__(self, data_dir: Path, recorder: Recorder, reader: JournalReader, clock: Clock) -> None:
        self._folder = data_dir / "evidence"
        self._recorder = recorder
        self._reader = reader
        self._clock = clock

    def fenced(self, fence: Fence) -> Self:
        """Itself: keeping evidence twice harms nobody, and the key makes it once."""
        return self

    def keep(self, subject: str, content: dict[str, Any], asking: Asking) -> Kept:
        """Keep it, or find what was kept under this key. Raises `Unavailable` when it cannot be stored or recorded."""
        kept = self._find(asking.key)
        if kept is None:
            data = msgspec.json.encode(content, order="sorted")
            if len(data) > _MAX_OBJECT:
                raise Unavailable(f"{len(data)} bytes of evidence are more than this keeps", hint="keep less at once")
            kept = Kept(_ALGORITHM + hashlib.sha256(data).hexdigest(), len(data), subject, self._clock.now())
            self._write(self._path(kept.digest), data)
            self._write(self._key(asking.key), msgspec.json.encode(kept))
            kept = self._find(asking.key) or kept  # another process may have been first
        self._record(kept, asking)
        return kept

    def read(self, digest: str) -> bytes:
        """An object's bytes. Raises `NotFound`."""
        try:
            return self._path(digest).read_bytes()
        except OSError as error:
            raise NotFound(f"there is no evidence {digest}", hint="look into the data folder's evidence") from error

    def check(self, key: str) -> Checked:
        """Whether what was kept under a key is what the journal says, both read anew."""
        kept = self._find(key)
        if kept is None:
            return Checked(False, reason="nothing was kept under this key")
        said = self._said(key)
        try:
            is_digest = _ALGORITHM + hashlib.sha256(self.read(kept.digest)).hexdigest()
        except NotFound as error:
            return Checked(False, kept.digest, said, error.reason)
        if not said:
            return Checked(False, is_digest, said, "the journal does not have it")
        return Checked(is_digest == said, is_digest, said, "" if is_digest == said else "the object was changed")

    def seal(self, secret: str) -> str:
        """A secret's HMAC: the same for the same secret in this folder, and nothing else."""
        return "hmac:" + hmac.new(self._sealing_key(), secret.encode("utf-8", "surrogatepass"), "sha256").hexdigest()

    def _record(self, kept: Kept, asking: Asking) -> None:
        event_id = derived_id(KEPT, asking.key)
        if self._reader.find(event_id) is not None:
            return
        event = Event(
            v=VERSION,
            id=event_id,
            time=self._clock.now(),
            kind=KEPT,
            actor=asking.by,
            target=kept.subject,
            outcome="success",
            severity=Severity.MEDIUM,
            body={
                "digest": kept.digest,
                "size": kept.size,
                "taken_at": kept.taken_at,
                "incident": asking.incident,
                "reason": asking.reason,
            },
        )
        self._recorder.wait(self._recorder.append(event))

    def _said(self, key: str) -> str:
        """The digest that the journal has; empty without one."""
        at = self._reader.find(derived_id(KEPT, key))
        if at is None:
            return ""
        cursor = {writer: self._reader.durable(writer) or 0 for writer in self._reader.writers()}
        records = self._reader.read(cursor | {at.writer: at.index}, limit=1)
        event = records[0].event if records else None
        return str(event.body.get("digest", "")) if event is not None else ""

    def _find(self, key: str) -> Kept | None:
        try:
            return msgspec.json.decode(self._key(key).read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise Unavailable(f"the note of evidence cannot be read: {error}", hint="look at the disk") from error

    def _path(self, digest: str) -> Path:
        name = digest.removeprefix(_ALGORITHM)
        if len(name) != 64 or not name.isalnum():
            raise NotFound(f"{digest!r} names no evidence", hint="it is sha256: and 64 digits")
        return self._folder / "objects" / name[:2] / name

    def _key(self, key: str) -> Path:
        return self._folder / "keys" / hashlib.sha256(key.encode()).hexdigest()

    def _sealing_key(self) -> bytes:
        path = self._folder / "seal.key"
        if not path.exists():
            self._write(path, secrets.token_bytes(32))
        return path.read_bytes()

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        """Once: what is there stays."""
        make_private_folder(path.parent)
        try:
            write_private(path, data, exclusive=True)
        except Conflict:
            return
