"""Texts whose letters were shifted, mirrored or turned round. Any text can be read so; what becomes English counts.

Each word votes for the ciphers under which it would be a common word; only a cipher with enough votes is tried.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from string import ascii_lowercase, ascii_uppercase

from watchkeeper.inspection.decodings.model import COMMON, LEAST_WORDS, Hidden, is_sentence, share

_LINE = re.compile(r"[^\n]{12,}")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_FLIPPED_SIGNS = (
    "\u0250q\u0254p\u01dd\u025f\u0183\u0265\u1d09\u027e\u029e\u05df\u026fuodb\u0279s\u0287n\u028c\u028dx\u028ez"
)


def _shift(n: int) -> dict[int, int]:
    return str.maketrans(
        ascii_lowercase + ascii_uppercase,
        ascii_lowercase[n:] + ascii_lowercase[:n] + ascii_uppercase[n:] + ascii_uppercase[:n],
    )


_FLIPPED = str.maketrans(_FLIPPED_SIGNS + "\u0131", ascii_lowercase + "i")
_MIRROR = str.maketrans(ascii_lowercase + ascii_uppercase, ascii_lowercase[::-1] + ascii_uppercase[::-1])
_SHIFTS = {f"rot{n}": _shift(n) for n in range(1, 26)}
_READ: dict[str, Callable[[str], str]] = {
    "reversed": lambda line: line[::-1],
    "reversed-words": lambda line: " ".join(word[::-1] for word in line.split(" ")),
    "upside-down": lambda line: line[::-1].translate(_FLIPPED),
    "atbash": lambda line: line.translate(_MIRROR),
} | {name: (lambda line, table=table: line.translate(table)) for name, table in _SHIFTS.items()}


def _votes() -> dict[str, tuple[str, ...]]:
    """Enciphered word → the ciphers that make it a common one."""
    found: dict[str, list[str]] = {}
    backwards = str.maketrans(ascii_lowercase, _FLIPPED_SIGNS)
    for word in COMMON:
        found.setdefault(word[::-1], []).extend(("reversed", "reversed-words"))
        found.setdefault(word[::-1].translate(backwards), []).append("upside-down")
        found.setdefault(word.translate(_MIRROR), []).append("atbash")
        for n in range(1, 26):
            found.setdefault(word.translate(_SHIFTS[f"rot{26 - n}"]), []).append(f"rot{n}")
    return {word: tuple(ciphers) for word, ciphers in found.items()}


_VOTES = _votes()
_TELLING = frozenset(word for word in _VOTES if len(word) > 2 and word not in COMMON)
LEAST_TELLING = 2
"""Different words that mean something in a cipher, and nothing in clear, before lines are looked at one by one."""


def ciphers(text: str) -> Iterator[Hidden]:
    """Lines that become English when their letters are shifted (ROT-n), mirrored (Atbash), flipped or turned round."""
    if len(_TELLING.intersection(_WORDS.findall(text.lower()))) < LEAST_TELLING:
        return
    for match in _LINE.finditer(text):
        line = match[0]
        found = _WORDS.findall(line.lower())
        counts = Counter(cipher for word in found for cipher in _VOTES.get(word, ()))
        read = [_read(how, line, match.start()) for how, votes in counts.most_common(3) if votes >= LEAST_WORDS]
        yield from (one for one in read if one is not None)


def _read(how: str, line: str, at: int) -> Hidden | None:
    """The line, or what follows a mark in it (the announcement is often in clear), if that becomes English."""
    starts = [0, *(mark.end() for mark in re.finditer(r"[:\"'(\u201c] ?", line))]
    for start in starts[:8]:
        piece = line[start:]
        plain = _READ[how](piece)
        if is_sentence(plain) and share(plain)[1] > share(piece)[1] + 0.2:
            return Hidden(how, at + start, at + len(line), plain)
    return None
