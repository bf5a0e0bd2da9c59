"""What differs between two definitions, and whether a model could act on it. Pure.

Two classes. `cosmetic`: both have one normal form, in which white space is collapsed, typographic quotes are plain, the
full stop at a text's end and the letter case of titles do not count, and `required` and icons' sizes are without order
and without weight. Everything else is `semantic`. Being an equality of normal forms, a chain of cosmetic changes never
leads further than its first step did.

Obligations, and the attack each one stops:

1. An invisible character on either side makes every change semantic (hidden text).
2. So do more blanks than a text needs (a sentence pushed out of the reviewer's window).
3. A line that begins like a role, a heading, a tag or a fence keeps its own line (`System:` after a mere line break).
4. Only what people read is normalised; names, defaults, enumerations and unknown members are compared exactly.
5. What cannot be read is semantic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from watchkeeper.core.text import is_unseen
from watchkeeper.protocol.json import is_too_deep

TOO_MANY_BLANKS = re.compile(r"[ \t]{40}|(?:[ \t]*\n){8}")
_BLANKS = re.compile(r"[ \t]+")
_MARKED = re.compile(r"[A-Za-z][\w ]{0,30}:|[<#\[>`{|*-]|\d+[.)]")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_PLAIN_SPACE = " \n\t\r"
MAPS = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
"""Members of a schema whose own members are names of schemas."""
_SCHEMAS = frozenset({"items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_OF_DEFINITION = {
    "description": "text",
    "arguments": "arguments",
    "inputSchema": "schema",
    "outputSchema": "schema",
    "annotations": "annotations",
    "icons": "icons",
}
_OF_SCHEMA = {"description": "text", "required": "set", "type": "set"}
_WEIGHTLESS = frozenset({"sizes", "theme"})
"""Members of an icon that no model and no person acts on."""


class ChangeClass(StrEnum):
    """How much a change can matter."""

    NONE = ""
    COSMETIC = "cosmetic"
    SEMANTIC = "semantic"


class Number(msgspec.Struct, frozen=True):
    """A number as it was written."""

    text: str


class Member(NamedTuple):
    """A member that both may have: where it is, what it is, and its two values."""

    path: str
    role: str
    old: Any
    new: Any


ABSENT: Any = msgspec.UNSET
"""The value of a member that is not there."""


def classify(old: bytes, new: bytes) -> ChangeClass:
    """The class of the change from one canonical form to another."""
    if old == new:
        return ChangeClass.NONE
    before, after = parse(old), parse(new)
    if before is ABSENT or after is ABSENT or hides(before) or hides(after):
        return ChangeClass.SEMANTIC
    same = normal(before, "definition") == normal(after, "definition")
    return ChangeClass.COSMETIC if same else ChangeClass.SEMANTIC


def parse(canonical: bytes) -> Any:
    """The tree of a definition; ABSENT when it is none, or deeper than a message may be."""
    try:
        tree = json.loads(canonical, parse_int=Number, parse_float=Number)
    except (ValueError, RecursionError):
        return ABSENT
    return ABSENT if is_too_deep(tree) else tree


def hides(tree: Any) -> bool:
    """Whether some text in it has an invisible character, or blanks to push other text away (obligations 1 and 2)."""
    return any(
        TOO_MANY_BLANKS.search(text) or any(is_unseen(c) and c not in _PLAIN_SPACE for c in text)
        for text in _texts(tree)
    )


def normal(node: Any, role: str) -> Any:
    """The normal form of a tree that plays `role` in its definition."""
    if isinstance(node, str):
        return normal_text(node, folded=role == "title") if role in ("definition", "text", "title") else node
    if isinstance(node, dict) and role != "exact":
        kept = {key: value for key, value in node.items() if role != "icon" or key not in _WEIGHTLESS}
        return {key: normal(value, role_of(role, key)) for key, value in kept.items()}
    if isinstance(node, list):
        if role == "set":
            return sorted(json.dumps(item, default=repr) for item in node)
        inner = {"icons": "icon", "schemas": "schema", "arguments": "definition"}.get(role, "exact")
        return [normal(item, inner) for item in node]
    return node


def role_of(role: str, key: str) -> str:
    """What the member `key` of a node with this role is."""
    if role == "map":
        return "schema"
    if key == "title":
        return "title" if role in ("definition", "schema", "annotations") else "exact"
    if role == "definition":
        return (
            "text" if key == "description" else "arguments" if key == "arguments" else _OF_DEFINITION.get(key, "exact")
        )
    if role != "schema":
        return "exact"
    if key in MAPS:
        return "map"
    if key in _LISTS:
        return "schemas"
    return "schema" if key in _SCHEMAS else _OF_SCHEMA.get(key, "exact")


def normal_text(text: str, *, folded: bool = False) -> str:
    """A text as a reader takes it in."""
    lines = [_BLANKS.sub(" ", line).strip() for line in text.translate(_QUOTES).replace("\r\n", "\n").split("\n")]
    joined = "".join(("\n" if _MARKED.match(line) else " ") + line for line in lines if line)
    if joined.endswith(".") and joined[-2:-1].isalpha():
        joined = joined[:-1]
    return joined.casefold() if folded else joined


def members(old: Any, new: Any, path: str, role: str) -> Iterator[Member]:
    """The members of two objects that differ, those of the old one first."""
    for key in [*old, *(key for key in new if key not in old)]:
        one, other = old.get(key, ABSENT), new.get(key, ABSENT)
        if one != other:
            yield Member(f"{path}.{key}" if path else key, role_of(role, key), one, other)


def _has_unseen(text: str) -> bool:
    return any(is_unseen(c) and c not in _PLAIN_SPACE for c in text)


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _texts(value)
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item)
