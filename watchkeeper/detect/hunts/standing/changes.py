"""What makes a row the same as one of an earlier run: what it names, not what it counts or when it was seen. Pure.

A row is known by its texts (who, where, what); where it has none, by all of it. So a count that grows is no news, and
another principal is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_NAMES = frozenset({"text", "list", "boolean"})


def digest(row: Mapping[str, Any], types: Mapping[str, str]) -> str:
    """The same for the same finding."""
    named = {name: value for name, value in row.items() if types.get(name) in _NAMES and value not in (None, "", [])}
    text = msgspec.json.encode(named or dict(row), order="deterministic")
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def compare(now: Iterable[str], before: Iterable[str]) -> tuple[set[str], set[str]]:
    """(what is new, what is gone)."""
    here, there = set(now), set(before)
    return here - there, there - here
