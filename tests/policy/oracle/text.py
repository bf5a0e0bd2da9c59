"""Policies in Cedar's JSON form, written as text, so that the engine reads what people write."""

from __future__ import annotations

import json
from typing import Any

_INFIX = {"==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", "in"}
_METHODS = {"contains", "containsAll", "containsAny"}
_OF_DECIMALS = {"lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"}


def text_of(tree: dict[str, Any]) -> str:
    """One policy."""
    notes = " ".join(f"@{name}({_quoted(value)})" for name, value in tree["annotations"].items())
    scope = ", ".join(_scope(name, tree[name]) for name in ("principal", "action", "resource"))
    conditions = "".join(f" {one['kind']} {{ {expression(one['body'])} }}" for one in tree["conditions"])
    return f"{notes}\n{tree['effect']} ({scope}){conditions};\n"


def expression(node: dict[str, Any]) -> str:
    """One expression, in brackets wherever there may be a doubt."""
    ((operator, inner),) = node.items()
    if operator == "Value":
        return _literal(inner)
    if operator == "Var":
        return str(inner)
    if operator == "Set":
        return f"[{', '.join(map(expression, inner))}]"
    if operator == "Record":
        return "{" + ", ".join(f"{_quoted(name)}: {expression(one)}" for name, one in inner.items()) + "}"
    if operator == "decimal":
        return f"decimal({expression(inner[0])})"
    if operator in _OF_DECIMALS:
        return f"{expression(inner[0])}.{operator}({expression(inner[1])})"
    if operator == "if-then-else":
        return f"(if {expression(inner['if'])} then {expression(inner['then'])} else {expression(inner['else'])})"
    if operator in ("!", "neg"):
        return f"({'!' if operator == '!' else '-'}{expression(inner['arg'])})"
    if operator == "isEmpty":
        return f"{expression(inner['arg'])}.isEmpty()"
    left = expression(inner["left"])
    if operator in _INFIX:
        return f"({left} {operator} {expression(inner['right'])})"
    if operator in _METHODS:
        return f"{left}.{operator}({expression(inner['right'])})"
    if operator == ".":
        return f"{left}[{_quoted(inner['attr'])}]"
    if operator == "has":
        return f"({left} has {_quoted(inner['attr'])})"
    if operator == "like":
        return f"({left} like {_pattern(inner['pattern'])})"
    below = f" in {expression(inner['in'])}" if "in" in inner else ""
    return f"({left} is {inner['entity_type']}{below})"


def _scope(name: str, scope: dict[str, Any]) -> str:
    if scope["op"] == "All":
        return name
    if scope["op"] == "is":
        below = f" in {_uid(scope['in']['entity'])}" if "in" in scope else ""
        return f"{name} is {scope['entity_type']}{below}"
    named = f"[{', '.join(map(_uid, scope['entities']))}]" if "entities" in scope else _uid(scope["entity"])
    return f"{name} {scope['op']} {named}"


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return _uid(value["__entity"])
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _uid(entity: dict[str, str]) -> str:
    return f"{entity['type']}::{_quoted(entity['id'])}"


def _pattern(pattern: list[Any]) -> str:
    parts = ("*" if part == "Wildcard" else part["Literal"].replace("*", "\\*") for part in pattern)
    return '"' + "".join(parts) + '"'


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
