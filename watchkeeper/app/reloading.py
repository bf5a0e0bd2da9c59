"""Asking the gateway of a data folder to read its settings again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watchkeeper.app.settings import current_operator
from watchkeeper.core import control
from watchkeeper.core.errors import NotFound
from watchkeeper.core.files import socket_folder

PATIENCE = 90.0
"""Seconds to wait: every worker checks and builds the settings before one puts them in force."""


def ask_reload(data_dir: Path) -> dict[str, Any]:
    """What has changed, and what waits for a restart; one worker asks all.

    Raises what stands in the way, and then nothing has changed; `NotFound` when no gateway runs that could be asked.
    """
    for path in sorted(socket_folder(data_dir).glob("gateway-*.sock")):
        try:
            answer: dict[str, Any] = control.ask(path, "reload", {"by": current_operator()}, timeout=PATIENCE)
        except (control.NoService, NotFound):  # a killed one's socket, or a gateway that never reads its settings again
            continue
        return answer
    raise NotFound(
        f"no gateway runs on {data_dir}",
        hint="start it with `watchkeeper up` or `watchkeeper gateway`, or name the folder with --data",
    )
