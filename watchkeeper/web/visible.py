"""Making hostile text safe to look at: escaped, isolated, cut, and with everything invisible shown. Pure.

Stops what escaping alone does not: bidirectional overrides that reorder a line (Trojan Source, CVE-2021-42574),
zero-width and tag characters that hide an instruction from the reader but not from the model, terminal escapes, piles
of combining marks that paint over neighbours, strings of a megabyte.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from markupsafe import Markup, escape

from watchkeeper.core.text import is_unseen

_MARKS_IN_A_ROW = 3


@lru_cache(maxsize=4096)
def _label(char: str) -> tuple[str, str]:
    """What is shown for an unseen character, and its name."""
    short = {"\n": "LF", "\r": "CR", "\t": "TAB", "\x1b": "ESC", "\x00": "NUL"}
    name = unicodedata.name(char, "") or {"\n": "LINE FEED", "\r": "CARRIAGE RETURN", "\t": "TAB"}.get(char, "CONTROL")
    return short.get(char, f"U+{ord(char):04X}"), name


def _pieces(text: str, keep: str) -> list[tuple[bool, str]]:
    """The text as runs of seen characters and single unseen ones."""
    pieces: list[tuple[bool, str]] = []
    run: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if char in keep or not (is_unseen(char) or marks > _MARKS_IN_A_ROW):
            run.append(char)
            continue
        if run:
            pieces.append((True, "".join(run)))
            run = []
        pieces.append((False, char))
    if run:
        pieces.append((True, "".join(run)))
    return pieces


def _cut(value: object, limit: int) -> tuple[str, str]:
    text = value if isinstance(value, str) else str(value)
    left = len(text) - limit
    return (text[:limit], f"… {left:,} more characters") if left > 0 else (text, "")


def visible(value: object, limit: int = 300, keep: str = "") -> Markup:
    """HTML that shows `value` in a line of its own direction; characters in `keep` stay as they are."""
    text, rest = _cut(value, limit)
    out = [Markup("<bdi>")]
    for is_seen, piece in _pieces(text, keep):
        if is_seen:
            out.append(escape(piece))
        else:
            label, name = _label(piece)
            out.append(Markup('<span class="unseen" title="{}">{}</span>').format(name, label))
    out.append(Markup("</bdi>"))
    if rest:
        out.append(Markup('<span class="cut">{}</span>').format(rest))
    return Markup("").join(out)


def visible_block(value: object, limit: int = 8_000) -> Markup:
    """The same for preformatted text: line breaks stay line breaks, tabs are shown."""
    return visible(value, limit, keep="\n")


def visible_text(value: object, limit: int = 300) -> str:
    """Plain text with the same replacements, for attributes and titles; the template still escapes it."""
    text, rest = _cut(value, limit)
    return "".join(piece if is_seen else f"⟨{_label(piece)[0]}⟩" for is_seen, piece in _pieces(text, "")) + rest


def shortened(text: str, limit: int) -> str:
    """Its beginning, with an ellipsis where it goes on: for drawings, whose words cannot wrap."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
