"""A STIX pattern as tokens. Pure; one pass, no regular expression, bounded."""

from __future__ import annotations

import msgspec

from watchkeeper.core.errors import Invalid

LONGEST = 16_384
_MOST = 2_000
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_PATH = _WORD | frozenset(":.*")
_PAIRS = ("!=", "<>", "==", ">=", "<=")


class Token(msgspec.Struct, frozen=True, array_like=True):
    """One word of a pattern."""

    sort: str
    """`text`, `word` (paths, numbers, keywords) or the sign itself."""
    text: str = ""


def tokens(pattern: str) -> list[Token]:
    """The pattern's tokens. Raises `Invalid`."""
    if len(pattern) > LONGEST:
        raise Invalid("the pattern is too long")
    found: list[Token] = []
    at = 0
    while at < len(pattern):
        if pattern[at].isspace():
            at += 1
            continue
        token, at = _next(pattern, at)
        found.append(token)
        if len(found) > _MOST:
            raise Invalid("the pattern has too many parts")
    return found


def _next(pattern: str, at: int) -> tuple[Token, int]:
    char = pattern[at]
    if char == "'":
        text, at = _quoted(pattern, at)
        return Token("text", text), at
    if pattern[at : at + 2] in _PAIRS:
        return Token(pattern[at : at + 2]), at + 2
    if char in "[](),=<>":
        return Token(char), at + 1
    if char in _PATH:
        return _word(pattern, at)
    raise Invalid("the pattern holds a character that does not belong into one")


def _word(pattern: str, at: int) -> tuple[Token, int]:
    """A keyword, a number, or an object's path with its quoted parts and positions: `file:hashes.'SHA-256'`."""
    begin = at
    parts: list[str] = []
    while at < len(pattern):
        char = pattern[at]
        if char in _PATH:
            parts.append(char)
            at += 1
        elif char == "'" and parts and (parts[-1] == "." or (at - begin == 1 and parts[0] in "thb")):
            text, at = _quoted(pattern, at)
            if parts == ["t"]:
                return Token("text", text), at
            parts.append(text)
        elif char == "[" and ":" in parts:
            end = pattern.find("]", at)
            if end < 0 or not (pattern[at + 1 : end].isdigit() or pattern[at + 1 : end] == "*"):
                raise Invalid("the pattern has a position that is none")
            at = end + 1
        else:
            break
    return Token("word", "".join(parts)), at


def _quoted(pattern: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    at += 1
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            parts.append(pattern[at + 1])
            at += 2
        elif char == "'":
            return "".join(parts), at + 1
        else:
            parts.append(char)
            at += 1
    raise Invalid("the pattern has a text that does not end")
