from __future__ import annotations

from typing import Any

import cedarpy
import pytest

from watchkeeper.policy.reads import Reads
from watchkeeper.policy.types import Unrepresentable, encode, record_of

ALL = Reads(everything=True)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"a": {"type": "string"}}, '{ "a"?: String }'),
        ({"a": {"type": ["integer", "null"]}}, '{ "a"?: Long }'),
        ({"a": {"anyOf": [{"type": "number"}, {"type": "null"}]}}, '{ "a"?: decimal }'),
        ({"a": {"enum": ["x", "y"]}}, '{ "a"?: String }'),
        ({"a": {"const": "x"}}, '{ "a"?: String }'),
        ({"a": {"enum": ["x", 1]}}, "{  }"),
        ({"a": {"type": "array", "items": {"type": "boolean"}}}, '{ "a"?: Set<Bool> }'),
        ({"a": {"type": "array"}}, "{  }"),
        (
            {"a": {"type": "object", "properties": {"b c": {"type": "string"}}, "required": ["b c"]}},
            '{ "a"?: { "b c": String } }',
        ),
        ({"a": {"$ref": "#/$defs/x"}}, '{ "a"?: Long }'),
        ({"a": {}}, "{  }"),
        ({"a": True}, "{  }"),
    ],
)
def test_schemas_become_cedar_types(properties: Any, expected: str) -> None:
    tree = {"type": "object", "properties": properties, "$defs": {"x": {"type": "integer"}}}
    record = record_of(tree, ALL)
    assert str(record) == expected
    cedarpy.Schema.from_str(f"type A = {record};")


def test_what_may_be_null_is_never_required() -> None:
    tree = {"properties": {"a": {"type": ["string", "null"]}, "b": {"type": "string"}}, "required": ["a", "b"]}
    assert str(record_of(tree, ALL)) == '{ "a"?: String, "b": String }'


def test_names_from_a_server_cannot_break_out_of_the_schema() -> None:
    tree = {
        "properties": {'x"?: Bool }; entity Evil; type B = { "y': {"type": "string"}, "\u202e\n": {"type": "string"}}
    }
    record = record_of(tree, ALL)
    assert str(record) == "{  }"


@pytest.mark.parametrize(
    ("properties", "arguments", "expected"),
    [
        ({"a": {"type": "integer"}}, {"a": 3}, {"a": 3}),
        ({"a": {"type": "array", "items": {"type": "string"}}}, {"a": ["x", "y"]}, {"a": ["x", "y"]}),
        ({"a": {"type": "object", "properties": {"b": {"type": "boolean"}}}}, {"a": {"b": True}}, {"a": {"b": True}}),
        ({"a": {"type": "number"}}, {"a": 2}, {"a": {"__extn": {"fn": "decimal", "arg": "2.0000"}}}),
        ({"a": {"type": "string"}}, {"a": None}, {}),
    ],
)
def test_values_become_cedar_values(properties: Any, arguments: Any, expected: Any) -> None:
    assert encode(arguments, record_of({"properties": properties}, ALL), ALL) == expected


@pytest.mark.parametrize(
    ("properties", "arguments"),
    [
        ({"a": {"type": "integer"}}, {"a": True}),
        ({"a": {"type": "string"}}, {"a": 1}),
        ({"a": {"type": "array", "items": {"type": "string"}}}, {"a": ["x", None]}),
        ({"a": {"type": "object", "properties": {}}}, {"a": {"b": 1}}),
        ({}, {"a": 1}),
    ],
)
def test_a_value_without_a_cedar_form_is_refused(properties: Any, arguments: Any) -> None:
    with pytest.raises(Unrepresentable) as caught:
        encode(arguments, record_of({"properties": properties}, ALL), ALL)
    assert "a" in str(caught.value)


def test_only_what_is_read_is_encoded() -> None:
    tree = {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    reads = Reads(frozenset({"b"}))
    assert encode({"a": "1", "b": "2"}, record_of(tree, reads), reads) == {"b": "2"}
