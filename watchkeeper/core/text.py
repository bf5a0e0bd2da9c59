"""Strings that an agent or a server wrote, made safe to look at: on a terminal, in a page, in a log line.

Control, format (bidi, zero width, tag) and unassigned characters are shown as `⟨U+202E⟩`, so that what a person reads
is what a model reads. This is for eyes, not for HTML: a page escapes what this returns.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str, *, limit: int = 0, keep: str = "") -> str:
    """`text` with everything invisible shown; cut to `limit` characters with a mark that says so, if `limit` is given.

    `keep` holds characters to leave alone, such as a line break.
    """
    cut = bool(limit) and len(text) > limit
    shown = "".join(
        c if c in keep or (c.isascii() and c.isprintable()) else _show(c) for c in (text[:limit] if cut else text)
    )
    return f"{shown}… ({len(text)} characters)" if cut else shown


def _show(character: str) -> str:
    if unicodedata.category(character) in _HIDDEN:
        return f"⟨U+{ord(character):04X}⟩"
    return character
