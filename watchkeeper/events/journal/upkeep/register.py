"""Who reads the journal for good and how far each has come: one small file a reader, written by it, read by upkeep.

Retention removes nothing that a registered reader has not passed. A cursor that is older than the truth keeps records
longer, never shorter, so it need not be synced. A file that cannot be read keeps everything.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.core.files import make_private_folder, write_private

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_EVERY = 5.0
"""Seconds between two writes of one reader."""


class Register:
    """The readers of a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "readers"
        self._noted: dict[str, float] = {}

    def note(self, name: str, cursor: Mapping[str, int]) -> None:
        """`name` has durably dealt with everything before `cursor`. Its first call registers it; most do nothing."""
        now = time.monotonic()
        if now - self._noted.get(name, -_EVERY) < _EVERY:
            return
        write_private(make_private_folder(self._folder) / f"{_checked(name)}.json", msgspec.json.encode(dict(cursor)))
        self._noted[name] = now

    def forget(self, name: str) -> None:
        """That reader is no more; nothing is kept for it."""
        (self._folder / f"{_checked(name)}.json").unlink(missing_ok=True)
        self._noted.pop(name, None)

    def names(self) -> set[str]:
        """Everyone who is registered."""
        return {path.stem for path in self._folder.glob("*.json")}

    def cursors(self, writer: str) -> dict[str, int]:
        """The first index of this log that each reader has not passed. Raises `Unavailable` when one cannot be read."""
        found: dict[str, int] = {}
        if not self._folder.is_dir():
            return found
        for path in sorted(self._folder.glob("*.json")):
            try:
                found[path.stem] = msgspec.json.decode(path.read_bytes(), type=dict[str, int]).get(writer, 0)
            except (OSError, msgspec.MsgspecError) as error:
                raise Unavailable(
                    f"how far {path.stem} has read is not known: {error}", hint=f"mend or remove {path}"
                ) from error
        return found


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Invalid(f"no name for a reader: {name!r}", hint="lower-case letters, digits, dots and hyphens")
    return name
