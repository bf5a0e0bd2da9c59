"""Coverage: two columns that are never added up, and gaps that are said."""

from __future__ import annotations

import json

import pytest

from watchkeeper.core.content import content_folder
from watchkeeper.detect.proving.coverage import attack_rows, executed_in, matrix
from watchkeeper.detect.proving.frameworks import item_of, load_frameworks
from watchkeeper.detect.proving.model import Covered, Executed, Framework, Item, Named, Proof
from watchkeeper.detect.proving.navigator import layer
from watchkeeper.events import Event, new_event

FRAMEWORKS = {one.name: one for one in load_frameworks(content_folder("frameworks"))}
SMALL = Framework(
    "safe-mcp", "S", "safe-mcp", "1", "u", "l", "a",
    (Named("TA1", "First"),),
    (Item("SAFE-T1001", "One", ("TA1",)), Item("SAFE-T1002", "Two", ("TA1",)), Item("SAFE-T1003", "Three")),
)  # fmt: skip
PROOFS = [
    Proof("good", ("safe-mcp.t1001", "attack.t1195.001", "attack.execution"), passes=True),
    Proof("older", ("safe-mcp.safe-t1001",), passes=True),
    Proof("failing", ("safe-mcp.t1002",), passes=False),
    Proof("off", ("safe-mcp.t1002",), passes=True, is_enabled=False),
    Proof("slip", ("safe-mcp.t9999",), passes=True),
]
ATTACKS = [
    Executed("rug_pull", 1, ("safe-mcp.t1001",), ("good",)),
    Executed("quiet", 1, ("safe-mcp.t1002", "attack.t1552"), ()),
]


@pytest.mark.behaviour("proving.catalogues")
def test_the_catalogues_are_whole_and_say_whose_they_are() -> None:
    assert {name: len(one.items) for name, one in FRAMEWORKS.items()} == {
        "safe-mcp": 86, "atlas": 170, "mcp-ttp": 73, "owasp-mcp": 10,
    }  # fmt: skip
    for one in FRAMEWORKS.values():
        groups = {group.id for group in one.groups}
        assert {group for item in one.items for group in item.groups} <= groups
        assert len({item.id for item in one.items}) == len(one.items)
        assert one.attribution
        assert one.licence
        assert one.url.startswith("https://")


@pytest.mark.behaviour("proving.catalogues")
@pytest.mark.parametrize(
    ("tag", "name", "item"),
    [
        ("safe-mcp.t1001", "safe-mcp", "SAFE-T1001"),
        ("safe-mcp.safe-t1001", "safe-mcp", "SAFE-T1001"),
        ("atlas.aml.t0051.001", "atlas", "AML.T0051.001"),
        ("owasp-mcp.mcp03", "owasp-mcp", "MCP03"),
        ("mcp-ttp.tool-poisoning", "mcp-ttp", "tool-poisoning"),
        ("attack.t1195", "atlas", ""),
        ("atlas", "atlas", ""),
    ],
)
def test_a_tag_names_an_entry_of_its_own_catalogue_only(tag: str, name: str, item: str) -> None:
    assert item_of(tag, FRAMEWORKS[name]) == item


@pytest.mark.behaviour("proving.coverage")
def test_a_rule_counts_by_its_passing_tests_and_an_attack_by_its_alert_apart_from_each_other() -> None:
    found = matrix(SMALL, PROOFS, ATTACKS)
    assert found.rows == (
        Covered(
            id="SAFE-T1001", title="One", groups=("TA1",), fixture=("good", "older"), executed=("rug_pull",)
        ),
        Covered(id="SAFE-T1002", title="Two", groups=("TA1",), unproven=("failing", "off"), missed=("quiet",)),
        Covered(id="SAFE-T1003", title="Three", groups=()),
    )  # fmt: skip
    assert (found.fixture, found.executed, [row.id for row in found.gaps]) == (1, 1, ["SAFE-T1002", "SAFE-T1003"])
    assert found.unknown == ("SAFE-T9999",)


@pytest.mark.behaviour("proving.coverage")
def test_without_rules_and_attacks_everything_is_a_gap() -> None:
    assert len(matrix(SMALL, [], []).gaps) == 3


def _fact(at: int, name: str, detected: list[dict[str, object]]) -> Event:
    body = {"techniques": ["safe-mcp.t1001"], "detected": detected, "stopped": True}
    return new_event(at, "exercise.attack.executed", target=name, body=body)


@pytest.mark.behaviour("proving.coverage")
def test_the_newest_run_of_an_attack_is_what_counts() -> None:
    before = _fact(1, "a", [{"name": "tool_changed"}])
    after = _fact(2, "a", [])
    other = new_event(3, "exercise.step.seen", target="a")
    assert executed_in([after, before, other]) == (
        Executed("a", 2, ("safe-mcp.t1001",), (), was_stopped=True, event=after.id),
    )


@pytest.mark.behaviour("proving.navigator")
def test_a_layer_has_what_the_format_requires_and_a_score_for_what_stands_behind() -> None:
    made = json.loads(json.dumps(layer("attack", attack_rows(PROOFS, ATTACKS))))
    assert (made["domain"], made["versions"]["layer"]) == ("enterprise-attack", "4.5")
    assert made["name"]
    assert {one["techniqueID"]: one["score"] for one in made["techniques"]} == {"T1195.001": 1, "T1552": 0}
    assert made["techniques"][0]["comment"] == "rules: good"
    assert made["gradient"]["minValue"] < made["gradient"]["maxValue"]
    atlas = matrix(FRAMEWORKS["atlas"], [Proof("p", ("atlas.aml.t0051",), passes=True)], [])
    assert [one["techniqueID"] for one in layer("atlas", atlas.rows)["techniques"]] == ["AML.T0051"]
