"""Files of others are YAML until they are too much: bounded, refused with a reason, never obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.detect.sigma.files.documents import LARGEST, MOST, Unreadable, documents_in, documents_of

ALIASES = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

HOSTILE = {
    "billion-laughs": (ALIASES, "with its aliases written out"),
    "inside-itself": ("a: &a [1, *a]", "nested deeper than 64"),
    "deep": ("[" * 90 + "]" * 90, "nested deeper than 64"),
    "deeper-than-the-parser": ("[" * 200_000, "nest"),
    "deeper-than-the-stack": ("{a: " * 200_000, "nested deeper than 64"),
    "an-object": ("x: !!python/object/apply:os.system [id]", "is no YAML in line 1"),
    "a-list": ("- a\n- b\n", "holds list"),
    "a-text": ("some words", "holds str"),
    "a-key-that-is-a-list": ("? [a]\n: b\n", "a key that is no text"),
    "no-date": ("date: 2020-99-99\n", "is no usable YAML"),
    "no-timestamp": ("a: !!timestamp z\n", "is no usable YAML"),
    "a-number-too-long": ("a: " + "9" * 5000, "is no usable YAML"),
    "cut-off": ("a: [b,", "is no YAML in line"),
    "a-null-character": ("a: \x00", "is no YAML"),
    "large": ("#" * (LARGEST + 1), "is larger than 8 MiB"),
    "many": ("---\na: 1\n" * (MOST + 1), "more than 10000 documents"),
}


@pytest.mark.behaviour("rules.files-are-bounded")
@pytest.mark.parametrize("flaw", HOSTILE)
def test_a_hostile_file_is_refused_with_its_reason(flaw: str) -> None:
    text, reason = HOSTILE[flaw]
    with pytest.raises(Unreadable) as told:
        list(documents_in(text, "x.yml"))
    assert reason in told.value.reason


def test_documents_know_their_lines_and_what_stands_twice() -> None:
    first, second = documents_in("---\na: 1\n---\n---\n\nb: {c: 1, d: 2, c: 3}\n", "x.yml")
    assert (first.line, first.content, first.doubled) == (2, {"a": 1}, ())
    assert (second.line, second.content, second.doubled) == (6, {"b": {"c": 3, "d": 2}}, ("c (line 6)",))


@pytest.mark.behaviour("rules.files-are-bounded")
def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yml").write_bytes("title: caf\xe9".encode("latin-1"))
    for path, reason in ((tmp_path / "latin.yml", "is not UTF-8"), (tmp_path / "none.yml", "cannot be read")):
        with pytest.raises(Unreadable) as told:
            list(documents_of(path))
        assert reason in told.value.reason


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "bom.yml").write_text("title: x\n", encoding="utf-8-sig")
    assert [document.content for document in documents_of(tmp_path / "bom.yml")] == [{"title": "x"}]
