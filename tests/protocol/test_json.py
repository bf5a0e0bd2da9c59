"""The strict gate against a slow, obvious oracle."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.json import MAX_DEPTH, read_strictly

NAMES = st.sampled_from(["a", "b", "a\\", 'x":', 'y\\":', "\u0001", "é", "name"])
TEXTS = st.one_of(NAMES, st.sampled_from(['":', ' ":', '\\":', " :", "http://x", '{"a":1}', "\\", '"']))
TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(st.tuples(NAMES, inner), max_size=4)),
    max_leaves=12,
)


def spell(node: object, draw: st.DataObject) -> str:
    """One of the many spellings of a tree; a list of pairs is an object, which may have doubled members."""
    space = draw.draw(st.sampled_from(["", "", " ", "\n", "\t"]))
    if isinstance(node, list) and node and all(isinstance(item, tuple) for item in node):
        colon = draw.draw(st.sampled_from([":", ": ", " :", "\n:\t"]))
        return "{" + space + ("," + space).join(word(k, draw) + colon + spell(v, draw) for k, v in node) + "}"
    if isinstance(node, list):
        return "[" + space + ("," + space).join(spell(item, draw) for item in node) + "]"
    return word(node, draw) if isinstance(node, str) else json.dumps(node)


def word(text: str, draw: st.DataObject) -> str:
    how = draw.draw(st.sampled_from(["plain", "ascii", "escaped"]))
    if how == "escaped":
        return '"' + "".join(f"\\u{ord(sign):04x}" for sign in text) + '"'
    return json.dumps(text, ensure_ascii=how == "ascii")


def has_doubles(node: object) -> bool:
    if isinstance(node, list) and node and all(isinstance(item, tuple) for item in node):
        names = [name for name, _ in node]
        return len(set(names)) < len(names) or any(has_doubles(value) for _, value in node)
    return isinstance(node, list) and any(has_doubles(item) for item in node)


@pytest.mark.behaviour("protocol.doubles-found-whatever-the-spelling")
@given(TREES, st.data())
def test_a_doubled_member_is_found_in_any_spelling_and_nothing_else_is(tree: object, draw: st.DataObject) -> None:
    raw = spell(tree, draw).encode()
    if has_doubles(tree):
        with pytest.raises(BadMessage):
            read_strictly(raw)
    else:
        assert read_strictly(raw) == json.loads(raw)


@given(st.binary(max_size=60))
def test_bytes_are_read_as_json_or_refused_and_nothing_else_happens(raw: bytes) -> None:
    try:
        value = read_strictly(raw)
    except BadMessage:
        return
    assert value == json.loads(raw)


@pytest.mark.parametrize("open_close", ["[]", '{"a":}'])
def test_depth_is_bounded(open_close: str) -> None:
    def nested(levels: int) -> bytes:
        if open_close == "[]":
            return b"[" * levels + b"]" * levels
        return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)

    read_strictly(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 2, 900, 100_000):
        with pytest.raises(BadMessage):
            read_strictly(nested(levels))


def test_many_shallow_objects_are_no_depth() -> None:
    rows = [{"id": n} for n in range(1000)]
    assert read_strictly(json.dumps(rows).encode()) == rows


@pytest.mark.parametrize("number", ["1.10", "1e3", "-0.0", "12345678901234567890", "123456789012345678901234567890"])
def test_any_finite_number_is_read(number: str) -> None:
    assert read_strictly(number.encode()) == json.loads(number)
