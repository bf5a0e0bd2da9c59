"""Text as the judge reads it: sentences, words, and the numbers (hashed n-grams) that stand for them. Pure.

Words are lower case and without disguises (`views.bare_text`); digits count as one sign; scripts without spaces are
read sign by sign. A number is CRC-32 of the n-gram, cut to `BITS`: the same on every host and Python.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from zlib import crc32

from watchkeeper.inspection.views import bare_text

BITS = 18
MASK = (1 << BITS) - 1
GRAM = 4
"""Characters of the pieces that unknown words are known by."""
MAX_WORD = 40
MAX_SENTENCE = 400
"""Characters; longer ones are cut, so that a text without stops is still read in parts."""

_STOPS = ".!?;\u3002\uff01\uff1f\uff1b"
_SENTENCE = re.compile(rf"[^{_STOPS}\n]+(?:[{_STOPS}](?=\S)[^{_STOPS}\n]*)*")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Span(NamedTuple):
    """A sentence's place in its text, in characters."""

    start: int
    end: int


def sentences(text: str) -> list[Span]:
    """The sentences of a text, in order, none longer than `MAX_SENTENCE`."""
    found: list[Span] = []
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        while end - start > MAX_SENTENCE:
            cut = text.rfind(" ", start + MAX_SENTENCE // 2, start + MAX_SENTENCE)
            cut = cut if cut > 0 else start + MAX_SENTENCE
            found.append(Span(start, cut))
            start = cut
        if text[start:end].strip():
            found.append(Span(start, end))
    return found


def plain(text: str) -> str:
    """A text as its words are read: undisguised, lower case."""
    return bare_text(text).lower()


def words(text: str) -> list[str]:
    """The words of a `plain` text."""
    found = _WORD.findall(text)
    if text.isascii():
        return ["0" if word[0].isdigit() else word for word in found]
    out: list[str] = []
    for word in found:
        if word[0].isdigit():
            out.append("0")
        elif ord(max(word)) >= 0x0E00:
            out += word
        else:
            out.append(word)
    return out


def words_of_name(name: str) -> list[str]:
    """The words of an identifier (`sendEmail_v2` is send, email, v, 0)."""
    return words(plain(_HUMP.sub(" ", name).replace("_", " ")))


def number(gram: str) -> int:
    """The number of an n-gram."""
    return crc32(gram.encode("utf-8", "replace")) & MASK


def numbers_of(word: str) -> list[int]:
    """Those of a word by itself: the word, and its pieces."""
    word = word[:MAX_WORD]
    found = [number(word)]
    if len(word) > GRAM - 1:
        framed = f"<{word}>"
        found += [number("#" + framed[i : i + GRAM]) for i in range(len(framed) - GRAM + 1)]
    return found
