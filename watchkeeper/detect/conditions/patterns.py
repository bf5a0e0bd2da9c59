"""Regular expressions of rules, on RE2: it takes time that grows with the text only, and refuses what would need more.

Look-around and back-references are refused when the rule is read. None of the 171 expressions of SigmaHQ's own rules
needs them, and an engine that can run them can be made to hang by a text that an agent writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import re2

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.conditions.model import Literal, Wild

TextTest = Callable[[str], bool]

_LONGEST = 20_000
_FLAGS = frozenset("ims")


class Unsupported(Misconfigured):
    """The rule says something this engine does not carry out."""


def regex(source: str, flags: str = "") -> TextTest:
    """Whether the expression is found anywhere in a text. Raises `Unsupported`."""
    if len(source) > _LONGEST or not _FLAGS.issuperset(flags):
        raise Unsupported(f"a regular expression has at most {_LONGEST} characters, and the flags i, m and s")
    try:
        written = with_vertical_tab(source)
        compiled = re2.compile(f"(?{flags}){written}" if flags else written, _options())
    except (re2.error, UnicodeEncodeError) as error:
        raise Unsupported(
            f"the regular expression {source!r} cannot run on RE2: {error}",
            hint="look-around and back-references are not supported; write it without them",
        ) from error
    return _on_bytes(compiled.search)


def with_vertical_tab(source: str) -> str:
    """The expression with a `\\s` that holds the vertical tab, as in PCRE, which Sigma's rules are written for: RE2's
    lacks it. A `\\S` inside a class stays as it is."""
    made: list[str] = []
    at, is_class = 0, False
    while at < len(source):
        word = _word(source, at, is_class=is_class)
        if is_class:
            is_class = word != "]"
        elif word[0] == "[":
            is_class = True
        made.append((_IN_CLASS if is_class else _OUTSIDE).get(word, word))
        at += len(word)
    return "".join(made)


_OUTSIDE = {r"\s": r"[\v\s]", r"\S": r"[^\v\s]"}
_IN_CLASS = {r"\s": r"\v\s"}


def _word(source: str, at: int, *, is_class: bool) -> str:
    """What stands together: a quoted stretch, an escape, the beginning of a class, a named class inside one."""
    if source.startswith(r"\Q", at):
        end = source.find(r"\E", at)
        return source[at:] if end < 0 else source[at : end + 2]
    if source[at] == "\\":
        return source[at : at + 2]
    if is_class and source.startswith("[:", at) and (end := source.find(":]", at)) > 0:
        return source[at : end + 2]
    if source[at] == "[" and not is_class:
        return next(begin for begin in ("[^]", "[]", "[^", "[") if source.startswith(begin, at))
    return source[at]


def like(parts: tuple[Literal | Wild, ...]) -> TextTest:
    """Whether a whole text has this shape. Raises `Unsupported` when there is too much of it."""
    pattern = "".join(re2.escape(p.text) if isinstance(p, Literal) else "." if p.one else ".*" for p in parts)
    try:
        compiled = re2.compile(f"(?s){pattern}", _options())
    except (re2.error, UnicodeEncodeError) as error:
        raise Unsupported(f"a value with wildcards is too long: {len(pattern)} characters") from error
    return _on_bytes(compiled.fullmatch)


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


def _on_bytes(match: Callable[[bytes], Any]) -> TextTest:
    """Bytes spare RE2's counting of characters; half a surrogate pair, which UTF-8 cannot say, is a question mark."""
    return lambda text: match(text.encode(errors="replace")) is not None
