"""Words cut apart by markup, lines or members, or written in signs that stand for letters: read as they are meant."""

from __future__ import annotations

import json
import quopri
import re
from collections.abc import Iterator
from string import ascii_lowercase

import re2

from watchkeeper.inspection.decodings.model import Hidden, share

_TAG_IN_WORD = re2.compile(r"[A-Za-z](?:<[^>]{0,60}>)+[A-Za-z]")
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^>]{0,80}>", re.DOTALL)
_CSS = re.compile(r"""content\s*:\s*(["'])(.*?)\1""")
_QUOTED = re2.compile(r"(?:=[0-9A-F]{2}){4}")
_TURNED = re.compile("[\u202e\u2067]([^\u202c\u2069\n]{4,})[\u202c\u2069]?")
_DOTS = (1, 3, 9, 25, 17, 11, 27, 19, 10, 26, 5, 7, 13, 29, 21, 15, 31, 23, 14, 30, 37, 39, 58, 45, 61, 53)
_BRAILLE = dict(zip((0x2800 + dots for dots in _DOTS), ascii_lowercase, strict=True)) | {0x2800: " "}
_EMOJI = {
    start + i: letter for start in (0x1F1E6, 0x1F170, 0x1F150, 0x1F130) for i, letter in enumerate(ascii_lowercase)
}
_SIGNS = _BRAILLE | _EMOJI
_SIGN = re.compile(f"[{''.join(map(chr, _SIGNS))}]")
_MOST_PIECES = 60
_SHORT_LINE = 14


def markup(text: str) -> Iterator[Hidden]:
    """The text as it reads without what cuts it apart."""
    if "<" in text and len(_TAG_IN_WORD.findall(text)) >= 2:
        yield Hidden("markup", 0, len(text), _TAG.sub("", text))
    if "content" in text and len(pieces := _CSS.findall(text)) >= 2:
        yield Hidden("stylesheet", 0, len(text), "".join(piece for _, piece in pieces))
    if "=" in text and _QUOTED.search(text):
        yield Hidden("quoted-printable", 0, len(text), quopri.decodestring(text.encode()).decode("utf-8", "replace"))
    if text[:1] in ("{", "["):
        yield from _if_clearer("members", text, _members(text))
    lines = text.split("\n", _MOST_PIECES)
    if 5 <= len(lines) <= _MOST_PIECES and len(text) < _SHORT_LINE * len(lines):
        yield from _if_clearer("lines", text, lines)


def signs(text: str) -> Iterator[Hidden]:
    """Letters written as Braille, flags or boxes, and runs that are shown from right to left."""
    if text.isascii():
        return
    if len(_SIGN.findall(text)) >= 8:
        yield Hidden("signs", 0, len(text), text.translate(_SIGNS))
    if _TURNED.search(text):
        yield Hidden("turned", 0, len(text), _TURNED.sub(lambda m: m[1][::-1], text))


def _if_clearer(how: str, text: str, pieces: list[str]) -> Iterator[Hidden]:
    """Pieces put together, if more common words come to light so."""
    plain = "".join(pieces)
    if len(pieces) > 1 and share(plain)[1] > share(" ".join(pieces))[1] + 0.1:
        yield Hidden(how, 0, len(text), plain)


def _members(text: str) -> list[str]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    stack = [tree]
    while stack and len(found) <= _MOST_PIECES:
        node = stack.pop()
        if isinstance(node, str):
            found.append(node)
        elif isinstance(node, dict):
            stack += reversed(node.values())
        elif isinstance(node, list):
            stack += reversed(node)
    return found if len(found) <= _MOST_PIECES else []
