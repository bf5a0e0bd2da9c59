"""`x-mcp-header` in a tool's input schema: which arguments are repeated in headers, and whether that is well said.

A tool that says it badly is not offered: its header could be forged, doubled, or read from a place that only some
readers look at (MCP 2026-07-28 basic/transports/streamable-http#schema-extension).
"""

from __future__ import annotations

import string
from functools import lru_cache
from typing import Any

import msgspec

KEY = "x-mcp-header"
MARK = b'"x-mcp-header"'
"""What a schema in its canonical form has somewhere when it has an annotation."""

_TOKEN = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")
_PRIMITIVE = frozenset({"string", "integer", "boolean"})
_DATA = frozenset({"default", "examples", "const", "enum"})
"""Keywords whose values are data: what looks like an annotation there is none."""
_OF_NAMES = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose members are names of the author's choice, not keywords."""

_LONGEST_KEPT = 65_536
"""Bytes of a schema whose answer is kept; a longer one costs more memory than time."""


class Flawed(Exception):
    """An annotation that breaks the rules; the message says which rule, and quotes nothing."""


def flaw_in(schema: bytes) -> str:
    """Why the annotations of an input schema, in its canonical form, are invalid; empty when they are not, or when
    there are none."""
    return _cached(schema) if len(schema) <= _LONGEST_KEPT else _flaw_in(schema)


def _flaw_in(schema: bytes) -> str:
    if MARK not in schema:
        return ""
    try:
        tree = msgspec.json.decode(schema)
    except (msgspec.DecodeError, RecursionError):
        return ""
    seen: set[str] = set()
    try:
        _look(tree, (), seen, is_reachable=True)
    except Flawed as flaw:
        return str(flaw)
    except RecursionError:
        return "is nested too deeply"
    return ""


_cached = lru_cache(maxsize=1024)(_flaw_in)


def _look(node: Any, path: tuple[str, ...], seen: set[str], *, is_reachable: bool) -> None:
    if isinstance(node, list):
        for item in node:
            _look(item, path, seen, is_reachable=False)
        return
    if not isinstance(node, dict):
        return
    if KEY in node:
        _check(node, seen, is_reachable=is_reachable and bool(path))
    for keyword, value in node.items():
        if keyword in _DATA or keyword == KEY:
            continue
        if keyword in _OF_NAMES and isinstance(value, dict):
            through = is_reachable and keyword == "properties"
            for name, child in value.items():
                _look(child, (*path, name), seen, is_reachable=through)
        else:
            _look(value, path, seen, is_reachable=False)


def _check(node: dict[str, Any], seen: set[str], *, is_reachable: bool) -> None:
    token = node[KEY]
    if not is_reachable:
        raise Flawed("an annotation is not reached through properties alone")
    if not isinstance(token, str) or not token:
        raise Flawed("an annotation is empty or no text")
    if not _TOKEN.issuperset(token):
        raise Flawed("an annotation is no name of a header")
    if not isinstance(node.get("type"), str) or node["type"] not in _PRIMITIVE:
        raise Flawed("an annotation is on something other than a string, an integer or a boolean")
    if token.lower() in seen:
        raise Flawed("two annotations name one header")
    seen.add(token.lower())
