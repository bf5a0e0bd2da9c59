"""Two definitions side by side, readable by a person: pretty-printed, and nothing in them can hide. No I/O."""

from __future__ import annotations

import difflib
import json
import re

from watchkeeper.core.text import is_unseen

_LINE_END = re.compile(r"((?:^|[^\\])(?:\\\\)*\\n)(?!\"?,?$)")


def pretty(canonical: bytes) -> str:
    """A definition over many lines, each line break inside a string shown as `\\n` and followed by a real one."""
    if not canonical:
        return ""
    try:
        text = json.dumps(json.loads(canonical), indent=2, ensure_ascii=False, sort_keys=True)
    except (ValueError, RecursionError):
        text = canonical.decode("utf-8", "backslashreplace")
    return "\n".join(_unfold(line) for line in visible(text).split("\n"))


def visible(text: str) -> str:
    """The text with every control, invisible or bidirectional character written as `\\u{hex}`; line feeds stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(c) for c in text)


def unified(old: bytes, new: bytes, *, before: str, after: str) -> str:
    """The unified diff from one definition to another; empty when they are the same."""
    texts = [pretty(old), pretty(new)]
    if texts[0] == texts[1]:  # they differ where pretty-printing shows no difference, as 1.0 and 1.00 do
        texts = [old.decode("utf-8", "backslashreplace"), new.decode("utf-8", "backslashreplace")]
    left, right = (text.split("\n") if text else [] for text in texts)
    return "\n".join(difflib.unified_diff(left, right, before, after, lineterm=""))


def _shown(character: str) -> str:
    if character == "\n" or " " <= character <= "~":
        return character
    return f"\\u{{{ord(character):x}}}" if is_unseen(character) else character


def _unfold(line: str) -> str:
    margin = " " * (len(line) - len(line.lstrip()) + 4)
    return _LINE_END.sub(lambda match: f"{match[1]}\n{margin}", line)
