"""Copies of checkpoints, their names, and what comparing them with a log came to. No I/O."""

from __future__ import annotations

import re

import msgspec

from watchkeeper.events.journal.note import Checkpoint

KEY = "public.vkey"
"""The name under which a log's public key lies beside its copies."""
_NAME = re.compile(r"([0-9]{20})-([0-9a-f]{64})\.note")


class Copy(msgspec.Struct, frozen=True, order=True):
    """A copied checkpoint as its name has it: size and root, so that a list of names is enough to compare most."""

    size: int
    root: bytes

    @property
    def name(self) -> str:
        """By size first, so that names sort; with the root, so that two histories never share one."""
        return f"{self.size:020d}-{self.root.hex()}.note"


def copy_of(checkpoint: Checkpoint) -> Copy:
    return Copy(checkpoint.size, checkpoint.root)


def read_name(name: str) -> Copy | None:
    """`None` for a name that is no copy's."""
    match = _NAME.fullmatch(name)
    return Copy(int(match[1]), bytes.fromhex(match[2])) if match else None


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """A log and a checkpoint that was copied from it cannot both be what was recorded."""

    place: str
    writer: str
    size: int
    """What the copy states."""
    root: str
    """Hex; empty when the copy's key, or that there is a copy at all, is what contradicts."""
    reason: str
    note: str = ""
    """The copied checkpoint itself: signed evidence."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One log and one place."""

    place: str
    writer: str
    copies: int = 0
    newest: int = 0
    """The largest size that was copied."""
    log: int = 0
    """Records that the log has."""
    contradictions: tuple[Contradiction, ...] = ()
    unreadable: int = 0
    """Copies that would contradict, and are not signed by the log's key: damaged, or put there by somebody else."""
    not_compared: int = 0
    """Copies about a part of the log whose hashes are gone, by retention: neither good nor bad."""
    failure: str = ""
    """Why the place or the log could not be read: nothing is known then, neither good nor bad."""
