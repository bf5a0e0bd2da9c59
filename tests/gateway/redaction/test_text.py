"""No byte of a value survives in what is forwarded, however it was written; and nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.redaction.conftest import ADDRESS, ALICE, CRM, TOKEN, MakeGuard, answer, call
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.redaction.placeholders import IN_BYTES, PATTERN
from watchkeeper.gateway.redaction.text import Draft, Inexact
from watchkeeper.inspection.strings import members_of
from watchkeeper.protocol.message import Message, parse_message

VALUES = (ADDRESS, TOKEN, "DE41 5172 8821 5558 2444 49", "+49 30 5557 2210")
WORDS = st.sampled_from(["a", "note: ", "\n", "é", "\u4e2d", '"quoted" ', "\\ ", "{", "[[x]] ", "/", "\u2028"])
PIECES = st.lists(st.one_of(WORDS, st.sampled_from(VALUES).map(lambda value: f" {value} ")), min_size=1, max_size=6)
STRINGS = PIECES.map("".join)
SCALARS = st.one_of(STRINGS, st.integers(0, 99), st.booleans(), st.none(), st.just(0.5))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4)),
    max_leaves=12,
)


def spelled(tree: Any, draw: Any) -> str:
    """JSON with its strings escaped at random, its members in any order and white space between."""
    if isinstance(tree, str):
        return '"' + "".join(_spelled(sign, draw) for sign in tree) + '"'
    if isinstance(tree, dict):
        names = draw(st.permutations(sorted(tree)))
        return "{ " + " ,".join(f"{spelled(name, draw)} : {spelled(tree[name], draw)}" for name in names) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(spelled(item, draw) for item in tree) + " ]"
    return json.dumps(tree)


def _spelled(sign: str, draw: Any) -> str:
    if draw(st.integers(0, 9)) == 0 and ord(sign) < 0x10000:
        return f"\\u{ord(sign):04x}"
    return json.dumps(sign, ensure_ascii=False)[1:-1]


def strings_of(data: bytes) -> str:
    found = members_of(data)
    assert found is not None
    return "\0".join(member.value for member in found)


def unchanged(before: Any, after: Any) -> bool:
    """Whether two trees differ in nothing but values that became placeholders."""
    if isinstance(before, str):
        for value in VALUES:
            before = before.replace(value, "@")
        return isinstance(after, str) and before == PATTERN.sub("@", after)
    if isinstance(before, dict):
        return list(before) == list(after) and all(unchanged(before[name], after[name]) for name in before)
    if isinstance(before, list):
        return len(before) == len(after) and all(map(unchanged, before, after))
    return bool(before == after)


@pytest.mark.behaviour("redaction.no-byte-survives")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), TREES)
def test_no_value_survives_in_any_spelling_and_nothing_else_changes(make: MakeGuard, data: Any, tree: Any) -> None:
    guard = _shared(make)
    raw = f'{{"jsonrpc":"2.0","id":1,"result":{{"structuredContent":{spelled(tree, data.draw)}}}}}'.encode()
    message = parse_message(raw)
    ruling = guard.on_answer(CRM, ALICE, call(), message)
    passed = ruling.body if ruling.body is not None else raw
    if ruling.verdict.effect == "deny":
        pytest.fail(f"denied by {ruling.verdict.rules}")
    said = strings_of(passed)
    assert not any(value in said or value.encode() in passed for value in VALUES)
    assert unchanged(msgspec.json.decode(raw), msgspec.json.decode(passed))
    back = guard.on_request(CRM, ALICE, call(all=msgspec.json.decode(passed)["result"]["structuredContent"]))
    if ruling.body is not None:
        assert back.body is not None
        assert msgspec.json.decode(back.body)["params"]["arguments"]["all"] == tree
    assert not (IN_BYTES.search(raw))


_guards: list[Guard] = []


def _shared(make: MakeGuard) -> Guard:
    if not _guards:
        _guards.append(make('@id("mine.secrets-go-back") @reason("r") permit (principal, action, resource);'))
    return _guards[0]


@pytest.mark.parametrize("pointer", ["", "/none", "/a/9", "/a/x", "/n/deep", "/~7", "/flag"])
def test_a_place_that_is_not_there_is_no_place(pointer: str) -> None:
    draft = Draft(answer({"a": ["x"], "n": "text", "flag": True}))
    with pytest.raises(Inexact):
        draft.at(pointer)


def test_a_member_with_an_odd_name_is_found_by_its_position() -> None:
    draft = Draft(answer({"a": 1, "odd name": "x"}))
    assert draft.at("/~1") == ({"a": 1, "odd name": "x"}, "odd name")


def test_a_message_whose_part_is_not_its_own_cannot_be_changed() -> None:
    with pytest.raises(Inexact):
        Draft(Message(b'{"error":"other"}', "error", error=b'"x"'))
    with pytest.raises(Inexact):
        Draft(Message(b"no json", "error", error=b'"x"'))


def test_numbers_stay_as_they_were_written() -> None:
    raw = b'{"jsonrpc":"2.0","id":1,"result":{"n":[1.10,1e400,-0.0,12345678901234567890123],"s":"x"}}'
    draft = Draft(parse_message(raw.replace(b"1e400", b"1e300")))
    assert draft.close().raw == raw.replace(b"1e400", b"1e300")
