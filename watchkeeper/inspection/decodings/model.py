"""What a decoding yields, and when it counts as readable. No I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

_WORD = re.compile(r"[a-z]{2,}")
COMMON = frozenset(
    """
    the and for you all any are not with this that from your have will can now then into them they use one out
    has was but what when who how its our their please must should do does did only also here there about before
    after over to of in is it on as be at or an by if we me my so no up he she us ignore previous instruction
    instructions prompt system reveal secret secrets password passwords send file files read user users tool
    tools key keys token tokens data execute run command commands print show tell output rules disregard forget
    override bypass delete email forward message messages answer respond say write act pretend developer admin
    assistant model credentials upload download curl wget bash http https www com env ssh api access every first
    next disclose environment variables variable private overrides disregards ignoring credential database
    username sensitive confidential unrestricted restrictions guidelines safety security instructing exfiltrate
    attacker malicious history conversation permission permissions disable approval without never always confirm
    contents information order account transfer open click
    """.split()  # noqa: SIM905 — a list of two hundred strings is worse to read
)
"""Frequent words of English, and of orders: what a decoding has to contain to count as a sentence."""
LEAST_WORDS = 3
LEAST_SHARE = 0.4
"""Of the letters, that belong to common words."""


class Hidden(NamedTuple):
    """A text that was hidden in another."""

    how: str
    """`base64`, `hex`, `rot13`, `reversed`, …; layers are joined by `+`, the outer one first."""
    start: int
    end: int
    """Where in the text it lies, in characters; the whole text when it is spread over it."""
    text: str


def is_printable(text: str) -> bool:
    """Whether nearly all of it can be shown."""
    shown = sum(c.isprintable() or c in "\r\n\t" for c in text)
    return len(text) >= 4 and shown >= 0.97 * len(text)


def share(text: str) -> tuple[int, float]:
    """How many common words a text has, and which share of its letters they are."""
    found = _WORD.findall(text.lower())
    letters = sum(c.isalpha() for c in text)
    hits = [word for word in found if word in COMMON]
    return len(hits), sum(map(len, hits)) / letters if letters else 0.0


def is_sentence(text: str) -> bool:
    """Whether it reads like English: for decodings that make some text of any text."""
    count, part = share(text)
    return count >= LEAST_WORDS and part >= LEAST_SHARE
