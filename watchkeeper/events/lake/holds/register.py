"""The register of legal holds: one small file beside the lake, and a copy of it beside the journal's keys.

Everyone who deletes events asks first: `Holds(data_dir).covering(tenant=…, actor=…, …)` returns the holds in force that
may cover an event of that description. What is left out is taken to be anything, so a question that says less finds
more. One that cannot be answered raises, and then nothing may be deleted.

A hold must not vanish with a file: the lake can be filled again, so somebody may remove its folder. Each change counts
the revision up, in the register first and then in the copy. A register that is gone, older than the copy or other than
it does not tell what is in force; `restore` brings the holds back from both. A register that is newer is believed: a
crash between the two writes leaves that. The journal has `lake.hold.placed`, `.lifted` and `.restored`, which the
callers record; placing writes the register before it is recorded and lifting after: a crash leaves a hold in force.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Conflict, NotFound, Unavailable, Untrusted, WatchkeeperError
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.events.lake.holds.model import Hold, check, may_meet

_RESTORE = "nothing is deleted until `watchkeeper lake hold restore` has put the holds in force again"


class _Register(msgspec.Struct, frozen=True):
    v: int = 1
    holds: tuple[Hold, ...] = ()
    revision: int = 0
    """Counts the changes; 0 before there was a copy."""


class Holds:
    """The holds of a data folder; safe to use from several processes."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lake" / "holds.json"
        self._copy = data_dir / "keys" / "holds.json"

    def in_force(self) -> tuple[Hold, ...]:
        """Every hold, by name.

        Raises `Untrusted` when the register is damaged, gone, or not what was written last, and `Unavailable` when it
        cannot be read.
        """
        return self._known().holds

    def doubt(self) -> str:
        """Why nobody knows what is held, so that nothing is deleted; empty while it is known."""
        try:
            self.in_force()
        except WatchkeeperError as error:
            return error.reason
        return ""

    def covering(
        self,
        *,
        tenant: str | None = None,
        actor: str | None = None,
        server: str | None = None,
        incident: str | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> tuple[Hold, ...]:
        """The holds that may cover an event of this description; `None` is anything. Raises as `in_force` does.

        Whoever deletes asks this first, and deletes nothing for which it is not empty.
        """
        asked = {"tenant": tenant, "actor": actor, "server": server, "incident": incident}
        return tuple(hold for hold in self.in_force() if may_meet(hold.scope, asked, since, until))

    def place(self, hold: Hold) -> None:
        """Put a hold in force. Raises `Invalid`, or `Conflict` when its name is taken."""
        check(hold)
        with self._changing():
            known = self._known()
            if any(other.name == hold.name for other in known.holds):
                raise Conflict(f"there is a hold named {hold.name}", hint="choose another name, or lift that one first")
            self._write((*known.holds, hold), known.revision)

    def get(self, name: str) -> Hold:
        """The hold of this name. Raises `NotFound`."""
        for hold in self.in_force():
            if hold.name == name:
                return hold
        raise NotFound(f"no hold is named {name}", hint="`watchkeeper lake hold list` has those in force")

    def lift(self, name: str) -> Hold:
        """End a hold and return it. Raises `NotFound`."""
        with self._changing():
            known, found = self._known(), self.get(name)
            self._write(tuple(hold for hold in known.holds if hold.name != name), known.revision)
        return found

    def restore(self) -> tuple[Hold, ...]:
        """Put in force what the register or its copy names, in doubt too much; returns it. A damaged one is set aside.

        Raises `NotFound` when neither can be read: then the holds must be placed again.
        """
        with self._changing():
            found: dict[str, Hold] = {}
            revisions = []
            for path in (self._path, self._copy):  # the same name in both: the copy's
                try:
                    there = _read(path)
                except Untrusted:
                    away = make_private_folder(self._path.parent / "damaged")
                    path.replace(away / f"{path.parent.name}-{path.name}")
                    continue
                if there is not None:
                    found |= {hold.name: hold for hold in there.holds}
                    revisions.append(there.revision)
            if not revisions:
                raise NotFound(
                    "neither the register of legal holds nor its copy can be read",
                    hint="`watchkeeper events search --kind lake.hold --since 3650d` has every hold that was placed",
                )
            self._write(tuple(found.values()), max(revisions))
        return self.in_force()

    def settle(self) -> None:
        """Bring the copy up to a register that is newer, or had none. Raises as `in_force` does."""
        with self._changing():
            known, copy = self._known(), _read(self._copy)
            if known != copy and known != _Register():
                self._write_copy(known)

    def _known(self) -> _Register:
        copy = _read(self._copy)  # first: what a change adds meanwhile makes the register newer, and not older
        register = _read(self._path)
        if copy is None:
            return register or _Register()
        if register is None:
            if copy.holds:
                raise Untrusted(f"the register of legal holds is gone: {self._path}", hint=_RESTORE)
            return copy
        if register.revision < copy.revision:
            raise Untrusted(
                f"the register of legal holds is older than what was written last: revision {register.revision},"
                f" not {copy.revision}",
                hint=_RESTORE,
            )
        if register.revision == copy.revision and register.holds != copy.holds:
            raise Untrusted("the register of legal holds is not what was written", hint=_RESTORE)
        return register

    def _write(self, holds: tuple[Hold, ...], before: int) -> None:
        register = _Register(holds=tuple(sorted(holds, key=lambda hold: hold.name)), revision=before + 1)
        write_private(self._path, msgspec.json.encode(register))
        self._write_copy(register)

    def _write_copy(self, register: _Register) -> None:
        make_private_folder(self._copy.parent)
        write_private(self._copy, msgspec.json.encode(register))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One process at a time changes the register; the others wait."""
        make_private_folder(self._path.parent)
        handle = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _read(path: Path) -> _Register | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Register, strict=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"the legal holds cannot be read: {error.strerror}", hint="check its mode") from error
    except msgspec.MsgspecError as error:
        raise Untrusted(f"the register of legal holds is damaged: {path}: {error}", hint=_RESTORE) from error
