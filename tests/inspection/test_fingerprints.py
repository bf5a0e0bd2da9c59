from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.core.errors import Invalid
from watchkeeper.inspection import definitions_in, without_definitions
from watchkeeper.inspection.fingerprints import canonical

TOOL: dict[str, Any] = {
    "name": "add",
    "title": "Add",
    "description": "Adds.",
    "inputSchema": {"type": "object", "properties": {"a": {"type": "number", "maximum": 1.0}}},
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": True},
    "icons": [{"src": "https://a.test/i.png"}],
    "_meta": {"x": 1},
    "execution": {"taskSupport": "optional"},
}


def listed(*tools: dict[str, Any]) -> bytes:
    return json.dumps({"tools": list(tools)}).encode()


def print_of(tool: dict[str, Any]) -> str:
    return definitions_in("tools/list", listed(tool))[0].fingerprint


def test_a_definition_has_a_kind_a_name_a_form_and_a_fingerprint() -> None:
    (found,) = definitions_in("tools/list", b'{"tools":[ {"name":"t", "description" : "\\u00e9\\u200b"} ]}')
    assert (found.kind, found.name) == ("tool", "t")
    assert found.canonical == b'{"description":"\\u00e9\\u200b","name":"t"}'
    assert found.fingerprint == "sha256:" + hashlib.sha256(found.canonical).hexdigest()


@pytest.mark.behaviour("inspection.whole-definition-pinned")
@pytest.mark.parametrize("member", sorted(TOOL))
def test_a_change_of_any_member_is_a_change(member: str) -> None:
    assert print_of(TOOL | {member: "other"}) != print_of(TOOL)
    assert print_of({k: v for k, v in TOOL.items() if k != member}) != print_of(TOOL)


@pytest.mark.behaviour("inspection.whole-definition-pinned")
def test_a_member_nobody_knows_counts_too() -> None:
    assert print_of(TOOL | {"x-new": None}) != print_of(TOOL)


@pytest.mark.parametrize("change", ["1", "1.00", "1e0", "1.0000000000000000000001"])
def test_a_number_written_differently_is_a_change(change: str) -> None:
    raw = listed(TOOL)
    (other,) = definitions_in("tools/list", raw.replace(b'"maximum": 1.0', f'"maximum": {change}'.encode()))
    assert other.fingerprint != print_of(TOOL)


def test_white_space_order_and_escapes_are_no_change() -> None:
    turned = json.dumps({"tools": [dict(reversed(TOOL.items()))]}, indent=3).replace("Adds", "\\u0041dds").encode()
    assert definitions_in("tools/list", turned)[0].fingerprint == print_of(TOOL)


@pytest.mark.parametrize(
    ("method", "result", "expected"),
    [
        ("prompts/list", {"prompts": [{"name": "p"}]}, [("prompt", "p")]),
        ("resources/list", {"resources": [{"uri": "file:///a", "name": "x"}]}, [("resource", "file:///a")]),
        ("resources/templates/list", {"resourceTemplates": [{"uriTemplate": "a{b}"}]}, [("resource_template", "a{b}")]),
        ("initialize", {"instructions": "Be kind."}, [("instructions", "instructions")]),
        ("server/discover", {"instructions": "Be kind."}, [("instructions", "instructions")]),
        ("server/discover", {"instructions": None}, []),
        ("initialize", {}, []),
        ("tools/list", {}, []),
        ("tools/call", {"tools": [{"name": "t"}]}, []),
        ("tools/list", {"tools": [{"name": 3}, {}, "odd"]}, [("tool", ""), ("tool", ""), ("tool", "")]),
        ("tools/list", {"tools": [{"name": "t"}, {"name": "t", "x": 1}]}, [("tool", "t"), ("tool", "t")]),
    ],
)
def test_every_kind_of_definition_is_seen(method: str, result: Any, expected: list[tuple[str, str]]) -> None:
    assert [(d.kind, d.name) for d in definitions_in(method, json.dumps(result).encode())] == expected


@pytest.mark.parametrize(
    "result",
    [
        b"[]",
        b'{"tools":3}',
        b"nonsense",
        b'{"tools":[{"a":1,"a":2}]}',
        b'{"tools":[' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"]}",
        b'{"tools":[' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"]}",
    ],
)
def test_what_cannot_be_read_unambiguously_is_invalid(result: bytes) -> None:
    with pytest.raises(Invalid):
        definitions_in("tools/list", result)


