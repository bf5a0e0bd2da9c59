"""What was told already, and what is new against it. Pure.

Only what was told in every respect may be held back: for this principal, for this place, and for both together, the
same outcome, no less severe. Everything else is news, and news always comes through. What is not remembered (there is
a bound) is news as well: forgetting tells too much, never too little.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec


class Facet(msgspec.Struct, frozen=True):
    """As much of a detection as decides whether it is news."""

    principal: str
    server: str
    target: str
    outcome: str
    """What became of it; with the containment that it got past, when it got past one."""
    severity: int


Told = dict[bytes, int]
"""What was told, hashed → the highest severity it was told with."""


def news_of(facet: Facet, told: Told) -> tuple[str, ...]:
    """What is new: `principal`, `target`, `pair`, `outcome`, `severity`; empty when all of it was told."""
    found: set[str] = set()
    for name, about, ended in _sides(facet):
        severity = told.get(ended)
        if severity is None:
            found.add("outcome" if about in told else name)
        elif facet.severity > severity:
            found.add("severity")
    if found & {"principal", "target"}:
        found.discard("pair")  # of course it is
    return tuple(sorted(found))


def tell(facet: Facet, told: Told, most: int) -> None:
    """Remember that this was told, while there is room for `most` things."""
    for _, about, ended in _sides(facet):
        for key in (about, ended):
            if key in told or len(told) < most:
                told[key] = max(told.get(key, 0), facet.severity)


def _sides(facet: Facet) -> Iterator[tuple[str, bytes, bytes]]:
    """(what is new when it is unknown, the side, the side with its outcome)."""
    place = (facet.server, facet.target)
    for name, side in (
        ("principal", ("who", facet.principal)),
        ("target", ("where", *place)),
        # both are known, but not together: what was refused to them before may be let through now
        ("pair", ("both", facet.principal, *place)),
    ):
        yield name, _hash(*side), _hash(*side, "ended", facet.outcome)


def _hash(*parts: str) -> bytes:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return digest.digest()
