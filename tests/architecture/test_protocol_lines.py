"""Every line of what the protocol asks of a gateway is kept by a promised, tested behaviour, or says why it is not."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.architecture.test_behaviours import TESTS, promised

SECTIONS = {"A": 8, "B": 11, "C": 9, "D": 10, "E": 8, "F": 13, "G": 6, "H": 12, "I": 3}
"""How many lines each section of our checklist has."""
LEFT = {"I3"}
"""Lines about content and policy, which have issues of their own, and the mapping to OCSF."""


def lines() -> list[dict[str, Any]]:
    text = (TESTS / "behaviours" / "protocol_lines.toml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["line"]
    return found


@pytest.mark.behaviour("house.protocol-lines-are-kept")
def test_every_line_is_there_once_and_in_order() -> None:
    expected = [f"{section}{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)]
    assert [line["id"] for line in lines()] == expected


@pytest.mark.behaviour("house.protocol-lines-are-kept")
def test_every_line_is_kept_by_promised_behaviours_or_says_why_not() -> None:
    known = {row["id"] for row in promised()}
    for line in lines():
        assert set(line.get("behaviours", [])) <= known, line["id"]
        assert bool(line.get("behaviours")) == bool(line.get("met")), line["id"]
        assert bool(line.get("behaviours")) != bool(line.get("left")), line["id"]
    assert {line["id"] for line in lines() if "left" in line} == LEFT


@pytest.mark.behaviour("house.protocol-lines-are-kept")
def test_every_behaviour_of_the_checklist_stands_beside_a_line() -> None:
    beside = {behaviour for line in lines() for behaviour in line.get("behaviours", [])}
    assert {row["id"] for row in promised() if row["id"].startswith("mcp.")} - beside == set()
