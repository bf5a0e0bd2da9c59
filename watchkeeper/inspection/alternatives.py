"""The alternatives of a pattern, each for itself: many small patterns compile and run faster than one large one."""

from __future__ import annotations

import re

_GROUP = re.compile(rb"(\\b|\[\^[^\]]*\])?\(\?:(.*)\)(\\b)?", re.DOTALL)
_PIECE = re.compile(rb"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)


def alternatives(pattern: bytes) -> list[bytes]:
    """Patterns that together match what `pattern` matches: it is taken apart at its outermost bars."""
    parts = _split(pattern)
    if len(parts) > 1:
        return list(dict.fromkeys(one for part in parts for one in alternatives(part)))
    whole = _GROUP.fullmatch(pattern)
    if whole is None or not _is_balanced(whole[2]):
        return [pattern]
    before, after = whole[1] or b"", whole[3] or b""
    return [before + one + after for one in _bare(alternatives(whole[2]), bool(before or after))]


def _bare(parts: list[bytes], is_joined: bool) -> list[bytes]:
    """What is put beside something else must not be torn apart by a bar of its own. `_split` left none outside."""
    return [b"(?:%s)" % part if is_joined and len(_split(part)) > 1 else part for part in parts]


def _split(pattern: bytes) -> list[bytes]:
    parts, depth = [b""], 0
    for piece in _PIECE.findall(pattern):
        depth += (piece == b"(") - (piece == b")")
        if piece == b"|" and depth == 0:
            parts.append(b"")
        else:
            parts[-1] += piece
    return parts


def _is_balanced(pattern: bytes) -> bool:
    depth = 0
    for piece in _PIECE.findall(pattern):
        depth += (piece == b"(") - (piece == b")")
        if depth < 0:
            return False
    return depth == 0
