"""Compiled patterns, kept from one process that a test starts for the next: each of them would need a second.

What is kept is named by a hash of the patterns, so a changed rule is compiled anew. A test that is about a fresh folder
does not come here.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

KEPT = Path(__file__).resolve().parents[2] / ".cache" / "patterns"


def lend(data: Path) -> None:
    """Give a data folder that has none what other processes compiled."""
    cache = data / "cache"
    found = list(KEPT.glob("*.hs"))
    if cache.exists() or not found:
        return
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    cache.mkdir(mode=0o700)
    for path in found:
        _copy(path, cache / path.name)


def take(data: Path) -> None:
    """Keep what a process compiled."""
    for path in (data / "cache").glob("*.hs"):
        if not (KEPT / path.name).exists():
            KEPT.mkdir(parents=True, exist_ok=True)
            part = KEPT / f"{path.name}.{os.getpid()}"
            _copy(path, part)
            part.replace(KEPT / path.name)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o600)
