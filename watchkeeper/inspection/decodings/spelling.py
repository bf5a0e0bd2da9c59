"""Words broken up or misspelt so that patterns miss them: letters apart, digits as letters, strings in parts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import re2

from watchkeeper.inspection.decodings.model import COMMON, Hidden, share

_APART = re.compile(r"(?<![A-Za-z0-9])[A-Za-z](?:[ .\-_*|,~\u00b7\u2022]{1,3}[A-Za-z]){6,}(?![A-Za-z0-9])")
_JOINED = re.compile(r"""(["'`])\s*(?:\+|\.|&|\|\||,)?\s*(?:\n\s*)?(["'`])""")
_CONCAT = re.compile(r"""["'][^"'\n]{1,40}["']\s*(?:\+|\.\.?|&|\|\|)\s*["']""")
_LEET_WORD = re.compile(r"(?=[a-z@$!|+]*[0-9@$!|+])(?=[0-9@$!|+]*[a-z])[a-z0-9@$!|+]{3,}", re.IGNORECASE)
_LEET_HINT = re2.compile(r"[A-Za-z][0134578@$!|+][A-Za-z]")
_LEET = str.maketrans("0134578@$!|+", "oieastbasilt")
_LEET_L = str.maketrans("0134578@$!|+", "oleastbaslit")
_HYPHEN = re.compile(r"(?<=[a-z])(?:-|\u00ad)\s*\n\s*(?=[a-z])")
_HYPHEN_HINT = re2.compile(r"[a-z](?:-|\x{ad})\s*\n\s*[a-z]")
_MARKS = re.compile(r"[\u0300-\u036f]{2,}|(?:[A-Za-z][\u0300-\u036f\u0489\u20d0-\u20ff]){4,}")
_LONGEST_WORD = 14
_MOST_LETTERS = 4_096
"""Of one run of letters apart: an order is shorter, and each letter costs six microseconds."""
_BETWEEN = b" ._-"
_MOST_FRAGMENTS = 5
_LEAST_LETTERS = 6
_SPLIT = re2.compile(
    r"(?i)\b(?:" + "|".join("[ ._-]?".join(word) for word in sorted(COMMON) if len(word) >= _LEAST_LETTERS) + r")\b"
)


def spellings(text: str) -> Iterator[Hidden]:
    """The text as it reads once such words are put together again."""
    for match in _APART.finditer(text):
        yield Hidden("letters-apart", *match.span(), _put_together(match[0][: 4 * _MOST_LETTERS]))
    if _LEET_HINT.search(text) and len(found := _LEET_WORD.findall(text)) >= 2:
        for table in (_LEET, _LEET_L):
            plain = _LEET_WORD.sub(lambda m, t=table: m[0].translate(t), text)  # type: ignore[misc]
            if share(plain)[0] >= share(text)[0] + min(2, len(found)):
                yield Hidden("leetspeak", 0, len(text), plain)
                break
    if _CONCAT.search(text):
        yield Hidden("concatenation", 0, len(text), _JOINED.sub("", text))
    if _HYPHEN_HINT.search(text):
        yield Hidden("hyphenation", 0, len(text), _HYPHEN.sub("", text))
    if not text.isascii() and _MARKS.search(text):
        bare = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
        yield Hidden("marks", 0, len(text), bare)
    yield from _split_words(text)


def segmented(letters: str) -> str:
    """Letters without spaces as words: the way that covers most of them with common words, long ones first."""
    low = letters.lower()
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(low) + 1):
        choice = (best[end - 1][0], 1)
        for size in range(2, min(_LONGEST_WORD, end) + 1):
            if low[end - size : end] in COMMON:
                choice = max(choice, (best[end - size][0] + size * size, size))
        best.append(choice)
    pieces: list[str] = []
    end = len(low)
    while end:
        size = best[end][1]
        piece = low[end - size : end]
        if size == 1 and pieces and pieces[-1].startswith("\0"):
            pieces[-1] = f"\0{piece}{pieces[-1][1:]}"
        else:
            pieces.append(piece if size > 1 else f"\0{piece}")
        end -= size
    return " ".join(piece.strip("\0") for piece in reversed(pieces))


def _put_together(run: str) -> str:
    words = re.split(r"[ .\-_*|,~\u00b7\u2022]{2,}", run)
    if len(words) > 1:
        return " ".join(re.sub(r"[^A-Za-z]", "", word) for word in words)
    return segmented(re.sub(r"[^A-Za-z]", "", run)[:_MOST_LETTERS])


def _split_words(text: str) -> Iterator[Hidden]:
    """`dis regard prev ious`: fragments that make a long common word once the signs between them go."""
    data = text.encode("utf-8", "replace")
    out: list[bytes] = []
    kept = 0
    for match in _SPLIT.finditer(data):
        word = match[0]
        if not word.isalpha() and len(word) <= _most(word):
            out += [data[kept : match.start()], word.translate(None, _BETWEEN)]
            kept = match.end()
    if out:
        yield Hidden("split-words", 0, len(text), b"".join([*out, data[kept:]]).decode("utf-8", "replace"))


def _most(word: bytes) -> int:
    """Signs that a broken word may have: a few fragments; each letter apart is another disguise."""
    letters = len(word.translate(None, _BETWEEN))
    return letters + min(_MOST_FRAGMENTS - 1, letters // 2)
