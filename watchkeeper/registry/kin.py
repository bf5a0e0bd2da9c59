"""Whether two definitions are one under two names: nearly the same words, parameters and descriptions. Pure, bounded.

Judged by the share of pairs of neighbouring words that both have. Definitions that say next to nothing are never kin:
half of all tools would be.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from watchkeeper.registry.changes import parse

NEAR = 0.8
"""Share of common pairs from which two are taken for one."""
RENAMED = "renamed"
MOVED = "moved"
_FEWEST = 8
"""Words and parameters that a definition needs to be recognised by."""
_MOST_WORDS = 2_000
_WORDS = re.compile(r"\w+")

Portrait = frozenset[tuple[str, str]]


class Kin(msgspec.Struct, frozen=True):
    """A definition known before that a new one is nearly equal to."""

    server: str
    name: str
    how: str
    """`renamed`: it is gone from the same server; `moved`: from another; empty: it is still there."""
    is_held: bool
    likeness: float


def portrait(canonical: bytes) -> Portrait:
    """What a definition is recognised by, its name apart; empty when that is too little."""
    tree = parse(canonical)
    if not isinstance(tree, dict):
        return frozenset()
    words = list(itertools.islice(_words(tree, top=True), _MOST_WORDS))
    return frozenset(itertools.pairwise(words)) if len(set(words)) >= _FEWEST else frozenset()


def likeness(one: Portrait, other: Portrait) -> float:
    """0 to 1; 0 when either is empty."""
    return len(one & other) / len(one | other) if one and other else 0.0


def _words(node: Any, *, top: bool = False) -> Iterator[str]:
    if isinstance(node, str):
        yield from (word.casefold() for word in _WORDS.findall(node))
    elif isinstance(node, dict):
        for key, value in sorted(node.items()):
            if top and key in ("name", "title", "uri", "uriTemplate"):
                continue
            yield f"/{key}"
            yield from _words(value)
    elif isinstance(node, list):
        for item in node:
            yield from _words(item)
