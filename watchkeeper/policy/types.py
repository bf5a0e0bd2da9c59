"""From a tool's JSON Schema to Cedar types, and from JSON values to Cedar values of these types.

| JSON Schema | Cedar |
|---|---|
| `integer` | Long; beyond 64 bits: refused |
| `number` | `decimal`, four digits after the point; more, or beyond its range: refused |
| `string`, enumerations of strings | String |
| `boolean` | Bool |
| `array` with `items` of one of these | Set (order and repeats are lost) |
| `object` with `properties` | a record of them |
| `null` | the member is absent |

Everything else (several types at once, free objects) has no Cedar type. Where a policy would need such a value, or
one that the schema does not declare, the answer is `Unrepresentable`: guessing would let a call slip past a forbid.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec

from watchkeeper.policy.reads import Reads
from watchkeeper.policy.schemas import UnusableSchema, resolve

_SCALARS = {"integer": "Long", "number": "decimal", "string": "String", "boolean": "Bool"}
_MAX_LONG = 2**63
_MAX_DECIMAL = Decimal("922337203685477.5807")
_MAX_LEVELS = 8


class Unrepresentable(ValueError):
    """A value that Cedar cannot hold as its schema says. The message names the argument, never its value."""


class CedarType(msgspec.Struct, frozen=True):
    """`name` is Long, decimal, String, Bool, Set or Record."""

    name: str
    item: CedarType | None = None
    members: dict[str, tuple[CedarType, bool]] = {}
    """Name → type and whether it is required."""

    def __str__(self) -> str:
        if self.name == "Set":
            return f"Set<{self.item}>"
        if self.name == "Record":
            parts = (f"{json.dumps(n)}{'' if must else '?'}: {kind}" for n, (kind, must) in self.members.items())
            return "{ " + ", ".join(parts) + " }"
        return self.name


def record_of(root: dict[str, Any], reads: Reads) -> CedarType:
    """The record of those arguments that are read and have a type. Raises `UnusableSchema`."""
    whole = _type_of(root, root, 0) or CedarType("Record")
    kept = {name: entry for name, entry in whole.members.items() if reads.everything or name in reads.names}
    return CedarType("Record", members=kept)


def encode(arguments: dict[str, Any], record: CedarType, reads: Reads) -> dict[str, Any]:
    """Cedar's JSON form of the arguments that are read. Raises `Unrepresentable`."""
    seen = {name: value for name, value in arguments.items() if reads.everything or name in reads.names}
    return _record(seen, record, "")


def _type_of(schema: Any, root: dict[str, Any], level: int) -> CedarType | None:
    if not isinstance(schema, dict) or level > _MAX_LEVELS:
        return None
    if "$ref" in schema:
        return _type_of(resolve(root, schema["$ref"]), root, level + 1)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema and "type" not in schema:
            options = [option for option in schema[choice] if option != {"type": "null"}]
            return _type_of(options[0], root, level + 1) if len(options) == 1 else None
    return _of_kind(_kind(schema), schema, root, level)


def _of_kind(kind: str, schema: dict[str, Any], root: dict[str, Any], level: int) -> CedarType | None:
    if kind in _SCALARS:
        return CedarType(_SCALARS[kind])
    if kind == "array":
        item = _type_of(schema.get("items"), root, level + 1)
        return CedarType("Set", item) if item else None
    if kind != "object" or not isinstance(schema.get("properties"), dict):
        return None
    required = schema.get("required", ())
    members: dict[str, tuple[CedarType, bool]] = {}
    for name, below in schema["properties"].items():
        if _is_plain(name) and (found := _type_of(below, root, level + 1)):
            members[name] = (found, name in required and not _can_be_null(below, root, 0))
    return CedarType("Record", members=members)


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        others = [k for k in kind if k != "null"]
        kind = others[0] if len(others) == 1 else None
    if kind is None and "properties" in schema:
        return "object"
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if kind is None and values and all(isinstance(value, str) for value in values):
        return "string"
    return kind if isinstance(kind, str) else ""


def _can_be_null(schema: Any, root: dict[str, Any], level: int) -> bool:
    if not isinstance(schema, dict) or level > _MAX_LEVELS:
        return True
    if "$ref" in schema:
        return _can_be_null(resolve(root, schema["$ref"]), root, level + 1)
    options = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    kind = schema.get("type")
    return kind == "null" or (isinstance(kind, list) and "null" in kind) or {"type": "null"} in options


def _value(value: Any, kind: CedarType, path: str) -> Any:
    if kind.name == "Record" and isinstance(value, dict):
        return _record(value, kind, path)
    if kind.name == "Set" and isinstance(value, list) and kind.item:
        return [_value(item, kind.item, path) for item in value]
    if kind.name == "Bool" and isinstance(value, bool):
        return value
    if kind.name == "String" and isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unrepresentable(f"{path} has a form that policies cannot judge")
    return _number(value, kind, path)


def _number(value: int | Decimal, kind: CedarType, path: str) -> Any:
    number = Decimal(value)
    if kind.name == "Long" and abs(number) < _MAX_LONG and number == int(number):
        return int(number)
    if kind.name == "decimal" and abs(number) <= _MAX_DECIMAL and number == round(number, 4):
        return {"__extn": {"fn": "decimal", "arg": f"{number:.4f}"}}
    raise Unrepresentable(f"{path} is a number that policies cannot judge: too large, or too many digits")


def _record(value: dict[str, Any], kind: CedarType, path: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        if item is None:
            continue
        if name not in kind.members:
            raise Unrepresentable(f"{_safe(where)} is not declared by the tool in a form that policies can judge")
        out[name] = _value(item, kind.members[name][0], where)
    return out


def _is_plain(name: str) -> bool:
    """Whether a server's name for a member can stand in a schema and in a reason as it is."""
    return name.isascii() and name.isprintable() and not {'"', "\\"} & set(name)


def _safe(path: str) -> str:
    return path if _is_plain(path) and len(path) <= 60 else "an argument"


__all__ = ["CedarType", "Unrepresentable", "UnusableSchema", "encode", "record_of"]
