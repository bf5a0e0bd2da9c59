"""The end of a file that upkeep rewrote: what it holds, the tree as of its last record, and a signature over both.

    magic 8 · length u32 · note length u32 · CRC-32 u32 · body (JSON) · note · bytes of all this u32

A closed file is groups and then this. It is trusted by reading its end alone: the frontier leads to the root that the
note signs, the note's hash is over the body, and the body has the hash of every group. `journal verify` reads them all.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from watchkeeper.events.journal import note as notes
from watchkeeper.events.journal.forms import frame as frames
from watchkeeper.events.journal.forms.frame import BadFrame
from watchkeeper.events.journal.note import BadNote, Signer
from watchkeeper.events.journal.tree import Tree

CLOSING_MAGIC = b"WKJEND\x01\n"
_LENGTH = struct.Struct(">I")
_PRELUDE = struct.Struct(">8sIII")
Form = Literal["sealed", "pruned"]


class BadClosing(ValueError):
    """The end of the file is not one that the log's key signed; the message says why."""


class Group(msgspec.Struct, frozen=True, array_like=True):
    """One group of a closed file."""

    size: int
    digest: bytes
    """SHA-256 of its bytes."""


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """What a closed file says of itself."""

    form: Form
    first: int
    """Index of its first record."""
    size: int
    """The log's size after its last record."""
    times: tuple[int, int]
    """Of its first and last commit, microseconds since the epoch."""
    event_times: tuple[int, int]
    """The earliest and the latest time that one of its events states: a hold is about these."""
    commits: int
    written: int
    """Bytes that the commits had, as they were written."""
    frontier: tuple[bytes, ...]
    """The roots of the complete subtrees as of `size`, the smallest first."""
    groups: tuple[Group, ...]
    checkpoint: str
    """The last commit's note, as it was written."""

    @property
    def count(self) -> int:
        return self.size - self.first

    def tree(self) -> Tree:
        return Tree.at(self.size, self.frontier)


def pack(closing: Closing, signer: Signer) -> bytes:
    """Ready to be written after the groups."""
    body = msgspec.json.encode(closing)
    note = signer.sign(closing.size, closing.tree().root(), sha256(body).digest(), about=notes.CLOSED)
    whole = frames.pack(body, note, CLOSING_MAGIC)
    return whole + _LENGTH.pack(len(whole) + _LENGTH.size)


def is_closed(path: Path) -> bool:
    """Whether upkeep rewrote this file, as far as its first bytes say."""
    with path.open("rb") as file:
        return file.read(len(frames.GROUP_MAGIC)) == frames.GROUP_MAGIC


def read(file: BinaryIO, origin: str, public: bytes) -> Closing:
    """The closing of an open file, its signature checked. Raises `BadClosing`."""
    end = file.seek(0, os.SEEK_END)
    data = _last_bytes(file, end)
    magic, length, note_length, _ = _PRELUDE.unpack_from(data)
    body_length = length - note_length
    if magic != CLOSING_MAGIC or body_length < 0 or _PRELUDE.size + length != len(data):
        raise BadClosing("the file does not end in a closing")
    body, note = data[_PRELUDE.size : _PRELUDE.size + body_length], data[_PRELUDE.size + body_length :]
    if frames.pack(body, note, CLOSING_MAGIC) != data:
        raise BadClosing("the closing's checksum is wrong")
    closing, checkpoint = _content(body, note, origin, public)
    if closing.size <= closing.first or checkpoint.size != closing.size or _root(closing) != checkpoint.root:
        raise BadClosing("the frontier does not lead to the signed root")
    if sum(group.size for group in closing.groups) + len(data) + _LENGTH.size != end:
        raise BadClosing("the file has another length than its closing says")
    _check_last(closing, origin, public)
    return closing


def _last_bytes(file: BinaryIO, end: int) -> bytes:
    if end < _PRELUDE.size + _LENGTH.size:
        raise BadClosing("the file is too short")
    file.seek(end - _LENGTH.size)
    (size,) = _LENGTH.unpack(file.read(_LENGTH.size))
    if not _PRELUDE.size + _LENGTH.size <= size <= min(end, frames.MAX_BYTES):
        raise BadClosing("the file does not end in a closing")
    file.seek(end - size)
    return file.read(size - _LENGTH.size)


def _content(body: bytes, note: bytes, origin: str, public: bytes) -> tuple[Closing, notes.Checkpoint]:
    try:
        checkpoint, signed = notes.read(note)
        closing = msgspec.json.decode(body, type=Closing)
    except (BadNote, msgspec.MsgspecError) as error:
        raise BadClosing(f"the closing cannot be read: {error}") from error
    if checkpoint.about != notes.CLOSED or not notes.is_valid(checkpoint, signed, origin, public):
        raise BadClosing("the closing is not signed by the log's key")
    if checkpoint.frame != sha256(body).digest():
        raise BadClosing("the closing's signature is about other bytes")
    return closing, checkpoint


def _root(closing: Closing) -> bytes:
    try:
        return closing.tree().root()
    except ValueError as error:
        raise BadClosing(f"the closing's frontier is {error}") from error


def _check_last(closing: Closing, origin: str, public: bytes) -> None:
    try:
        checkpoint, signed = notes.read(closing.checkpoint.encode())
    except BadNote as error:
        raise BadClosing(f"the kept checkpoint cannot be read: {error}") from error
    if checkpoint.about != notes.FRAME or not notes.is_valid(checkpoint, signed, origin, public):
        raise BadClosing("the kept checkpoint is not signed by the log's key")
    if (checkpoint.size, checkpoint.root) != (closing.size, _root(closing)):
        raise BadClosing("the kept checkpoint is about another tree")


def group_of(data: bytes, expected: Group, first: int) -> frames.Frame:
    """One group, checked against what the closing says of it. Raises `BadClosing`."""
    if len(data) != expected.size or sha256(data).digest() != expected.digest:
        raise BadClosing("a group has other bytes than its closing says")
    try:
        group = frames.parse(data)
    except BadFrame as error:
        raise BadClosing(f"a group cannot be read: {error}") from error
    if not group.is_group or group.size != len(data) or group.first != first:
        raise BadClosing("a group does not continue the one before it")
    return group


def offsets(groups: Sequence[Group]) -> list[int]:
    """Where each group begins."""
    at, found = 0, []
    for group in groups:
        found.append(at)
        at += group.size
    return found
