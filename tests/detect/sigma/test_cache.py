"""A folder that was read before is loaded from its cache, and never from a cache that is not exactly of it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from watchkeeper.detect.sigma import cache
from watchkeeper.detect.sigma.cache import load_cached
from watchkeeper.detect.sigma.loading import load
from watchkeeper.detect.sigma.model import Rulebook

RULE = "title: {0}\nid: {0}\nlogsource: {{product: windows}}\ndetection: {{s: {{a|expand: '%x%'}}, condition: s}}\n"
LISTS = {"x": ("1",)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    for name in "ab":
        (tmp_path / "rules" / f"{name}.yml").write_text(RULE.format(name), encoding="utf-8")
    (tmp_path / "rules" / "bad.yml").write_text("a: [", encoding="utf-8")
    return tmp_path


def cached(folder: Path, lists: dict[str, tuple[str, ...]] = LISTS) -> tuple[Rulebook, bool]:
    """What is loaded, and whether files had to be read for it."""
    heard: list[int] = []
    book = load_cached([folder / "rules"], lists, folder=folder / "cache", told=heard.append)
    return book, bool(heard)


@pytest.mark.behaviour("rules.cache")
def test_the_cache_holds_what_was_read_with_what_was_refused(folder: Path) -> None:
    first, second = cached(folder), cached(folder)
    assert (first[1], second[1]) == (True, False)
    assert first[0] == second[0] == load([folder / "rules"], LISTS)
    (file,) = (folder / "cache").iterdir()
    assert (file.stat().st_mode & 0o777, (folder / "cache").stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.behaviour("rules.cache")
def test_any_change_of_files_or_values_is_seen(folder: Path) -> None:
    cached(folder)
    (folder / "rules" / "a.yml").write_text(RULE.format("c"), encoding="utf-8")
    assert [rule.heading.id for rule in cached(folder)[0].rules] == ["c", "b"]
    (folder / "rules" / "b.yml").unlink()
    assert [rule.heading.id for rule in cached(folder)[0].rules] == ["c"]
    book, was_read = cached(folder, {"x": ("2",)})
    assert (was_read, book.rules[0].condition.value) == (True, "2")  # type: ignore[union-attr]


def cut(data: bytes) -> bytes:
    return data[:-1]


def flipped(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


def pickled(data: bytes) -> bytes:
    return pickle.dumps(data)


def foreign(data: bytes) -> bytes:
    return b"x" + data[1:]


@pytest.mark.behaviour("rules.cache")
@pytest.mark.parametrize("damage", [cut, flipped, pickled, foreign, lambda _: b""], ids=list("abcde"))
def test_a_cache_that_is_damaged_or_foreign_is_made_anew(folder: Path, damage: object) -> None:
    whole, _ = cached(folder)
    (file,) = (folder / "cache").iterdir()
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    assert cached(folder) == (whole, True)
    assert cached(folder) == (whole, False)


@pytest.mark.behaviour("rules.cache")
def test_a_cache_that_cannot_be_kept_costs_time_only(folder: Path) -> None:
    (folder / "cache").write_text("a file in its place", encoding="utf-8")
    assert cached(folder)[1]
    assert cached(folder)[1]


def test_only_the_newest_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_KEPT", 2)
    for value in "123":
        cached(folder, {"x": (value,)})
    assert len(list((folder / "cache").iterdir())) == 2
    assert not cached(folder, {"x": ("3",)})[1]
