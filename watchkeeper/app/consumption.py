"""Limits as running gateways see them, asked over their control sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watchkeeper.core import control
from watchkeeper.core.errors import NotFound
from watchkeeper.core.files import socket_folder

PATIENCE = 3.0
"""Seconds to wait for one gateway."""


def show(data_dir: Path) -> list[dict[str, Any]]:
    """Every counter in use, of every gateway on the folder; the fullest first. Raises `NotFound` where none runs."""
    rows = [row for said in _ask(data_dir, "limits.show", {}) for row in said["rows"]]
    return sorted(rows, key=lambda row: -row["share"])


def check(data_dir: Path, **caller: Any) -> list[dict[str, Any]]:
    """For each limit whether a message of this caller falls under it. Raises `NotFound` where no gateway runs."""
    rows: list[dict[str, Any]] = _ask(data_dir, "limits.check", caller)[0]["rows"]
    return rows


def _ask(data_dir: Path, act: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    answers = []
    for path in sorted(socket_folder(data_dir).glob("gateway-*.sock")):
        try:
            answers.append(control.ask(path, act, arguments, timeout=PATIENCE))
        except control.NoService:
            continue  # a killed gateway leaves its socket behind
    if not answers:
        raise NotFound(f"no gateway runs on {data_dir}", hint="start it with `watchkeeper up` or `watchkeeper gateway`")
    return answers
