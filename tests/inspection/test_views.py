from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.inspection.views import bare_text, readings, unescape


def test_plain_ascii_is_read_once_as_it_came() -> None:
    data = b'{"a":"plain"}'
    assert readings(data) == [data]
    assert readings(data)[0] is data


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_unescaping_a_json_string_gives_its_text(text: str) -> None:
    assert unescape(json.dumps(text).encode()).decode() == f'"{text}"'
    if "\x00" not in text:
        assert unescape(json.dumps(text, ensure_ascii=False).encode()).decode() == f'"{text}"'


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    assert readings(data)


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("ig\u200bno\u2060re", "ignore"),
        ("\uff49\uff47\uff4e\uff4f\uff52\uff45", "ignore"),
        ("\U0001d422\U0001d420\U0001d427\U0001d428\U0001d42b\U0001d41e", "ignore"),
        ("ignor\u0435", "ignore"),
        ("\x1b[1mignore\x1b[0m", "ignore"),
        ("\x1b]8;;https://a.test\x07ignore\x1b]8;;\x07", "ignore"),
        ("\u202eignore\u202c", "ignore"),
        ("".join(chr(0xE0000 + ord(c)) for c in "ignore"), "ignore"),
    ],
)
def test_disguises_come_off(disguised: str, plain: str) -> None:
    assert bare_text(disguised) == plain


def test_text_without_disguise_is_left_as_it_is() -> None:
    assert bare_text("\u00e9t\u00e9 \u6f22\u5b57") == "\u00e9t\u00e9 \u6f22\u5b57"
