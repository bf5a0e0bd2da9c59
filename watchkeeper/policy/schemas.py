"""JSON Schema of a tool's input, handled as hostile: never a network reference, bounded in size, depth and work.

MCP basic/index#ref-resolution: a reference that cannot be resolved is refused, not ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import jsonschema_rs
import msgspec

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_ARGUMENTS_DEPTH = 16
MAX_WORK = 20_000
"""Schema nodes visited for one value nested as deeply as arguments may be."""
_IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
_BELOW = (
    *("properties", "patternProperties", "additionalProperties", "propertyNames", "items", "prefixItems"),
    *("additionalItems", "contains", "unevaluatedItems", "unevaluatedProperties", "dependencies"),
)
_OF_NAMES = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies"})
_REFUSED = frozenset({"$dynamicRef", "$recursiveRef"})


class UnusableSchema(ValueError):
    """The schema cannot be used to check arguments; the message says why, without quoting it."""


def parse_schema(raw: bytes) -> dict[str, Any]:
    """The schema as a tree, within our bounds. Raises `UnusableSchema`."""
    if len(raw) > MAX_BYTES:
        raise UnusableSchema(f"is larger than {MAX_BYTES} bytes")
    try:
        tree = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnusableSchema("is not JSON") from error
    if not isinstance(tree, dict):
        raise UnusableSchema("is not an object")
    _bound(tree)
    return tree


def make_validator(tree: dict[str, Any], *, formats: bool = False) -> jsonschema_rs.Validator:
    """A validator of JSON Schema 2020-12, or of the draft the schema names. Raises `UnusableSchema`.

    With `formats`, a `format` is a promise that is kept, as many clients read it.
    """
    try:
        return jsonschema_rs.validator_for(
            tree,
            retriever=_refuse,
            mask="…",
            validate_formats=formats,
            pattern_options=jsonschema_rs.RegexOptions(),  # linear time
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        raise UnusableSchema("is not a valid JSON Schema, or refers to something outside itself") from error


def resolve(root: dict[str, Any], reference: object) -> Any:
    """The target of a local reference (`#`, `#/a/b`). Raises `UnusableSchema` for any other."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise UnusableSchema("refers to something outside itself")
    node: Any = root
    for step in reference[2:].split("/") if len(reference) > 1 else ():
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(name)] if isinstance(node, list) else node[name]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise UnusableSchema("refers to something that it does not define") from error
    return node


def _refuse(_uri: str) -> NoReturn:
    raise ValueError("references are never fetched")


def _bound(root: dict[str, Any]) -> None:
    """Refuse schemas too deep, or whose references multiply the work (a "billion laughs" in JSON Schema)."""
    stack: list[tuple[Any, int]] = [(root, 0)]
    identifiers = ("$id", "id") if "draft-04" in str(root.get("$schema")) else ("$id",)
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise UnusableSchema("is nested too deeply")
        if isinstance(node, dict):
            if not _REFUSED.isdisjoint(node):
                raise UnusableSchema("uses dynamic references, which are not supported")
            if depth and any(isinstance(node.get(name), str) for name in identifiers):
                raise UnusableSchema("names a part of itself, so that its references mean two things")
            stack += ((child, depth + 1) for child in node.values())
        elif isinstance(node, list):
            stack += ((child, depth + 1) for child in node)
    if work_of(root) > MAX_WORK:
        raise UnusableSchema("takes too much work to check")


def work_of(root: dict[str, Any]) -> int:
    """How many schema nodes are visited for one value, nested as deeply as arguments may be; at most `MAX_WORK` + 1."""
    return _Work(root).of(root, MAX_ARGUMENTS_DEPTH)


class _Work:
    """How many schema nodes apply to one value, counting what references multiply."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._known: dict[tuple[int, int], int] = {}
        self._open: set[tuple[int, int]] = set()

    def of(self, node: Any, depth: int) -> int:
        if not isinstance(node, dict) or depth < 0:
            return 1
        key = (id(node), depth)
        if key in self._known:
            return self._known[key]
        if key in self._open or len(self._open) > 500:
            raise UnusableSchema("refers to itself without end")
        self._open.add(key)
        total = 1
        for child, step in self._children(node):
            total = min(total + self.of(child, depth - step), MAX_WORK + 1)
        self._open.discard(key)
        self._known[key] = total
        return total

    def _children(self, node: dict[str, Any]) -> Iterator[tuple[Any, int]]:
        if "$ref" in node:
            yield resolve(self._root, node["$ref"]), 0
        for name in (*_IN_PLACE, *_BELOW):
            child = node.get(name)
            step = int(name in _BELOW)
            if isinstance(child, list):
                yield from ((item, step) for item in child)
            elif isinstance(child, dict):
                yield from ((item, step) for item in child.values()) if name in _OF_NAMES else ((child, step),)
