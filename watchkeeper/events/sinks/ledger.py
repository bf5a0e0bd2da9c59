"""What a sink remembers: how far it has come, what became of everything before, and what was put aside.

One small file, written whole, and one of dead letters, in `sinks/NAME/` of the data folder. Neither holds an event: the
journal is the queue, and what lies aside is told by its place there. So no second copy of anything is on disk, and what
is erased in the journal is erased here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.core.files import Lock, make_private_folder, write_private
from watchkeeper.events.sinks.model import Dead, Tally

_LONGEST = 64 << 20
_dead = msgspec.json.Decoder(Dead)


class State(msgspec.Struct, frozen=True):
    """Everything up to the cursor is dealt with, and counted."""

    v: int = 1
    cursor: Mapping[str, int] = {}
    """Log → next index."""
    last: Mapping[str, str] = {}
    """Log → id of the last event that was looked at, by which another journal is told from ours."""
    tally: Tally = Tally()
    last_sent_at: int = 0


class Ledger:
    """Of one sink. Safe for threads."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._folder = data_dir / "sinks" / name
        self._state_path = self._folder / "state.json"
        self._dead_path = self._folder / "dead.jsonl"
        self._guard = threading.Lock()
        self._name = name
        self._lock: Lock | None = None

    @property
    def folder(self) -> Path:
        return self._folder

    def acquire(self) -> None:
        """Be the one process that sends. Raises `Conflict` when another one does."""
        if self._lock is None:
            self._lock = Lock(make_private_folder(self._folder) / "lock").acquire(f"the sink {self._name}")

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def load(self) -> State | None:
        """None for a sink that never ran. Raises `Invalid` for a file that was damaged."""
        try:
            data = self._state_path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"cannot read {self._state_path}: {error.strerror}", hint="check its mode") from error
        try:
            return msgspec.json.decode(data, type=State)
        except msgspec.MsgspecError as error:
            raise Invalid(
                f"{self._state_path} was damaged", hint="remove it: the sink then begins as its `start` says"
            ) from error

    def save(self, state: State) -> None:
        """Durable when it returns. Raises `Unavailable`."""
        make_private_folder(self._folder)
        write_private(self._state_path, msgspec.json.encode(state))

    def put_aside(self, dead: Sequence[Dead]) -> None:
        """Durable when it returns; one that lies there already lies there once. Raises `Unavailable`."""
        with self._guard:
            known = {(one.writer, one.index) for one in self._read()}
            lines = [msgspec.json.encode(one) + b"\n" for one in dead if (one.writer, one.index) not in known]
            make_private_folder(self._folder)
            try:
                handle = os.open(self._dead_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                with os.fdopen(handle, "ab") as file:
                    file.write(b"".join(lines))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise Unavailable(
                    f"cannot write {self._dead_path}: {error.strerror}", hint="check its folder and the disk"
                ) from error

    def dead(self) -> list[Dead]:
        """What lies aside, in the order in which it was put there."""
        with self._guard:
            return self._read()

    def take_back(self, done: Sequence[Dead]) -> None:
        """These lie aside no more. Raises `Unavailable`."""
        places = {(one.writer, one.index) for one in done}
        with self._guard:
            left = [one for one in self._read() if (one.writer, one.index) not in places]
            write_private(self._dead_path, b"".join(msgspec.json.encode(one) + b"\n" for one in left))

    def _read(self) -> list[Dead]:
        try:
            if self._dead_path.stat().st_size > _LONGEST:
                raise Unavailable(f"{self._dead_path} is too long to read", hint="replay it in parts, or remove it")
            lines = self._dead_path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"cannot read {self._dead_path}: {error.strerror}", hint="check its mode") from error
        found: dict[tuple[str, int], Dead] = {}
        for line in lines:
            try:
                one = _dead.decode(line)
            except msgspec.MsgspecError:
                continue  # the last line of a crash: its event is put aside anew, the cursor stands before it
            found[(one.writer, one.index)] = one
        return list(found.values())
