"""The input schema of a tool that nobody showed us, as the policies about it use its arguments.

Every argument may be left out. A counterexample says which schema it was found for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from watchkeeper.policy.diff.symbols import Outside

_BOOLS = ("&&", "||")
_LONGS = ("<", "<=", ">", ">=", "+", "-", "*")
_DECIMALS = ("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual")
_SETS = ("containsAny", "containsAll")
Shape = dict[str, Any]
STRING, LONG, BOOL, NUMBER = ({"type": kind} for kind in ("string", "integer", "boolean", "number"))


def guessed(conditions: Iterable[Any]) -> Shape:
    """A schema under which all these conditions make sense. Raises `Outside`."""
    root: Shape = {"type": "object", "properties": {}}
    for body in conditions:
        _walk(body, BOOL, root)
    return root


def _walk(node: Any, wanted: Shape | None, root: Shape) -> None:
    """Note what is used as what; `wanted` is what this place needs."""
    if not isinstance(node, dict):
        return
    op, inner = _split(node)
    path = _path(node)
    if path is not None:
        _note(root, path, None if op == "has" else wanted)
    elif op in _BOOLS:
        _each(inner, BOOL, root)
    elif op in _LONGS:
        _each(inner, LONG, root)
    elif op in _DECIMALS:
        for part in inner:
            _walk(part, NUMBER, root)
    elif op == "like":
        _walk(inner["left"], STRING, root)
    elif op in ("==", "!=") or op in _SETS:
        _pair(inner["left"], inner["right"], root, is_set=op in _SETS)
    elif op == "contains":
        _contains(inner, root)
    else:
        _others(op, inner, wanted, root)


def _split(node: dict[str, Any]) -> tuple[Any, Any]:
    return next(iter(node.items())) if len(node) == 1 else (None, None)


def _others(op: Any, inner: Any, wanted: Shape | None, root: Shape) -> None:
    if op == "!":
        _walk(inner["arg"], BOOL, root)
    elif op == "neg":
        _walk(inner["arg"], LONG, root)
    elif op == "isEmpty":
        path = _path(inner["arg"]) if isinstance(inner["arg"], dict) else None
        _walk(inner["arg"], None if path and _known(root, path) else {"type": "array", "items": STRING}, root)
    elif op == "if-then-else":
        _walk(inner["if"], BOOL, root)
        _walk(inner["then"], wanted, root)
        _walk(inner["else"], wanted, root)
    elif op in (".", "has", "is"):
        _walk(inner["left"], None, root)
    elif op == "Set":
        for part in inner:
            _walk(part, None, root)
    elif op == "in":
        _each(inner, None, root)


def _each(inner: Any, wanted: Shape | None, root: Shape) -> None:
    _walk(inner["left"], wanted, root)
    _walk(inner["right"], wanted, root)


def _pair(left: Any, right: Any, root: Shape, *, is_set: bool) -> None:
    fallback = {"type": "array", "items": STRING} if is_set else None
    _walk(left, _shape(right, root) or fallback, root)
    _walk(right, _shape(left, root) or fallback, root)


def _contains(inner: Any, root: Shape) -> None:
    of_right = _shape(inner["right"], root)
    _walk(inner["left"], {"type": "array", "items": of_right or STRING}, root)
    of_left = _shape(inner["left"], root) or {}
    _walk(inner["right"], of_left.get("items"), root)


def _shape(node: Any, root: Shape) -> Shape | None:
    """What an operand is, where it says so itself."""
    if not isinstance(node, dict) or len(node) != 1:
        return None
    ((op, inner),) = node.items()
    if op == "Value":
        return (
            BOOL
            if isinstance(inner, bool)
            else LONG
            if isinstance(inner, int)
            else STRING
            if isinstance(inner, str)
            else None
        )
    if op == "Set":
        return {"type": "array", "items": next(filter(None, (_shape(part, root) for part in inner)), STRING)}
    if op in ("+", "-", "*", "neg"):
        return LONG
    if op == "decimal":
        return NUMBER
    if op in ("==", "!", "like", "contains", "has", *_BOOLS, *_SETS):
        return BOOL
    if op == "." and inner["attr"] in ("name", "server", "pin") and "Var" in inner["left"]:
        return STRING
    if op == "." and inner["attr"] in ("findings", "labels", "flow", "counts", "times"):
        return {"type": "array", "items": STRING}
    path = _path(node)
    return _known(root, path) if path else None


def _path(node: dict[str, Any]) -> tuple[str, ...] | None:
    """The steps below `context.arguments`; None for anything else."""
    steps: list[str] = []
    at: Any = node
    while isinstance(at, dict) and len(at) == 1:
        if at == {".": {"left": {"Var": "context"}, "attr": "arguments"}}:
            return tuple(reversed(steps)) or None
        inner = at.get(".") or (at.get("has") if at is node else None)
        if not isinstance(inner, dict):
            return None
        steps.append(str(inner.get("attr")))
        at = inner.get("left")
    return None


def _known(root: Shape, path: tuple[str, ...]) -> Shape | None:
    at: Any = root
    for step in path:
        at = at.get("properties", {}).get(step)
        if at is None:
            return None
    return at or None


def _note(root: Shape, path: tuple[str, ...], wanted: Shape | None) -> None:
    at = root
    for number, step in enumerate(path):
        if at.setdefault("type", "object") != "object":
            raise Outside(f"the argument {'.'.join(path)}, which is used as two types")
        below = at.setdefault("properties", {}).setdefault(step, {})
        if number + 1 < len(path):
            at = below
        elif wanted and below and below != wanted:
            raise Outside(f"the argument {'.'.join(path)}, which is used as two types")
        elif wanted:
            below.update(wanted)


def settled(shape: Shape) -> Shape:
    """What is only asked after (`has`) is a text."""
    if shape.get("type") == "object":
        return shape | {"properties": {name: settled(below or STRING) for name, below in shape["properties"].items()}}
    return shape


def required(shape: Shape) -> Shape:
    """The same, with no argument that may be left out."""
    if shape.get("type") != "object":
        return shape
    below = {name: required(inner) for name, inner in shape["properties"].items()}
    return shape | {"properties": below, "required": sorted(below)}
