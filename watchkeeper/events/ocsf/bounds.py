"""How much of an event goes out in its OCSF form: texts and bodies of any size and depth are cut, and that is said.

Agents and servers choose much of what an event says. What is cut here is whole in the journal, under the same id.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from watchkeeper.core.text import visible

NAME = 512
"""Characters of a name or an id."""
SENTENCE = 1024
"""Characters of a text for people."""
BODY = 64 * 1024
"""Bytes of a body, about; of a larger one the first parts go out."""
DEPTH = 32
"""Levels of a body; what lies deeper is left out."""
_TEXT = 1024
_SPENT = "… (left out: the event is whole in the journal)"


class Bounded(msgspec.Struct, frozen=True):
    """A body as it goes out."""

    body: dict[str, Any]
    is_cut: bool = False
    size: int = 0
    """Bytes of the whole one's JSON, when something was cut."""
    digest: str = ""
    """SHA-256 of it."""


def name(value: object) -> str:
    """A name as somebody chose it, cut; what is no text becomes one."""
    if type(value) is str and len(value) <= NAME and value.isascii():
        return value
    text = value if isinstance(value, str) else str(value)
    if not text.isascii():
        text = _writable(text)
    return text if len(text) <= NAME else f"{text[: NAME - 1]}…"


def sentence(text: str) -> str:
    """A text for people: nothing unseen in it, and not too long."""
    if len(text) <= SENTENCE and text.isprintable():
        return text
    return visible(text, limit=SENTENCE)


def names(value: object, most: int = 32) -> list[str]:
    """A list of names, whatever it was."""
    return [name(one) for one in value[:most]] if isinstance(value, (list, tuple)) else []


def bound(body: dict[str, Any]) -> Bounded:
    """The body itself where it is small and flat, as nearly all are; a smaller one that says so otherwise."""
    try:
        raw = msgspec.json.encode(body)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError):
        return Bounded(_Cut().of_body(body), is_cut=True)  # no journal holds it: it was never recorded
    brackets = raw.count(b"{") + raw.count(b"[")  # at least as many as levels
    if len(raw) <= BODY and (brackets <= DEPTH or _depth(body) <= DEPTH):
        return Bounded(body)
    return Bounded(_Cut().of_body(body), is_cut=True, size=len(raw), digest=hashlib.sha256(raw).hexdigest())


def _writable(text: str) -> str:
    """Without halves of surrogate pairs, which no encoding holds."""
    return text.encode("utf-8", "backslashreplace").decode()


def _depth(body: object) -> int:
    deepest, todo = 0, [(body, 1)]
    while todo:
        value, level = todo.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        todo += [(one, level + 1) for one in inner if isinstance(one, (dict, list, tuple))]
        deepest = max(deepest, level)
        if deepest > DEPTH:
            break
    return deepest


class _Cut:
    """Copies a value until its budget is spent."""

    def __init__(self) -> None:
        self._left = BODY

    def of_body(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._mapping(body, 1)

    def _value(self, value: object, level: int) -> object:
        self._left -= 8
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value) < 1 << 63:
            return int(value)
        if isinstance(value, float):
            return value if abs(value) < float("inf") else str(value)
        if isinstance(value, (dict, list, tuple)):
            if level > DEPTH or self._left <= 0:
                return _SPENT
            return self._mapping(value, level) if isinstance(value, dict) else self._list(value, level)
        return self._text(value)

    def _mapping(self, value: dict[Any, Any], level: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, inner in value.items():
            if self._left <= 0:
                made["…"] = _SPENT
                break
            made[self._text(key)] = self._value(inner, level + 1)
        return made

    def _list(self, value: list[Any] | tuple[Any, ...], level: int) -> list[Any]:
        made: list[Any] = []
        for inner in value:
            if self._left <= 0:
                made.append(_SPENT)
                break
            made.append(self._value(inner, level + 1))
        return made

    def _text(self, value: object) -> str:
        text = value if isinstance(value, str) else str(value)[: _TEXT + 1]
        shown = _writable(text[:_TEXT]) + (f"… ({len(text)} characters)" if len(text) > _TEXT else "")
        self._left -= len(shown)
        return shown
