"""Fingerprints of what a model is shown: tools, prompts, resources, templates and a server's instructions.

The whole definition counts, every member of it, known or not: a change anywhere is a change. The canonical form sorts
the members, drops white space and writes each character beyond ASCII as an escape (so that what is invisible is seen in
a diff). Unlike RFC 8785 it keeps every number as it was written: two that meet in a double are still two definitions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set
from functools import lru_cache

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.inspection import spans

MAX_DEPTH = 128
LISTS: dict[str, tuple[str, str, str]] = {
    "tools/list": ("tool", "tools", "name"),
    "prompts/list": ("prompt", "prompts", "name"),
    "resources/list": ("resource", "resources", "uri"),
    "resources/templates/list": ("resource_template", "resourceTemplates", "uriTemplate"),
}
"""Method → kind of its definitions, member of the result that lists them, member that names each."""
GREETINGS = frozenset({"initialize", "server/discover"})
INSTRUCTIONS = "instructions"

Key = tuple[str, str]
"""(kind, name) of a definition."""


class Definition(msgspec.Struct, frozen=True):
    """One thing a server offers, as it looks now."""

    kind: str
    name: str
    canonical: bytes
    fingerprint: str
    """`sha256:` and the digest of `canonical` in hexadecimal."""


def definitions_in(method: str, result: bytes) -> list[Definition]:
    """The definitions a result carries, in its order; none for other methods. Raises `Invalid` when it cannot be read.

    A list may name one thing twice: both are returned, and whoever pins them sees two fingerprints for one name.
    """
    if method in GREETINGS:
        raw = _object(result).get(INSTRUCTIONS)
        return [] if raw is None or bytes(raw) == b"null" else [_define(INSTRUCTIONS, "", bytes(raw))]
    if method not in LISTS:
        return []
    kind, member, naming = LISTS[method]
    listed = _object(result).get(member)
    return [] if listed is None else [_define(kind, naming, bytes(raw)) for raw in _array(bytes(listed))]


class _Page(msgspec.Struct):
    cursor: str | None = None
    nextCursor: str | None = None


def whole_kind(method: str, params: bytes, result: bytes) -> str:
    """The kind of which `result` is the whole list, and not one page of it; empty when it is neither, or none."""
    if method not in LISTS:
        return ""
    try:
        asked = msgspec.json.decode(params, type=_Page) if params else _Page()
    except (msgspec.MsgspecError, RecursionError):
        return ""
    return LISTS[method][0] if asked.cursor is None and is_last_page(result) else ""


def is_last_page(result: bytes) -> bool:
    """Whether nothing follows this page of a list; False when it cannot be read."""
    try:
        return msgspec.json.decode(result, type=_Page).nextCursor is None
    except (msgspec.MsgspecError, RecursionError):
        return False


def without_definitions(method: str, result: bytes, held: Set[Key], *, modern: bool = False) -> bytes:
    """The result without the held definitions; every other byte stays, `nextCursor` too.

    As soon as anything of this kind is held, the list differs between callers, so its `cacheScope` becomes `private` on
    every page (MCP 2026-07-28 server/utilities/caching); in the modern era it is added where it is missing.
    Raises `Invalid` when the result cannot be read.
    """
    if method in GREETINGS:
        return _without_member(result, INSTRUCTIONS) if any(kind == INSTRUCTIONS for kind, _ in held) else result
    if method not in LISTS:
        return result
    kind, member, naming = LISTS[method]
    names = {name for of, name in held if of == kind}
    if not names:
        return result
    try:
        text = result.decode()
        for span in reversed(spans.members(text)):
            if span.name == member and text[span.value] == "[":
                text = _thinned(text, span.value, naming, names)
        return _made_private(text, modern).encode()
    except (ValueError, IndexError) as error:
        raise Invalid(f"the result of {method} cannot be read") from error


def canonical(raw: bytes) -> bytes:
    """The canonical form of a JSON text. Raises `Invalid` when it is none, or too deep."""
    try:
        return _write(json.loads(raw, parse_int=_Number, parse_float=_Number, object_pairs_hook=_once), 0).encode()
    except (ValueError, RecursionError) as error:
        raise Invalid("a definition is not JSON, or nested too deeply") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A doubled member has as many meanings as there are readers."""
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a member is there twice")
    return tree


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _write(node: object, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if isinstance(node, _Number):
        return str(node)
    if isinstance(node, dict):
        inner = (f"{json.dumps(key)}:{_write(node[key], depth + 1)}" for key in sorted(node))
        return "{" + ",".join(inner) + "}"
    if isinstance(node, list):
        return "[" + ",".join(_write(item, depth + 1) for item in node) + "]"
    return json.dumps(node)


def _define(kind: str, naming: str, raw: bytes) -> Definition:
    return _cached(kind, naming, raw) if len(raw) <= 65_536 else _make(kind, naming, raw)


def _make(kind: str, naming: str, raw: bytes) -> Definition:
    form = canonical(raw)
    return Definition(kind, _name(raw, naming), form, f"sha256:{hashlib.sha256(form).hexdigest()}")


_cached = lru_cache(maxsize=1024)(_make)


def _name(raw: bytes, naming: str) -> str:
    if not naming:
        return INSTRUCTIONS
    tree = msgspec.json.decode(raw)
    name = tree.get(naming) if isinstance(tree, dict) else None
    return name if isinstance(name, str) else ""


def _object(result: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(result, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid("a result is not a JSON object") from error


def _array(listed: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(listed, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid("a list of definitions is not an array") from error


def _thinned(text: str, at: int, naming: str, names: set[str]) -> str:
    children = spans.items(text, at)
    dropped = {i for i, child in enumerate(children) if _name(text[child.value : child.end].encode(), naming) in names}
    return spans.without(text, children, dropped)


def _made_private(text: str, modern: bool) -> str:
    members = spans.members(text)
    scopes = [span for span in members if span.name == "cacheScope"]
    for span in reversed(scopes):
        text = f'{text[: span.value]}"private"{text[span.end :]}'
    if scopes or not modern:
        return text
    end = members[-1].end if members else text.index("{") + 1
    return f'{text[:end]}{"," if members else ""}"cacheScope":"private"{text[end:]}'


def _without_member(result: bytes, name: str) -> bytes:
    try:
        text = result.decode()
        found = spans.members(text)
        return spans.without(text, found, {i for i, span in enumerate(found) if span.name == name}).encode()
    except ValueError as error:
        raise Invalid("a greeting cannot be read") from error
