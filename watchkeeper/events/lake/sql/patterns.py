"""Regular expressions that mean the same to every engine: what may stand in one, and how it is told to each.

Pure. Rust's regex (DataFusion), RE2 (ClickHouse, DuckDB) and Java's (Spark) agree on far less than they share: `\\d` is
Unicode in one and ASCII in another, `$` may stand before a last line break, `.` may cross lines. So a pattern is read
here and refused on doubt, and the rest is written for the engine that gets it.
"""

from __future__ import annotations

import re

import msgspec

from watchkeeper.core.errors import Invalid

LONGEST = 1000
_ESCAPED = frozenset("\\.+*?()|[]{}^$-/\"'#&~!@%,:;= nrt")
_REPEAT = re.compile(r"\{(\d{1,3})(,(\d{1,3})?)?\}")
_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_MOST_REPEATS = 200


class Pattern(msgspec.Struct, frozen=True):
    """A pattern that was read, piece by piece."""

    pieces: tuple[str, ...]
    groups: int
    """Capturing groups; at most one."""
    is_any_case: bool

    def for_rust(self) -> str:
        return ("(?i)" if self.is_any_case else "") + "".join(self.pieces)

    def for_re2(self) -> str:
        """ClickHouse lets `.` match a line break unless told not to."""
        return ("(?i-s)" if self.is_any_case else "(?-s)") + "".join(self.pieces)

    def for_java(self) -> str:
        end = ["\\z" if piece == "$" else piece for piece in self.pieces]
        return ("(?iud)" if self.is_any_case else "(?d)") + "".join(end)


def read(pattern: str) -> Pattern:
    """The pieces of a pattern. Raises `Invalid`, saying which character is not understood alike."""
    if len(pattern) > LONGEST:
        raise Invalid(f"a pattern has at most {LONGEST} characters, not {len(pattern)}")
    is_any_case = pattern.startswith("(?i)")
    at = 4 if is_any_case else 0
    pieces: list[str] = []
    groups = depth = 0
    can_repeat = False
    while at < len(pattern):
        piece, kind = _piece(pattern, at)
        if kind == "repeat":
            if not can_repeat:
                raise _refused(pattern, at, "nothing stands before it that could be repeated")
            can_repeat = False
        else:
            can_repeat = kind not in ("open", "or", "anchor")
        depth += {"open": 1, "close": -1}.get(kind, 0)
        groups += piece == "("
        if depth < 0 or depth > 20:
            raise _refused(pattern, at, "parentheses do not match, or are nested too deeply")
        pieces.append(piece)
        at += len(piece)
    if depth:
        raise Invalid(f"a parenthesis is not closed in the pattern {pattern!r}")
    if groups > 1:
        raise Invalid(
            f"the pattern {pattern!r} has {groups} groups, and one can be taken out",
            hint="write (?:…) for those that only hold things together",
        )
    return Pattern(tuple(pieces), groups, is_any_case)


def escaped(text: str) -> str:
    """A pattern that matches exactly this text."""
    return "".join("\\" + character if character in _SPECIAL else character for character in text)


def _piece(pattern: str, at: int) -> tuple[str, str]:
    character = pattern[at]
    if character == "\\":
        return _escape(pattern, at), "one"
    if character == "[":
        return _class(pattern, at), "one"
    if character == "(":
        if pattern.startswith("(?", at) and not pattern.startswith("(?:", at):
            raise _refused(pattern, at, "only (?:…), and (?i) at the beginning")
        return ("(?:" if pattern.startswith("(?:", at) else "("), "open"
    if character in "*+?":
        return _lazy(pattern, at, character), "repeat"
    if character == "{":
        return _repeat(pattern, at), "repeat"
    if character in "]}":
        raise _refused(pattern, at, f"write \\{character} for the character itself")
    if character == "\0":
        raise _refused(pattern, at, "no NUL")
    return character, {")": "close", "|": "or", "^": "anchor", "$": "anchor"}.get(character, "one")


def _escape(pattern: str, at: int) -> str:
    if at + 1 >= len(pattern) or pattern[at + 1] not in _ESCAPED:
        raise _refused(pattern, at, "write [0-9], [A-Za-z0-9_] or [ \\t]: engines differ in \\d, \\w, \\s and \\b")
    return pattern[at : at + 2]


def _repeat(pattern: str, at: int) -> str:
    found = _REPEAT.match(pattern, at)
    if not found:
        raise _refused(pattern, at, "write \\{ for the character itself")
    if max(int(found[1]), int(found[3] or 0)) > _MOST_REPEATS:
        raise _refused(pattern, at, f"at most {_MOST_REPEATS} repetitions")
    return _lazy(pattern, at, found[0])


def _lazy(pattern: str, at: int, repeat: str) -> str:
    return repeat + ("?" if pattern.startswith("?", at + len(repeat)) else "")


def _class(pattern: str, at: int) -> str:
    end = at + 1
    if pattern.startswith("^", end):
        end += 1
    begin = end
    while end < len(pattern) and pattern[end] != "]":
        if pattern[end] == "\\":
            end += len(_escape(pattern, end))
        elif pattern[end] == "[" or pattern.startswith(("&&", "--", "~~"), end):
            raise _refused(pattern, end, "write \\[ or \\& inside of a class")
        else:
            end += 1
    if end >= len(pattern) or end == begin:
        raise _refused(pattern, at, "a class is not closed, or is empty")
    return pattern[at : end + 1]


def _refused(pattern: str, at: int, why: str) -> Invalid:
    return Invalid(f"{pattern[at : at + 3]!r} at character {at + 1} of the pattern {pattern!r}", hint=why)
