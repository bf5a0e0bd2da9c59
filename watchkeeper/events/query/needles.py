"""What both meanings of a query look for, as text: patterns, and members of JSON text. Pure.

A member of the body is looked for in its text as our encoder wrote it: `"name":` followed by the value. Inside of a
string the quotes would be escaped, so nothing that an agent wrote can stand for a member.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import re2

from watchkeeper.events.query.model import Pattern

SEARCHED = ("id", "kind", "actor", "claimed", "server", "target", "outcome", "body", "arguments", "result")
"""The columns that free text looks into."""
_SPECIAL = re.compile(r"[\\.+?()|\[\]{}^$#&~/\-]")
BETWEEN = "\x00"
"""Stands between the entries of a list that is looked at as one text."""
_ENTRY = r"[^\x00]*"
_STRING = r'(?:[^"\\]|\\.)*'


def spoken(text: str) -> list[str]:
    """The text in lower case, as it is and as it stands inside of JSON text."""
    return sorted({text.lower(), _inside(text).lower()})


def wildcard(text: str) -> str:
    """A pattern with `*` as a regular expression that both engines read the same way."""
    return _join(text, "(?s:.*)", lambda part: part)


def kind(text: str) -> str:
    """A kind, or the beginning of one up to a dot."""
    return wildcard(text) if "*" in text else rf"{_escape(text.rstrip('.'))}(?:\..*)?"


def member(name: str, value: Pattern) -> str:
    """A regular expression that finds the member with this value somewhere in the text."""
    head = _escape(f'"{_inside(name)}":')
    found = [f'"{_join(value.text, _STRING, _inside) if value.is_wild else _escape(_inside(value.text))}"']
    if re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?|true|false|null", value.text):
        found.append(rf"{_escape(value.text)}[,}}\]]")
    return f"{head}(?:{'|'.join(found)})"


def members(name: str, text: str) -> list[str]:
    """The texts that the member has somewhere in JSON text, at any depth: those that `member` finds it by."""
    found = re2.findall(_escape(f'"{_inside(name)}":') + rf'"({_STRING})"', text)
    return [msgspec.json.decode(f'"{one}"', type=str) for one in found]


def present(name: str) -> str:
    """A regular expression that finds the member with any value that is not empty."""
    return _escape(f'"{_inside(name)}":') + r'(?:"[^"]|[^"\[{n]|\[[^\]]|\{[^}])'


def _join(text: str, star: str, inside: Callable[[str], str]) -> str:
    return star.join(_escape(inside(part)) for part in text.split("*"))


def _inside(text: str) -> str:
    """As the text stands between the quotes of JSON text."""
    return msgspec.json.encode(text).decode()[1:-1]


def _escape(text: str) -> str:
    """Python's own escapes more than the lake's engine may read."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], text).replace("*", r"\*")


def listed(text: str) -> str:
    """A regular expression that finds one entry, by its pattern, in a list joined with `BETWEEN`."""
    return rf"(?:^|\x00){_join(text, _ENTRY, lambda part: part)}(?:\x00|$)"
