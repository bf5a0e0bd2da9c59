"""Renaming spares every other byte, whatever the message; a seal opens for what it was closed for, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.asking import encode_mirror
from watchkeeper.gateway.aggregate.pages import Bookmark, Position
from watchkeeper.gateway.aggregate.seal import Seal
from watchkeeper.gateway.aggregate.telling import OF_A_CALL, OF_ALL, as_event, id_of, read_id
from watchkeeper.protocol import sse
from watchkeeper.protocol.headers import decode_mirror
from watchkeeper.protocol.message import parse_message

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_VENDOR = st.dictionaries(_TEXT.map(lambda text: f"x/{text}"), _JSON, max_size=3)


def spelled(value: Any, *, ascii_only: bool, spaced: bool) -> bytes:
    separators = (" , ", " :\t") if spaced else (",", ":")
    return json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()


@pytest.mark.behaviour("aggregate.every-other-byte-stays")
@given(name=_TEXT, vendor=_VENDOR, arguments=_VENDOR, ascii_only=st.booleans(), spaced=st.booleans())
def test_a_renamed_call_is_the_same_text_but_for_the_name(
    name: str, vendor: dict[str, Any], arguments: dict[str, Any], ascii_only: bool, spaced: bool
) -> None:
    params = {**vendor, "name": f"git__{name}", "arguments": arguments}
    whole = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    raw = spelled(whole, ascii_only=ascii_only, spaced=spaced)
    changed = edit.to_member(parse_message(raw), "git", [edit.named("tools/call", name)])
    params["name"] = name
    assert json.loads(changed) == whole
    before, _, after = raw.partition(spelled(f"git__{name}", ascii_only=ascii_only, spaced=spaced))
    assert changed == before + msgspec.json.encode(name) + after


@pytest.mark.behaviour("aggregate.task-names")
@given(task=_TEXT, vendor=_VENDOR, where=st.sampled_from(["flat", "inside", "related"]), ascii_only=st.booleans())
def test_a_tasks_name_comes_back_as_it_went(task: str, vendor: dict[str, Any], where: str, ascii_only: bool) -> None:
    result: dict[str, Any] = dict(vendor)
    if where == "flat":
        result["taskId"] = task
    elif where == "inside":
        result["task"] = {"taskId": task, "status": "working"}
    else:
        result["_meta"] = {edit.RELATED: {"taskId": task}}
    raw = spelled({"jsonrpc": "2.0", "id": 1, "result": result}, ascii_only=ascii_only, spaced=False)
    shown = edit.from_member(raw, "git", None)
    found = msgspec.json.decode(shown)["result"]
    named = {"flat": found.get("taskId"), "inside": found.get("task", {}).get("taskId")}.get(where)
    named = named if named is not None else found["_meta"][edit.RELATED]["taskId"]
    assert edit.own_task(named) == ("git", task)
    if where == "related":
        assert msgspec.json.decode(edit.to_member(parse_message(shown), "git")) == msgspec.json.decode(raw)
        assert edit.to_member(parse_message(shown), "time") == shown


def test_a_member_that_writes_a_name_with_escapes_hides_nothing() -> None:
    raw = rb'{"jsonrpc":"2.0","id":1,"result":{"task\u0049d":"t"}}'
    assert msgspec.json.decode(edit.from_member(raw, "git", None))["result"] == {"taskId": "git:t"}


@given(name=_TEXT)
def test_a_name_in_a_header_reads_as_it_was_meant(name: str) -> None:
    assert decode_mirror(encode_mirror(name)) == name
    assert encode_mirror(name).isascii()
    assert b"\n" not in encode_mirror(name)


@pytest.mark.behaviour("aggregate.cursor-bound")
@given(
    cursors=st.lists(st.tuples(_TEXT, st.none() | _TEXT), max_size=4),
    bound=st.lists(_TEXT, max_size=3),
    key=st.binary(),
)
def test_a_seal_opens_for_its_own_words_alone(
    cursors: list[tuple[str, str | None]], bound: list[str], key: bytes
) -> None:
    seal = Seal(key)
    content = Bookmark(3, tuple(Position(*pair) for pair in cursors))
    text = seal.close(content, *bound)
    assert text.isascii()
    assert seal.open(text, Bookmark, *bound) == content
    for other in ([*bound, ""], ["x", *bound], ["".join(bound), "y"]):
        assert seal.open(text, Bookmark, *other) is None
    assert Seal(key + b"x").open(text, Bookmark, *bound) is None
    assert seal.open(text[:-1], Bookmark, *bound) is None
    assert seal.open("é" + text, Bookmark, *bound) is None


@given(text=st.text(max_size=60), own=st.dictionaries(st.sampled_from(["a", "b"]), st.just("e-1"), min_size=1))
def test_an_event_id_is_ours_or_nobodys(text: str, own: dict[str, str]) -> None:
    for kind in (OF_A_CALL, OF_ALL):
        assert read_id(id_of(kind, own)) == (kind, own)
    found = read_id(text)
    assert found is None or found[1]
    for bad in ("x\r\nEvil: 1", "€", "", " x"):
        assert read_id(id_of(OF_ALL, {"a": bad})) is None


@pytest.mark.behaviour("aggregate.events-are-one-line")
@given(text=_TEXT | st.just("a\u2028event: x"), spaced=st.booleans())
def test_no_client_finds_another_line_in_an_event_of_ours(text: str, spaced: bool) -> None:
    data = spelled({"jsonrpc": "2.0", "id": 1, "result": {"taskId": text}}, ascii_only=True, spaced=spaced)
    shown = edit.from_member(b"{\r\n" + data[1:], "git", None)
    event = as_event(shown)
    assert len(event.decode().splitlines()) == len(event.splitlines()) == 3
    fields = sse.read_fields(event)
    assert msgspec.json.decode(fields.data)["result"]["taskId"] == f"git:{text}"
