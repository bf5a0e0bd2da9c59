"""A process and what it started, as the kernel shows them, without a secret: names of variables, never their values.

Arguments may hold a secret, so that of a command only its program is told, and the whole of it sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_MOST = 200


def tree_of(pids: Iterable[int], seal: Callable[[str], str]) -> list[dict[str, Any]]:
    """Each process with all below it, parents first; what cannot be looked at is told with the reason."""
    if not _PROC.is_dir():
        return [{"pid": pid, "unknown": "this host shows no processes"} for pid in pids]
    children: dict[int, list[int]] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        if (fields := _fields(stat)) is not None:
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: list[dict[str, Any]] = []
    waiting = list(pids)
    while waiting and len(found) < _MOST:
        pid = waiting.pop(0)
        found.append(_told(pid, seal))
        waiting += sorted(children.get(pid, ()))
    return found


def _told(pid: int, seal: Callable[[str], str]) -> dict[str, Any]:
    folder = _PROC / str(pid)
    fields = _fields(folder / "stat")
    if fields is None:
        return {"pid": pid, "unknown": "it has ended"}
    words = _read(folder / "cmdline").split(b"\0")
    names = [pair.partition(b"=")[0].decode("utf-8", "replace") for pair in _read(folder / "environ").split(b"\0")]
    return {
        "pid": pid,
        "parent": int(fields[1]),
        "group": int(fields[2]),
        "state": fields[0],
        "started_ticks": int(fields[19]),
        "program": words[0].decode("utf-8", "replace"),
        "command": seal(b" ".join(words).decode("utf-8", "replace")),
        "environment": sorted(name for name in names if name),
    }


def _fields(stat: Path) -> list[str] | None:
    """What stands behind the name: state, parent, group …"""
    try:
        return stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
