"""Strings that an agent or a server wrote, made safe to look at: on a terminal, in a page, in a log line.

Control, format (bidi, zero width, tag) and unassigned characters are shown as `⟨U+202E⟩`, so that what a person reads
is what a model reads. This is for eyes, not for HTML: a page escapes what this returns.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters, marks and symbols that are drawn as nothing."""


@lru_cache(maxsize=4096)
def is_unseen(char: str) -> bool:
    """Whether a reader would not notice this character, or would be misled by it (Trojan Source, CVE-2021-42574)."""
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    return (
        category in _UNSEEN_CATEGORIES
        or category == "Zs"
        or char in _BLANK_LETTERS
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0100" <= char <= "\U000e01ef"
        or "\u180b" <= char <= "\u180f"
    )


def visible(text: str, *, limit: int = 0, keep: str = "") -> str:
    """`text` with everything unseen shown; cut to `limit` characters with a mark that says so, if `limit` is given.

    `keep` holds characters to leave alone, such as a line break.
    """
    cut = bool(limit) and len(text) > limit
    shown = "".join(
        f"⟨U+{ord(c):04X}⟩" if c not in keep and is_unseen(c) else c for c in (text[:limit] if cut else text)
    )
    return f"{shown}… ({len(text)} characters)" if cut else shown
