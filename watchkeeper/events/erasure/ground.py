"""What is under way, kept over a crash: one file for each erasure, gone with the name in it once it is done."""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.core.files import make_private_folder, sync_folder, write_private
from watchkeeper.events.erasure.model import Pending


class Underway:
    """The erasures that a data folder is in the middle of."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "erasing"

    def all(self) -> tuple[Pending, ...]:
        """Oldest first. Raises `Untrusted` when one cannot be read: somebody must look before more is erased."""
        try:
            paths = sorted(self.folder.glob("*.json"))
            found = [msgspec.json.decode(path.read_bytes(), type=Pending) for path in paths]
        except OSError as error:
            raise Unavailable(f"cannot read {self.folder}: {error.strerror}", hint="check its mode") from error
        except msgspec.MsgspecError as error:
            raise Untrusted(f"an erasure under way cannot be read: {error}", hint=f"look at {self.folder}") from error
        return tuple(sorted(found, key=lambda one: one.at))

    def put(self, pending: Pending) -> None:
        """Durable on return."""
        make_private_folder(self.folder)
        write_private(self.folder / f"{pending.id}.json", msgspec.json.encode(pending))

    def done(self, pending: Pending) -> None:
        """Forget it, and the name in it."""
        (self.folder / f"{pending.id}.json").unlink(missing_ok=True)
        sync_folder(self.folder)
