"""A program of its own, not a module: ends the servers of a process that died without ending them itself.

Reads `+GROUP FOLDER` and `-GROUP` lines from its standard input, whose other end only that process holds. At the end of
the input every group still listed is asked to stop, then killed, and its private folder, if it has one, removed.
Standard library only; started with `-I -S` in a session of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

GRACE = 2.0
"""Seconds between asking and killing."""


def main() -> None:
    """Follow the list until its writer is gone, then end what is left on it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folders = _read()
    groups = set(folders)
    _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while groups and time.monotonic() < deadline:
        time.sleep(0.05)
        groups = {group for group in groups if _signal({group}, 0)}
    _signal(groups, signal.SIGKILL)
    for folder in folders.values():
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _read() -> dict[int, bytes]:
    folders: dict[int, bytes] = {}
    for line in sys.stdin.buffer:
        group, _, folder = line[1:].rstrip(b"\n").partition(b" ")
        if line[:1] == b"+":
            folders[int(group)] = folder
        else:
            folders.pop(int(group), None)
    return folders


def _signal(groups: set[int], number: int) -> bool:
    reached = False
    for group in groups:
        try:
            os.killpg(group, number)
            reached = True
        except (ProcessLookupError, PermissionError):
            continue
    return reached


if __name__ == "__main__":
    main()
