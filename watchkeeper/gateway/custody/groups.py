"""Whether anything of a process group still lives. A dead process that nobody has looked at yet does not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_GROUP_SECONDS = 3.0
_LOOK = 0.01
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


async def until_empty(groups: Collection[int]) -> None:
    """Wait for what servers have started themselves, a few seconds: the kernel takes a moment to end it."""
    loop, never = asyncio.get_running_loop(), asyncio.Event()
    deadline = loop.time() + _GROUP_SECONDS
    while any(map(has_any, groups)) and loop.time() < deadline:
        with suppress(TimeoutError):
            await asyncio.wait_for(never.wait(), _LOOK)
