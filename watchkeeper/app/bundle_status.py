"""Which policies each gateway on a data folder has in force, asked over their control sockets; nothing is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watchkeeper.app.governing import STATUS
from watchkeeper.core import control
from watchkeeper.core.errors import NotFound, WatchkeeperError
from watchkeeper.core.files import socket_folder

PATIENCE = 3.0
"""Seconds to wait for one gateway."""


def policies_in_force(data_dir: Path) -> list[dict[str, Any]]:
    """One row for each gateway that lives; `trouble` says why it could not tell."""
    rows: list[dict[str, Any]] = []
    for path in sorted(socket_folder(data_dir).glob("gateway-*.sock")):
        try:
            rows.append({**control.ask(path, STATUS, timeout=PATIENCE), "trouble": ""})
        except (control.NoService, NotFound):  # a killed one's socket
            continue
        except WatchkeeperError as error:
            rows.append({"gateway": path.stem.removeprefix("gateway-"), "trouble": error.reason})
    return rows
