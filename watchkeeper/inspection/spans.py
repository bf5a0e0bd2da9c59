"""Where the members of an object and the items of an array lie in a JSON text, so that a change spares the rest."""

from __future__ import annotations

import json
from json.decoder import scanstring  # type: ignore[attr-defined]  # documented nowhere, stable since 2.6: end offsets
from typing import NamedTuple

_decoder = json.JSONDecoder()
_WHITE = " \t\n\r"


class Span(NamedTuple):
    """A member or an item: `text[start:end]` is the whole of it, `text[value:end]` its value."""

    name: str
    start: int
    value: int
    end: int


def members(text: str, at: int = 0) -> list[Span]:
    """The members of the object that begins at or after `at`. Raises `ValueError` when there is none."""
    return _children(text, at, "{", "}")


def items(text: str, at: int = 0) -> list[Span]:
    """The items of the array that begins at or after `at`. Raises `ValueError` when there is none."""
    return _children(text, at, "[", "]")


def without(text: str, spans: list[Span], dropped: set[int]) -> str:
    """`text` without the dropped ones of `spans` (all children of one object or array) and the commas they needed."""
    for index in sorted(dropped, reverse=True):
        kept_before = [i for i in range(index) if i not in dropped]
        if kept_before:  # with the comma before it
            start, end = spans[index - 1].end, spans[index].end
        elif index + 1 < len(spans):  # with the comma after it
            start, end = spans[index].start, spans[index + 1].start
        else:
            start, end = spans[index].start, spans[index].end
        text = text[:start] + text[end:]
    return text


def _children(text: str, at: int, opening: str, closing: str) -> list[Span]:
    at = _skip(text, at)
    if text[at : at + 1] != opening:
        raise ValueError(f"no {opening} here")
    at = _skip(text, at + 1)
    found: list[Span] = []
    while text[at : at + 1] != closing:
        start, name = at, ""
        if opening == "{":
            if text[at : at + 1] != '"':
                raise ValueError("a member has no name")
            name, at = scanstring(text, at + 1, True)
            at = _skip(text, at)
            if text[at : at + 1] != ":":
                raise ValueError("a member has no value")
            at = _skip(text, at + 1)
        value = at
        at = _end_of(text, at)
        found.append(Span(name, start, value, at))
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != closing:
            raise ValueError("neither a comma nor the end")
    return found


def _end_of(text: str, at: int) -> int:
    try:
        return _decoder.raw_decode(text, at)[1]
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WHITE:
        at += 1
    return at
