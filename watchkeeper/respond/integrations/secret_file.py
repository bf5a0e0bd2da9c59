"""A secret in a file, rotated: a new one of 256 bits takes its place at once, the old one lies beside it until the new
one is proven. Whether it is taken is asked of `url`, as a bearer token; without one the file is all there is to see.

Files beside it, all of mode 0600: `.new` (made, not in place yet), `.old` (kept until withdrawn), `.rotation` (which
rotation is under way or was the last; it holds no secret). Killed anywhere, the same key goes on from there.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Conflict, Misconfigured, Unavailable
from watchkeeper.core.files import sync_folder, write_private
from watchkeeper.core.secrets import Secret
from watchkeeper.respond.errands import NotTaken, Rejected
from watchkeeper.respond.integrations.interface import Ground
from watchkeeper.respond.integrations.rotation import fingerprint
from watchkeeper.respond.integrations.settings import IntegrationSettings
from watchkeeper.respond.integrations.wire import Wire
from watchkeeper.respond.ports import Rotation

_LARGEST = 65_536
STAGED, DONE = "staged", "done"


class _Under(msgspec.Struct, frozen=True):
    """The last rotation."""

    key: str
    new: str
    old: str
    state: str


class SecretFile:
    """`SecretKeeper` of one file."""

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground) -> None:
        where = f"respond.integrations.{name}"
        self._path = Path(settings.path)
        if not settings.path or not self._path.is_absolute() or not self._path.is_file() or self._path.is_symlink():
            raise Misconfigured(f"{where}.path: there is no such file", hint="name the file itself, from the root on")
        self._where, self._settings, self._ground = where, settings, ground
        self._url = settings.url and Wire(where, settings, ground, []).check("url", settings.url)
        self._new, self._old, self._minutes = (
            self._path.with_name(f"{self._path.name}.{suffix}") for suffix in ("new", "old", "rotation")
        )

    def stage(self, key: str) -> Rotation:
        under = self._under()
        if under is not None and under.key == key and under.state == DONE:
            return Rotation(new=under.new, old=under.old)
        if under is not None and under.key != key and under.state == STAGED:
            raise Conflict(f"another rotation of {self._path.name} is under way", hint="let it end, or restore it")
        if under is None or under.key != key:
            old, new = _read(self._path), secrets.token_urlsafe(32)
            write_private(self._new, new.encode())
            write_private(self._old, old.encode())
            under = _Under(key, fingerprint(new), fingerprint(old), STAGED)
            self._note(under)
        if self._new.exists():
            self._new.replace(self._path)
            sync_folder(self._path.parent)
        return Rotation(new=under.new, old=under.old)

    def works(self, fingerprint: str) -> bool:
        current = _read(self._path)
        if not _is(current, fingerprint):
            return False
        return self._is_taken(current)

    def withdraw(self, key: str) -> None:
        under = self._under()
        if under is None or under.key != key or under.state == DONE:
            return
        if self._old.exists():
            old = _read(self._old)
            if self._url and self._is_taken(old):
                raise Unavailable(
                    "the old secret is still taken where it is used", hint="end it there; this is retried"
                )
            self._end(self._old)
        self._note(msgspec.structs.replace(under, state=DONE))

    def restore(self, key: str) -> None:
        under = self._under()
        if under is None or under.key != key or under.state == DONE:
            return
        if self._old.exists():
            self._old.replace(self._path)
        self._end(self._new)
        self._end(self._minutes)

    def _is_taken(self, secret: str) -> bool:
        """By whoever is asked; what is no clear yes or no raises `Unavailable`."""
        if not self._url:
            return True
        wire = Wire(self._where, self._settings, self._ground, [Secret(secret)])
        try:
            wire.send("GET", self._url, headers={"Authorization": f"Bearer {secret}"})
        except NotTaken:
            raise
        except Rejected as error:
            if error.status in (401, 403):
                return False
            raise Unavailable(f"it is not known whether the secret is taken: {error.reason}") from error
        return True

    def _under(self) -> _Under | None:
        if not self._minutes.exists():
            return None
        try:
            return msgspec.json.decode(self._minutes.read_bytes(), type=_Under)
        except (OSError, msgspec.MsgspecError) as error:
            raise Unavailable(
                f"{self._minutes} cannot be read", hint="look at it; a rotation may be half done"
            ) from error

    def _note(self, under: _Under) -> None:
        write_private(self._minutes, msgspec.json.encode(under))

    def _end(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > _LARGEST:
            raise Unavailable(f"{path.name} holds more than a secret")
        return data.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"{path} cannot be read as a secret") from error


def _is(secret: str, name: str) -> bool:
    return secrets.compare_digest(fingerprint(secret), name)
