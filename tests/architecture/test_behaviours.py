"""The behaviour manifest and the tests say the same: no promise without a test, no claim of a test without a
promise."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


def promised() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for path in sorted((TESTS / "behaviours").glob("*.toml")):
        rows += tomllib.loads(path.read_text(encoding="utf-8")).get("behaviour", [])
    return rows


def _is_mark(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "behaviour"
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
    )


def named_by_tests() -> set[str]:
    found: set[str] = set()
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if _is_mark(node):
                assert isinstance(node, ast.Call)
                found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return found


@pytest.mark.behaviour("house.promises-are-tested")
def test_each_promised_behaviour_has_a_test() -> None:
    assert {row["id"] for row in promised()} - named_by_tests() == set()


@pytest.mark.behaviour("house.tests-are-promised")
def test_each_behaviour_named_by_a_test_is_promised() -> None:
    assert named_by_tests() - {row["id"] for row in promised()} == set()


@pytest.mark.behaviour("house.promises-are-whole")
def test_each_promise_has_one_id_a_sentence_and_a_source() -> None:
    rows = promised()
    assert [i for i, n in Counter(row["id"] for row in rows).items() if n > 1] == []
    assert [row for row in rows if set(row) != {"id", "promise", "source"} or not all(row.values())] == []
