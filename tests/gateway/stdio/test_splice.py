"""Finding members by byte range: nothing nested, escaped or doubled may be taken for the member that is meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.stdio.rewrite import reference_in, renumber, restore
from watchkeeper.gateway.stdio.splice import exchange, members, on_one_line

texts = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=12,
    ),
    max_size=6,
)


@given(texts, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_every_member_is_found_where_a_parser_finds_it(value: dict[str, Any], indent: Any, ascii: bool) -> None:
    raw = json.dumps(value, indent=indent, ensure_ascii=ascii).encode()
    found = members(raw)
    assert {name: json.loads(span.of(raw)) for name, span in found.items()} == value


@pytest.mark.behaviour("stdio.ids-by-byte-range")
def test_only_the_id_of_the_request_itself_is_exchanged() -> None:
    raw = (
        b'\t{ "params" : {"id":1,"s":"\\"id\\":1, \\\\","a":[{"id":1}],'
        b'"_meta":{"id":1,"progressToken" : "a\\u0062" }} , '
        b'"jsonrpc":"2.0","method":"m","\\u0069d" :  "one" , "x":1.0e+2}'
    )
    request = renumber(raw, 42)
    assert request.body == raw.replace(b'"one"', b"42").replace(b'"a\\u0062"', b"42")
    assert (request.id, request.token) == (b'"one"', b'"a\\u0062"')


def test_an_answer_gets_the_id_back_and_keeps_every_other_byte() -> None:
    raw = b'{"result":{"id":7,"z":0.10,"_meta":{"io.modelcontextprotocol/subscriptionId":7}},"jsonrpc":"2.0","id": 7 }'
    expected = raw.replace(b'"id": 7 ', b'"id": "q" ').replace(b'subscriptionId":7', b'subscriptionId":"q"')
    assert restore(raw, b'"q"', 7, is_listen=True) == expected


def test_a_subscription_that_is_not_ours_is_left_alone() -> None:
    raw = b'{"id":7,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":8}}}'
    assert restore(raw, b"1", 7, is_listen=True) == raw.replace(b'"id":7', b'"id":1')


@pytest.mark.parametrize(
    ("method", "params", "number"),
    [
        ("notifications/progress", b'{"progressToken":3,"progress":1}', 3),
        ("notifications/progress", b'{"progressToken":"3"}', None),
        ("notifications/progress", b'{"progressToken":-3}', None),
        ("notifications/progress", b'{"progressToken":true}', None),
        ("notifications/cancelled", b'{"reason":"x","requestId":12}', 12),
        ("notifications/other", b'{"_meta":{"io.modelcontextprotocol/subscriptionId":9},"requestId":1}', 9),
    ],
)
def test_a_notification_names_its_request(method: str, params: bytes, number: int | None) -> None:
    reference = reference_in(b'{"method":"x","params":' + params + b"}", method)
    assert reference is not None
    assert reference.number == number


@pytest.mark.parametrize("params", [b"{}", b"[]", b'{"_meta":[1]}', b'{"_meta":{}}', b'{"requestId":1}'])
def test_a_notification_that_names_none_has_no_reference(params: bytes) -> None:
    assert reference_in(b'{"params":' + params + b"}", "notifications/message") is None


@pytest.mark.parametrize(
    "raw",
    [b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":1', b'{"a":[1', b'{"a"}', b"{1:2}", b'{"a":', b'{"\xff":1}'],
)
def test_what_two_parsers_could_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        members(raw)


@pytest.mark.parametrize("raw", [b"[1]", b"1", b'"x"', b"{}", b" { } "])
def test_what_is_no_object_has_no_members(raw: bytes) -> None:
    assert members(raw) == {}


@pytest.mark.behaviour("stdio.one-line")
def test_line_breaks_between_tokens_become_spaces_and_nothing_else_changes() -> None:
    raw = b'{\r\n "a\\n": "b\\\\",\n\t"c": [1,\r2]\n}'
    assert on_one_line(raw) == b'{   "a\\n": "b\\\\", \t"c": [1, 2] }'
    assert on_one_line(b'{"a": "x  y"}') == b'{"a": "x  y"}'


def test_a_line_break_inside_a_string_is_refused() -> None:
    with pytest.raises(Invalid):
        on_one_line(b'{"a":"x\ny"}')


def test_edits_are_applied_by_place_whatever_their_order() -> None:
    raw = b'{"a":1,"b":22,"c":3}'
    found = members(raw)
    assert exchange(raw, [(found["c"], b"'"), (found["a"], b"xyz")]) == b'{"a":xyz,"b":22,"c":\'}'
