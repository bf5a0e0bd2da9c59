"""Whatever agents and servers send, flow neither fails nor runs away: a failure here would deny an honest call."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.flow.sessions import MEMO
from watchkeeper.gateway.flow.memory import Memory, names_in, stream_of
from watchkeeper.gateway.flow.model import Class
from watchkeeper.gateway.flow.text import decoded, parts_of, strings_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=80) | st.just(MEMO),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.behaviour("flow.bounded")
@given(VALUES, VALUES)
@settings(max_examples=150, deadline=None)
def test_any_json_can_be_learned_and_asked_about(result: Any, arguments: Any) -> None:
    memory = Memory("x", 0)
    memory.prints.learn("a", 7, strings_of(json.dumps(result).encode()), b"own")
    strings = strings_of(json.dumps(arguments).encode(), with_keys=True)
    before = memory.before(("b", "t"), stream_of([said.text for said in strings]))
    memory.prints.carried("b", strings, before)
    memory.wrote((name for said in strings for name in names_in(said.text)), 1, untrusted=True)
    assert set(memory.runs(b"x", 0)) == set()


@pytest.mark.behaviour("flow.bounded")
@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_can_be_taken_apart(data: bytes) -> None:
    for said in strings_of(data):
        parts_of(said)
        list(decoded(said.text))


@pytest.mark.behaviour("flow.bounded")
@pytest.mark.parametrize(
    "text",
    [
        "A1b2" * 60_000,
        "%41" * 80_000,
        "/a" * 120_000,
        "a@b." * 60_000,
        "ab12 " * 50_000,
        "0" * 240_000,
        "\\u0041" * 9_000,
    ],
    ids=["opaque", "percent", "path", "mail", "words", "zeros", "escapes"],
)
def test_a_text_made_to_be_slow_is_not(text: str) -> None:
    raw = json.dumps({"text": text}).encode()
    memory = Memory("x", 0)
    start = time.process_time()
    memory.prints.learn("a", Class.PRIVATE | Class.SECRET, strings_of(raw))
    memory.prints.carried("b", strings_of(raw, with_keys=True))
    assert time.process_time() - start < 2
