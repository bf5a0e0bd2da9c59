"""A kind's schema as lines for people: each member of a body, its type, whether it is always there, a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from watchkeeper.events.catalogue.schema import entry_of, schema_of

_DEEPEST = 3


class Line(msgspec.Struct, frozen=True):
    """One member."""

    path: str
    """`answer.rules`, `findings[].rule`."""
    type: str
    is_required: bool
    sentence: str


def lines_of(kind: str) -> list[Line]:
    """The members of a kind's body, the inner ones below the outer. Raises `NotFound`."""
    schema = schema_of(kind)
    return list(_lines(schema["$defs"][entry_of(kind).body.__name__], schema["$defs"], "", 1))


def _lines(struct: dict[str, Any], parts: dict[str, Any], prefix: str, level: int) -> Iterator[Line]:
    required = struct.get("required", ())
    for name, member in struct["properties"].items():
        path = f"{prefix}{name}"
        yield Line(path, _words(member), name in required, member.get("description", ""))
        inner, mark = _inner(member)
        if inner and level < _DEEPEST:
            yield from _lines(parts[inner], parts, f"{path}{mark}.", level + 1)


def _inner(member: dict[str, Any]) -> tuple[str, str]:
    """The struct inside of a member, and how a path says that there are several."""
    for candidate in (member, *member.get("anyOf", ())):
        if "$ref" in candidate:
            return candidate["$ref"].rpartition("/")[2], ""
        for several, mark in (("items", "[]"), ("additionalProperties", ".*")):
            below = candidate.get(several)
            if isinstance(below, dict) and "$ref" in below:
                return below["$ref"].rpartition("/")[2], mark
    return "", ""


def _words(member: dict[str, Any]) -> str:
    if "anyOf" in member:
        return " or ".join(_words(one) for one in member["anyOf"])
    kind = member.get("type")
    if kind == "array":
        return f"list of {_words(member['items'])}"
    if kind == "object" or "$ref" in member:
        values = member.get("additionalProperties")
        return f"object of {_words(values)}" if isinstance(values, dict) and values else "object"
    return f"{kind or 'anything'}{_bounds(member)}"


def _bounds(member: dict[str, Any]) -> str:
    low, high, longest = member.get("minimum"), member.get("maximum"), member.get("maxLength")
    if longest is not None:
        return f", at most {longest} characters"
    if low is not None and high is not None:
        return f", {low} to {high}"
    return f", at least {low}" if low is not None else ""
