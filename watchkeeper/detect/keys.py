"""Keys of what is remembered: whose it is, what it is about, what tells rows apart; bounded, for others choose them."""

from __future__ import annotations

import hashlib

BETWEEN = "\x1f"
_LONGEST = 200
_HASHED = "#"


def key_of(*parts: str | int) -> str:
    """One key of several parts; the first (a rule's id) says whose it is.

    Parts come from servers and agents: they are bounded, and none can be mistaken for another, nor pass for one that
    was hashed.
    """
    return BETWEEN.join([_bounded(str(part)) for part in parts])


def _bounded(part: str) -> str:
    """As it is when it is short and plain, else its hash."""
    if len(part) <= _LONGEST and part.isprintable() and not part.startswith(_HASHED):
        return part
    return _HASHED + hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