def test_huge_numbers_are_kept_as_they_are() -> None:
    digits = b"9" * 6000
    assert canonical(b'{"a":%s}' % digits) == b'{"a":%s}' % digits


RAW = (
    b'{ "tools" : [ {"name":"a","x":1.50} ,\n {"name" : "b"}, {"name":"c","d":"\\u00e9 \xc3\xa9"} ] , "nextCursor":"" }'
)


@pytest.mark.behaviour("inspection.held-left-out")
@pytest.mark.parametrize(
    ("held", "left"),
    [
        ({"a"}, b'{ "tools" : [ {"name" : "b"}, {"name":"c","d":"\\u00e9 \xc3\xa9"} ] , "nextCursor":"" }'),
        ({"b"}, b'{ "tools" : [ {"name":"a","x":1.50}, {"name":"c","d":"\\u00e9 \xc3\xa9"} ] , "nextCursor":"" }'),
        ({"c"}, b'{ "tools" : [ {"name":"a","x":1.50} ,\n {"name" : "b"} ] , "nextCursor":"" }'),
        ({"a", "b"}, b'{ "tools" : [ {"name":"c","d":"\\u00e9 \xc3\xa9"} ] , "nextCursor":"" }'),
        ({"a", "b", "c"}, b'{ "tools" : [  ] , "nextCursor":"" }'),
        ({"z"}, RAW),
    ],
)
def test_held_definitions_are_left_out_and_every_other_byte_stays(held: set[str], left: bytes) -> None:
    assert without_definitions("tools/list", RAW, {("tool", name) for name in held}) == left


@given(st.lists(st.sampled_from("abcd"), max_size=5), st.sets(st.sampled_from("abcd")), st.sampled_from([None, 1]))
def test_what_is_left_is_the_list_without_the_held(names: list[str], held: set[str], indent: int | None) -> None:
    raw = json.dumps({"a": [1], "tools": [{"name": n, "v": [n]} for n in names], "z": {}}, indent=indent).encode()
    left = without_definitions("tools/list", raw, {("tool", name) for name in held})
    assert json.loads(left) == {"a": [1], "tools": [{"name": n, "v": [n]} for n in names if n not in held], "z": {}}


def test_a_name_in_escapes_is_the_same_name() -> None:
    raw = b'{"t\\u006fols":[{"n\\u0061me":"\\u0061"}]}'
    assert without_definitions("tools/list", raw, {("tool", "a")}) == b'{"t\\u006fols":[]}'


def test_definitions_of_another_kind_do_not_matter() -> None:
    assert without_definitions("tools/list", RAW, {("prompt", "a")}) is RAW
    assert without_definitions("tools/call", RAW, {("tool", "a")}) is RAW


@pytest.mark.behaviour("inspection.filtered-list-private")
@pytest.mark.parametrize(
    ("raw", "modern", "expected"),
    [
        (b'{"tools":[],"cacheScope": "public" ,"ttlMs":5}', True, b'{"tools":[],"cacheScope": "private" ,"ttlMs":5}'),
        (b'{"tools":[],"cacheScope":"public"}', False, b'{"tools":[],"cacheScope":"private"}'),
        (b'{"tools":[ ]}', True, b'{"tools":[ ],"cacheScope":"private"}'),
        (b'{"tools":[]}', False, b'{"tools":[]}'),
        (b"{ }", True, b'{"cacheScope":"private" }'),
    ],
)
def test_a_page_of_a_list_with_something_held_is_private(raw: bytes, modern: bool, expected: bytes) -> None:
    assert without_definitions("tools/list", raw, {("tool", "elsewhere")}, modern=modern) == expected


def test_without_anything_held_the_scope_stays() -> None:
    raw = b'{"tools":[],"cacheScope":"public"}'
    assert without_definitions("tools/list", raw, set(), modern=True) is raw


def test_held_instructions_are_left_out() -> None:
    raw = b'{"capabilities":{}, "instructions":"do" ,"serverInfo":{}}'
    left = without_definitions("initialize", raw, {("instructions", "instructions")})
    assert left == b'{"capabilities":{} ,"serverInfo":{}}'


@pytest.mark.parametrize("raw", [b"[]", b'{"tools":[{"name":"a"}', b'{"tools":[{"name":"a"} {}]}', b"\xff", b""])
def test_a_list_that_cannot_be_read_is_invalid(raw: bytes) -> None:
    with pytest.raises(Invalid):
        without_definitions("tools/list", raw, {("tool", "a")})
