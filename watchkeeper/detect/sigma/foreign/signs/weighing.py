"""Adds up the weak signs of one record. Pure.

One sign alone is seldom worth an alert: a signature that is missing, many calls, a credential that is spoken of. Each
has a weight, and what a record says to be in order lowers the sum, so that a rule can ask for enough of them together.
A sign counts once, however often it is there.
"""

from __future__ import annotations

import re2

from watchkeeper.detect.sigma.foreign.signs.comparing import WEIGHTS, compared
from watchkeeper.detect.sigma.foreign.signs.words import SIGNS, UPHELD

_upheld = re2.compile(UPHELD)
_ASKED = tuple((name, re2.compile(f"(?m)(?i){pattern}")) for name, _, pattern in SIGNS)
_WEIGHT = {name: weight for name, weight, _ in SIGNS} | WEIGHTS


def signs_of(members: str) -> tuple[list[str], int]:
    """The signs in lines `path=value` by name, and the sum of their weights."""
    text = _upheld.sub("", members)
    found = {name for name, asked in _ASKED if asked.search(text)}
    pairs = [(path, value) for path, _, value in (line.partition("=") for line in members.split("\n"))]
    found |= set(compared(pairs))
    return sorted(found), sum(_WEIGHT[name] for name in found)
