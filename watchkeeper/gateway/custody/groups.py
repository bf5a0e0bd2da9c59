"""Whether anything of a process group still lives. A dead process that nobody has looked at yet does not."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_DEAD = frozenset({"Z", "X"})


def has_any(group: int) -> bool:
    """Whether a process of this group runs. Without `/proc` a dead one that was not waited for counts, too."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody's; what it is says /proc
    if not _PROC.is_dir():
        return True
    return any(_is_of(group, stat) for stat in _PROC.glob("[0-9]*/stat"))


def _is_of(group: int, stat: Path) -> bool:
    try:
        state, _, its_group = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False  # it has ended meanwhile
    return int(its_group) == group and state not in _DEAD
