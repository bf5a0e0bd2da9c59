"""Hostile text is shown for what it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.web.visible import is_unseen, visible, visible_block, visible_text


@pytest.mark.behaviour("web.invisible-characters-are-shown")
@pytest.mark.parametrize(
    ("hidden", "label"),
    [
        ("\u202e", "U+202E"),
        ("\u2066", "U+2066"),
        ("\u200b", "U+200B"),
        ("\ufeff", "U+FEFF"),
        ("\u00ad", "U+00AD"),
        ("\U000e0068", "U+E0068"),
        ("\ufe0f", "U+FE0F"),
        ("\u3164", "U+3164"),
        ("\u00a0", "U+00A0"),
        ("\x1b", "ESC"),
        ("\x00", "NUL"),
        ("\n", "LF"),
        ("\r", "CR"),
        ("\ud800", "U+D800"),
    ],
)
def test_what_cannot_be_seen_is_written_out(hidden: str, label: str) -> None:
    assert f">{label}</span>" in visible(f"a{hidden}b")
    assert hidden not in visible(f"a{hidden}b")
    assert visible_text(f"a{hidden}b") == f"a⟨{label}⟩b"


def test_markup_is_escaped() -> None:
    assert visible("<script>'\"&") == "<bdi>&lt;script&gt;&#39;&#34;&amp;</bdi>"


def test_letters_of_any_script_stay_as_they_are() -> None:
    assert visible("Grüße, 世界, שלום") == "<bdi>Grüße, 世界, שלום</bdi>"


def test_a_pile_of_combining_marks_is_taken_apart_after_three() -> None:
    assert visible("e" + "\u0301" * 5).count("unseen") == 2


def test_a_block_keeps_its_line_breaks_and_nothing_else() -> None:
    assert visible_block("a\nb\tc") == ('<bdi>a\nb<span class="unseen" title="TAB">TAB</span>c</bdi>')


@pytest.mark.behaviour("web.huge-strings-are-cut")
def test_a_string_of_a_megabyte_is_cut_and_says_so() -> None:
    shown = visible("x" * 1_000_000)
    assert len(shown) < 1_000
    assert "… 999,700 more characters" in shown


@given(st.text())
def test_nothing_unseen_survives(text: str) -> None:
    assert not any(is_unseen(char) for char in visible(text, limit=10_000))
    assert not any(is_unseen(char) for char in visible_text(text, limit=10_000))
