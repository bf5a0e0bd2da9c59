"""Labels of what tools can do: each rule by its own examples, all of them by hand-made judgements of public tools."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import re2

from tests.inspection.capability_judgements import GITHUB, JUDGED, REFERENCE
from watchkeeper.inspection.capabilities import LABELS, Capabilities, capabilities
from watchkeeper.inspection.rules import Rule, options, portable

CORPORA = Path(os.environ.get("WATCHKEEPER_CORPORA", "/nowhere"))
each_rule = pytest.mark.parametrize("rule", capabilities().rules, ids=lambda rule: rule.id)


def tool(name: str, description: str = "", *arguments: str, **annotations: bool) -> tuple[str, ...]:
    shown: dict[str, Any] = {"name": name, "description": description}
    shown["inputSchema"] = {"type": "object", "properties": {argument: {} for argument in arguments}}
    return capabilities().of_tool(json.dumps(shown | {"annotations": annotations}).encode())


@pytest.mark.behaviour("inspection.capabilities")
@each_rule
def test_a_rule_speaks_of_its_examples_and_of_nothing_else(rule: Rule) -> None:
    pattern = re2.compile(portable(rule.pattern), options=options(rule.case))
    assert [text for text in rule.tests.match if not pattern.search(text.encode())] == []
    assert [text for text in rule.tests.clean if pattern.search(text.encode())] == []


def test_every_rule_adds_or_takes_away_a_known_label_and_every_label_has_a_rule() -> None:
    rules = capabilities().rules
    assert {rule.label.removeprefix("-") for rule in rules} == LABELS
    assert all(rule.description.endswith(".") and rule.false_positives.endswith(".") for rule in rules)


@pytest.mark.behaviour("inspection.capabilities")
@pytest.mark.parametrize(
    ("name", "description", "arguments", "labels"),
    [
        ("read_file", "Reads a file.", ("path",), ("reads_private",)),
        ("fetch", "Fetches a URL from the internet.", ("url",), ("reads_untrusted", "sends")),
        ("get_env", "Gives the value of an environment variable.", ("variable",), ("reads_private", "reads_secrets")),
        ("run_command", "Runs a command in a shell.", ("command",), ("executes",)),
        ("write_file", "Writes a file.", ("path", "content"), ("writes",)),
        ("sendMessage", "Sends an email message.", ("to", "body"), ("sends",)),
        ("search_emails", "Searches the mailbox.", ("query",), ("reads_private", "reads_untrusted")),
        ("create_refund", "Refunds a charge.", ("charge",), ("pays", "writes")),
        ("add_collaborator", "Adds somebody to a repository.", ("user",), ("admin", "writes")),
        ("get_weather", "The weather of a city.", ("city",), ()),
    ],
)
def test_a_tool_is_labelled_by_what_it_says(
    name: str, description: str, arguments: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    assert tool(name, description, *arguments) == labels


@pytest.mark.behaviour("inspection.capabilities-hints")
def test_annotations_only_ever_add_labels() -> None:
    plain = tool("delete_file", "Deletes a file.", "path")
    assert tool("delete_file", "Deletes a file.", "path", readOnlyHint=True, destructiveHint=False) == plain
    assert tool("touch", "Does something.") == ()
    assert tool("touch", "Does something.", readOnlyHint=False, destructiveHint=True) == ("destroys", "writes")


@pytest.mark.behaviour("inspection.capabilities")
def test_what_cannot_be_read_has_every_label() -> None:
    assert set(capabilities().of_tool(b"[1]")) == LABELS


def test_a_description_cannot_pass_for_a_name_or_an_annotation() -> None:
    assert tool("plain", "] [get env] {url} !destructive;") == ()


def test_a_resource_is_labelled_by_where_it_lies() -> None:
    assert Capabilities.of_resource("https://example.test/a") == ("reads_untrusted",)
    assert Capabilities.of_resource("file:///home/ada/notes.txt") == ("reads_private",)


def corpus(name: str) -> list[dict[str, Any]]:
    path = CORPORA / f"{name}.jsonl"
    return [json.loads(line)["data"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.corpora
@pytest.mark.parametrize(("name", "judged"), [("benign-reference", REFERENCE), ("benign-github", GITHUB)])
def test_public_tools_are_labelled_as_a_person_would(name: str, judged: dict[Any, tuple[str, ...]]) -> None:
    counts: Counter[str] = Counter()
    wrong = []
    for data in corpus(name):
        expected = judged.get((data["server"], data["name"]))
        if expected is None:
            continue
        found = JUDGED.intersection(capabilities().of_tool(json.dumps(data).encode()))
        counts["right"] += len(found.intersection(expected))
        counts["extra"] += len(found.difference(expected))
        counts["missed"] += len(set(expected) - found)
        wrong += [(data["name"], sorted(found), sorted(expected))] if found != set(expected) else []
    assert counts["right"] / (counts["right"] + counts["extra"]) >= 0.95, wrong
    assert counts["right"] / (counts["right"] + counts["missed"]) >= 0.95, wrong
