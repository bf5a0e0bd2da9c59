"""A record as rules see it, foreign ones too: names with dots and dashes, lists on the way, too much of everything."""

from __future__ import annotations

from typing import Any

import pytest

from watchkeeper.detect.conditions.fields import DEEPEST, LONGEST, MOST, Fields


@pytest.mark.behaviour("detect.foreign-records")
@pytest.mark.parametrize(
    ("record", "name", "expected"),
    [
        ({"cs-uri-query": "a"}, "cs-uri-query", ["a"]),
        ({"userIdentity.type": "Root"}, "userIdentity.type", ["Root"]),
        ({"userIdentity": {"type": "Root"}}, "userIdentity.type", ["Root"]),
        ({"a.b": "flat", "a": {"b": "nested"}}, "a.b", ["flat"]),
        ({"a": {"b.c": 1}}, "a.b.c", [1]),
        ({"a": [{"b": [1, {"c": 2}]}, {"b": 3}, "x"]}, "a.b", [1, 3]),
        ({"a": [[["deep"]], None, ""]}, "a", ["deep"]),
        ({"a": {"b": None}}, "a.b", []),
        ({"a": "text"}, "a.b", []),
        ({"a": {"b": 1}}, "a", []),
        ({"a": False, "b": 0}, "a", [False]),
    ],
)
def test_a_name_means_its_member_or_the_path_of_its_dots(
    record: dict[str, Any], name: str, expected: list[Any]
) -> None:
    fields = Fields(record)
    assert fields.values(name) == expected
    assert not fields.cut


@pytest.mark.behaviour("detect.hostile-records")
@pytest.mark.parametrize("kind", ["long", "many", "deep", "digits"])
def test_what_there_is_too_much_of_is_cut_and_said(kind: str) -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    record = {"long": "x" * (LONGEST + 1), "many": ["x"] * (MOST + 1), "deep": deep, "digits": 10**5000}
    fields = Fields({kind: record[kind]})
    seen = {"long": ["x" * LONGEST], "many": ["x"] * MOST, "deep": [], "digits": [hex(10**5000)]}
    assert fields.texts(kind) == fields.everything() == seen[kind]
    assert fields.cut is (kind != "digits")
    assert DEEPEST < 100


def test_keywords_read_every_value_of_a_foreign_record() -> None:
    assert Fields({"a": 1, "b": [{"c": "x"}, True], "d": None, "e": ""}).everything() == ["1", "x", "true"]
