from __future__ import annotations

import json
from typing import Any

import pytest

from watchkeeper.policy.schemas import UnusableSchema, make_validator, parse_schema


def usable(tree: Any) -> Any:
    return make_validator(parse_schema(json.dumps(tree).encode()))


@pytest.mark.behaviour("policy.no-network-reference")
@pytest.mark.parametrize(
    "tree",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": {"a": {"$ref": "https://schema.test/a"}}},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"$schema": "https://schema.test/own-dialect"},
        {"$ref": "other.json#/a"},
        {"$id": "http://127.0.0.1:9/x", "$ref": "y"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#anchor"},
        {"$ref": 7},
        {"$dynamicRef": "#a"},
        {"properties": {"a": {"$id": "inner", "$defs": {"d": {}}, "$ref": "#/$defs/d"}}, "$defs": {"d": {}}},
    ],
)
def test_a_reference_that_is_not_local_and_defined_is_refused(tree: Any) -> None:
    with pytest.raises(UnusableSchema):
        usable(tree)


def laughs(levels: int) -> dict[str, Any]:
    defs: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, levels):
        defs[f"d{level}"] = {"anyOf": [{"$ref": f"#/$defs/d{level - 1}"}] * 2}
    return {"$defs": defs, "$ref": f"#/$defs/d{levels - 1}"}


def deep(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        tree = {"properties": {"a": tree}}
    return tree


@pytest.mark.behaviour("policy.schema-bounded")
@pytest.mark.parametrize(
    "tree",
    [
        laughs(40),
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]},
        deep(60),
        {"description": "x" * 300_000},
        [],
        {"type": "objekt"},
    ],
    ids=["laughs", "self", "two selves", "circle", "doubling", "deep", "large", "no object", "no schema"],
)
def test_a_schema_that_would_take_too_much_work_is_refused(tree: Any) -> None:
    with pytest.raises(UnusableSchema):
        usable(tree)


def test_trees_and_shared_definitions_are_fine() -> None:
    tree = {
        "type": "object",
        "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}, "v": {"type": "integer"}}}},
        "properties": {"root": {"$ref": "#/$defs/node"}},
    }
    validator = usable(tree)
    assert validator.is_valid({"root": {"next": {"next": {"v": 1}}}})
    assert not validator.is_valid({"root": {"next": {"next": {"v": "x"}}}})
    assert usable(laughs(8)).is_valid("x")


def test_a_pattern_takes_linear_time() -> None:
    assert not usable({"pattern": "^(a+)+$"}).is_valid("a" * 40 + "!")


def test_what_is_no_json_is_refused() -> None:
    for raw in (b"", b"{", b"[" * 100_000, b"\xff"):
        with pytest.raises(UnusableSchema):
            parse_schema(raw)
