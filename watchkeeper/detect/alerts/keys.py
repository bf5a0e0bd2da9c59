"""Keys of what is remembered: a rule, what it is about, what tells rows apart. Bounded, for others choose the parts."""

from __future__ import annotations

import hashlib

_BETWEEN = "\x1f"
_LONGEST = 200


def key_of(*parts: str) -> str:
    """One key of several parts, none of which can be mistaken for another's."""
    return _BETWEEN.join(map(_bounded, parts))


def _bounded(part: str) -> str:
    if len(part) <= _LONGEST and part.isprintable():
        return part
    return "#" + hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
