"""The strings of a JSON text, each with its pointer: where a finding lies, and where redaction cuts.

Bounded in depth and number; a text beyond the bounds has no addressable strings: whoever asked treats it as a whole.
A pointer (RFC 6901) names a member only while its key is short and plain; other keys appear as their position (`~2`),
because a key, too, can be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

MAX_STRINGS = 20_000
MAX_PIECES = 200
LEAST_HIDING = 8
"""Characters from which on a string can hide something."""
LONG_NUMBER = 9
"""Digits from which on a number may be somebody's."""
_PLAIN_KEY = re.compile(r"[A-Za-z_$@][A-Za-z0-9_$@.-]{0,17}")


class Member(NamedTuple):
    """A string of a JSON text."""

    pointer: str
    key: str
    """The member's name; empty inside arrays."""
    value: str
    is_key: bool = False
    """True when the string is itself a member's name; its pointer is then that of the object."""


class Digits(str):
    """A long whole number, which may be somebody's: looked at as text, and told apart from text."""

    __slots__ = ()


class Pairs(list[tuple[str, object]]):
    """An object with its members in order, doubles kept."""


def parse(data: bytes, *, keep_numbers: bool = False) -> object:
    """The tree of a JSON text, its objects as `Pairs`; numbers that are not long are of no interest unless said.

    Raises `ValueError` when it is no JSON, or nested too deeply.
    """
    whole, broken = (None, None) if keep_numbers else (_long, _ignore)
    try:
        return json.loads(data, object_pairs_hook=Pairs, parse_int=whole, parse_float=broken)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _long(text: str) -> Digits | None:
    return Digits(text) if len(text) >= LONG_NUMBER else None


def _ignore(_: str) -> None:
    return None


def members_of(data: bytes) -> list[Member] | None:
    """Every string of a JSON text in order; `None` when it is no JSON or beyond the bounds."""
    try:
        found: list[Member] = []
        for member in walk(parse(data)):
            found.append(member)
            if len(found) > MAX_STRINGS:
                return None
    except ValueError:
        return None
    return found


class Piece(NamedTuple):
    """A long string in which something may be hidden."""

    pointer: str
    value: str


def pieces_of(data: bytes) -> list[Piece]:
    """The strings of a JSON text that are long enough to hide something, at most `MAX_PIECES`; a text without
    addressable strings is one piece."""
    members = members_of(data)
    if members is None:
        return [Piece("", data.decode("utf-8", "replace"))]
    long = (Piece(m.pointer, m.value) for m in members if len(m.value) >= LEAST_HIDING and not m.is_key)
    return list(islice(long, MAX_PIECES))


def walk(tree: object) -> Iterator[Member]:
    """The strings below a tree made by `parse`, in the order of the text."""
    stack: list[tuple[str, str, object]] = [("", "", tree)]
    while stack:
        pointer, key, node = stack.pop()
        if isinstance(node, str):
            yield Member(pointer, key, node)
        elif isinstance(node, Pairs):
            for name, _ in node:
                yield Member(pointer, "", name, True)
            for index in range(len(node) - 1, -1, -1):
                name, child = node[index]
                stack.append((f"{pointer}/{step(name, index)}", name, child))
        elif isinstance(node, list):
            stack += [(f"{pointer}/{index}", "", node[index]) for index in range(len(node) - 1, -1, -1)]


def step(name: str, index: int) -> str:
    """One step of a pointer into an object."""
    return name if _PLAIN_KEY.fullmatch(name) else f"~{index}"
