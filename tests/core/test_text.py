from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.core.text import visible


@pytest.mark.behaviour("core.hostile-text-is-visible")
@given(st.text())
def test_nothing_invisible_is_left(text: str) -> None:
    assert not [c for c in visible(text) if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Cn"}]


def test_plain_text_in_any_script_is_left_alone() -> None:
    assert visible("Grüße, 世界 🙂 a\tb\n", keep="\t\n") == "Grüße, 世界 🙂 a\tb\n"


def test_escapes_bidi_and_tags_are_shown() -> None:
    assert visible("\x1b[31m\u202e\U000e0041") == "⟨U+001B⟩[31m⟨U+202E⟩⟨U+E0041⟩"


def test_a_cut_says_so() -> None:
    assert visible("abcdef", limit=3) == "abc… (6 characters)"
