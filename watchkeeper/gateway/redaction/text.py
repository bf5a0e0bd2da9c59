"""Changing strings of a message's JSON, and nothing else of it: order, numbers as they were written, unknown members.

A changed message is written anew from the tree it was read as, once. White space and the spelling of escapes are the
only things that may differ beside the strings that were meant. Pure; whatever cannot be done exactly raises `Inexact`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from watchkeeper.inspection.model import Finding
from watchkeeper.inspection.strings import step
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.message import Message, parse_message

_NAMING = frozenset({"progressToken", "requestId", "taskId", "resultType"})
"""Members by which either side finds something again: to change a part of one is to break it."""
_ENCODED = frozenset({"blob", "data"})
"""Members that are Base64 beside a `mimeType`."""
_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Inexact(Exception):
    """The change cannot be made exactly as asked."""


def _raw(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


_tree = msgspec.json.Decoder(float_hook=_raw).decode


class Draft:
    """A message being changed: the part of it that was inspected, as a tree."""

    def __init__(self, message: Message) -> None:
        self._parts = self._open(message)
        self._member, part = _inspected(message)
        if not part or bytes(self._parts.get(self._member, b"")) != part:
            raise Inexact("the message has no such part")
        self.tree = _tree(part)

    @staticmethod
    def _open(message: Message) -> dict[str, msgspec.Raw]:
        try:
            return _envelope(message.raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Inexact("the message is no JSON object") from error

    def close(self) -> Message:
        """The changed message, read as strictly as any."""
        try:
            raw = _encode(self._parts | {self._member: msgspec.Raw(_encode(self.tree))})
            return parse_message(raw)
        except (msgspec.MsgspecError, BadMessage, RecursionError, ValueError) as error:
            raise Inexact("the changed message cannot be read") from error

    def text(self) -> bytes:
        """The part as it would be written now."""
        return _encode(self.tree)

    def at(self, pointer: str) -> tuple[Any, Any]:
        """The container and the key of a string or long number that an inspector named."""
        if not pointer.startswith("/"):
            raise Inexact("no place is named")
        holder: Any = None
        key: Any = None
        node = self.tree
        for name in pointer[1:].split("/"):
            holder, key = node, _key(node, name)
            node = node[key]
        if _is_fixed(holder, key) or isinstance(node, bool) or not isinstance(node, str | int):
            raise Inexact("what lies there cannot be changed")
        return holder, key

    def change_strings(self, change: Callable[[str], str | msgspec.Raw], *names: str) -> None:
        """Change every string below the members of these names, or every string at all; names of members stay."""
        tops = [(self.tree, name) for name in names if isinstance(self.tree, dict) and name in self.tree]
        for holder, key in tops if names else [({"": self.tree}, "")]:
            _change(holder, key, change)


def _inspected(message: Message) -> tuple[str, bytes]:
    """Which part of a message is inspected: the same as `pipeline.inspected`, with its name."""
    for name in ("params", "result", "error"):
        if part := getattr(message, name):
            return name, part
    return "", b""


def _key(node: Any, name: str) -> str | int:
    if isinstance(node, list) and name.isdigit() and int(name) < len(node):
        return int(name)
    if isinstance(node, dict):
        if name in node and step(name, 0) == name:
            return name
        place = name[1:] if name.startswith("~") else ""
        if place.isdigit() and int(place) < len(node):
            return str(list(node)[int(place)])
    raise Inexact("there is no such place")


def _is_fixed(holder: Any, key: Any) -> bool:
    return key in _NAMING or (key in _ENCODED and "mimeType" in holder)


def _change(holder: Any, key: Any, change: Callable[[str], str | msgspec.Raw]) -> None:
    stack = [(holder, key)]
    while stack:
        holder, key = stack.pop()
        node = holder[key]
        if isinstance(node, str):
            holder[key] = node if _is_fixed(holder, key) else change(node)
        elif isinstance(node, dict):
            stack += ((node, name) for name in node)
        elif isinstance(node, list):
            stack += ((node, index) for index in range(len(node)))


def spans_of(findings: Sequence[Finding], length: int) -> Iterator[tuple[int, int, Finding]]:
    """Ranges to cut in one string, in order; those that overlap are one, and belong to the gravest finding."""
    merged: list[tuple[int, int, Finding]] = []
    for one in sorted(findings, key=lambda finding: (finding.start, -finding.end)):
        if not 0 <= one.start < one.end <= length:
            raise Inexact("a place lies outside its string")
        if merged and one.start < merged[-1][1]:
            start, end, known = merged[-1]
            merged[-1] = (start, max(end, one.end), one if one.severity > known.severity else known)
        else:
            merged.append((one.start, one.end, one))
    yield from merged
