"""Which of several workers deals with what: by a hash of what it is about, the same in every process. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_BETWEEN = "\x1f"
_LONGEST = 200


def key_of(*parts: str | int) -> str:
    """A key for a memory; the first two parts (a rule's id, a group) say whose it is, more parts only tell rows apart.

    Parts come from servers and agents: they are bounded, and cannot be mistaken for one another.
    """
    return _BETWEEN.join(_bounded(str(part)) for part in parts)


@dataclass(frozen=True)
class Partition:
    """Worker `number` of `of`, counted from 1."""

    number: int = 1
    of: int = 1

    def owns(self, rule: str, group: str = "") -> bool:
        """Whether this worker deals with a rule's group: exactly one of all does."""
        return self.of == 1 or self.has(key_of(rule, group))

    def has(self, key: str) -> bool:
        """Whether a row of a memory is this worker's: `owns` of its first two parts."""
        if self.of == 1:
            return True
        whose = _BETWEEN.join(key.split(_BETWEEN, 2)[:2])
        digest = hashlib.blake2b(whose.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.of == self.number - 1


def _bounded(part: str) -> str:
    """As it is when it is short and plain, else its hash."""
    if len(part) <= _LONGEST and _BETWEEN not in part and part.isprintable():
        return part
    return "#" + hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
