"""The bundle that a host put in force last, on its own disk: what it goes on with when the control state is gone.

Only a copy: whoever reads it proves it by the trusted keys of the settings, as if it had come over the network.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.gateway.bundles.model import Order

FILE = "in-force.json"


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stamp: int
    envelope: str


def keep(data_dir: Path, order: Order) -> None:
    """Raises `Unavailable` when it cannot be written."""
    folder = make_private_folder(data_dir / "policy")
    write_private(folder / FILE, msgspec.json.encode(_Kept(order.stamp, order.envelope.decode())))


def kept(data_dir: Path) -> Order | None:
    """What was kept; None where nothing was. Raises `Untrusted` when it cannot be read as such."""
    path = data_dir / "policy" / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}", hint="check its owner and mode") from error
    except msgspec.MsgspecError as error:
        raise Untrusted(f"{path} was changed", hint="look who did; then remove it, and install the bundle") from error
    return Order(found.stamp, found.envelope.encode())
