"""The page on events shows what the program makes."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from watchkeeper.events.catalogue import example_of
from watchkeeper.events.kinds import KINDS
from watchkeeper.events.ocsf import VERSION, meanings_of, to_ocsf
from watchkeeper.events.ocsf.classes import CLASSES
from watchkeeper.events.retention import RetentionClass

PAGE = (Path(__file__).parents[2] / "docs" / "concepts" / "events.md").read_text(encoding="utf-8")


@pytest.mark.behaviour("docs.events-as-they-are")
def test_the_worked_example_is_an_event_and_its_ocsf_form() -> None:
    event, form = (msgspec.json.decode(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    example = example_of("gateway.order.issued")
    made = msgspec.json.decode(msgspec.json.encode(to_ocsf(example)))
    form["metadata"]["product"]["version"] = made["metadata"]["product"]["version"]  # of whatever release this is
    assert event == msgspec.json.decode(msgspec.json.encode(example))
    assert form == made


@pytest.mark.behaviour("docs.events-as-they-are")
def test_the_table_has_every_class_with_its_profiles_and_no_other() -> None:
    rows = re.findall(r"\| ([A-Z][A-Za-z &]+ \d+) \| ([`a-z_, ]+) \|", PAGE)
    assert sorted(rows) == sorted(
        (f"{of.name} {of.uid}", ", ".join(f"`{profile}`" for profile in of.profiles)) for of in CLASSES
    )
    used = {meaning.of.uid for kind in KINDS for meaning in meanings_of(kind)}
    assert used == {of.uid for of in CLASSES}
    assert f"version {VERSION};" in PAGE


@pytest.mark.behaviour("docs.events-as-they-are")
def test_every_class_of_retention_is_told() -> None:
    assert re.findall(r"^\| `([a-z]+)` \|", PAGE.partition("## How long")[2], re.MULTILINE) == [
        one.value for one in RetentionClass
    ]
