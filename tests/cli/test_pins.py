"""`watchkeeper pins`: the history of a name, changes in words, cosmetic ones approved together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from watchkeeper.app.platform import opened
from watchkeeper.inspection.fingerprints import definitions_in

Command = Callable[..., Result]


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    """A server that changed one tool in white space, another in words; and a second with a name that looks alike."""
    folder = tmp_path / "estate"

    def tools(**described: str) -> bytes:
        rows = [{"name": name, "description": words} for name, words in described.items()]
        return json.dumps({"tools": rows}).encode()

    with opened(folder, "watch") as platform:
        for listing in (tools(weather="Tells it.", news="Tells all."), tools(weather="Tells  it", news="Sells all.")):
            shown = definitions_in("tools/list", listing)
            platform.pins.observe("training", shown, {one.fingerprint: () for one in shown})
        shown = definitions_in("tools/list", tools(Weather="Tells it for Rome."))
        platform.pins.observe("other", shown, {one.fingerprint: () for one in shown})
    return folder


def test_the_class_of_a_change_and_labels_are_listed(run: Command, estate: Path) -> None:
    rows = {row["name"]: row for row in json.loads(run("pins", "list", "--data", estate, "--json").stdout)}
    assert (rows["weather"]["change"], rows["news"]["change"], rows["Weather"]["change"]) == (
        "cosmetic",
        "semantic",
        "",
    )
    assert rows["Weather"]["labels"] == ["lookalike"]
    assert "lookalike" in run("pins", "list", "--data", estate).stdout


def test_a_diff_begins_in_words(run: Command, estate: Path) -> None:
    said = run("pins", "diff", "training", "news", "--data", estate).stdout
    assert said.startswith("semantic:\n  description: “Tells” → “Sells”\n")
    assert '+  "description": "Sells all."' in said


def test_a_history_shows_each_definition_and_what_it_changed(run: Command, estate: Path) -> None:
    said = run("pins", "history", "training", "news", "--data", estate).stdout
    first, second, words = said.strip().split("\n")
    assert first.endswith("pinned")
    assert second.endswith("semantic, seen")
    assert words.strip() == "description: “Tells” → “Sells”"
    told = json.loads(run("pins", "history", "training", "news", "--data", estate, "--json").stdout)
    assert (told["pruned"], [shown["change"] for shown in told["shown"]]) == (0, ["", "semantic"])


@pytest.mark.behaviour("registry.cosmetic-held-by-default")
def test_cosmetic_changes_are_approved_together_and_no_other(run: Command, estate: Path) -> None:
    words = ("pins", "approve", "training", "--all", "--cosmetic", "--data", estate)
    assert run(*words).stdout.count("approved") == 1
    assert "Nothing of training is held for a cosmetic change alone" in run(*words).stdout
    assert run("pins", "approve", "training", "news", "--cosmetic", "--data", estate).exit_code == 2
