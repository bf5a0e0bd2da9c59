from __future__ import annotations

import json
from typing import Any

import cedarpy
import pytest

from watchkeeper.policy.reads import Reads, literals_beside, reads_of, thresholds_of

WHOLE = frozenset({"pin", "findings", "labels", "flow", "counts", "times"})


def tree_of(condition: str) -> dict[str, Any]:
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    (tree,) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
    assert isinstance(tree, dict)
    return tree


def reads(*members: str, names: str = "", everything: bool = False) -> Reads:
    return Reads(frozenset(names), everything, frozenset(members))


@pytest.mark.behaviour("policy.cache-knows-every-input")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("true", reads()),
        ('context.pin == "held"', reads("pin")),
        ("context has arguments", reads()),
        ("context.arguments.a > 1", reads(names="a")),
        ('context["arguments"]["a"] == 1', reads(names="a")),
        ("context.arguments has a", reads(names="a")),
        ("context.arguments.a.b.c == 1", reads(names="a")),
        ("context.arguments has a.b", reads(names="a")),
        ("context has arguments.a", reads(names="a")),
        ("context.arguments.a == 1 || [context.arguments.b].contains(2)", reads(names="ab")),
        ("context.arguments == {a: 1}", reads(everything=True)),
        ("(if true then context.arguments else context.arguments).a == 1", reads(everything=True)),
        ("{c: context}.c.arguments.a == 1", reads(*WHOLE, everything=True)),
        ('{".": context.flow, "has": context.pin} == context.arguments.a', reads("flow", "pin", names="a")),
        ('{".": {"left": context, "attr": 1}} == 1', reads(*WHOLE, everything=True)),
        ('context.findings.contains("a") && context.labels.isEmpty()', reads("findings", "labels")),
        ('["a"] == context.counts || context["times"].containsAny(context.flow)', reads("counts", "times", "flow")),
        ('principal.name == "a"', reads("principal", "groups")),
        ('principal in Group::"a" || principal == Agent::"b"', reads("principal", "groups")),
        ('resource is Tool || resource in Server::"a"', reads("server", "target")),
        ('resource has server && resource.server like "a*"', reads("server", "target")),
        ('action in [Action::"use"]', reads("action")),
        (
            '!(if principal == resource then context.pin else "x").contains(action)',
            reads("principal", "groups", "server", "target", "action", "pin"),
        ),
    ],
)
def test_what_a_policy_reads_is_known(condition: str, expected: Reads) -> None:
    assert reads_of(tree_of(condition)) == expected


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ('context.times.contains("office_hours")', {"office_hours"}),
        ('!context.times.containsAny(["night", "weekend"]) && context.counts.contains("other")', {"night", "weekend"}),
        ('context.times == ["night"]', {"night"}),
        ("context.times.isEmpty() && context.times.contains(context.pin)", set()),
    ],
)
def test_the_texts_that_are_looked_for_in_a_set_are_known(condition: str, found: set[str]) -> None:
    assert literals_beside(tree_of(condition), "times") == found


@pytest.mark.behaviour("policy.thresholds")
def test_the_thresholds_that_policies_speak_of_are_known() -> None:
    condition = (
        'context.counts.contains("calls_over_50") || context.counts.containsAny(["sends_over_5", "calls_over_100"]) || '
        '(if true then ["calls_over_7"] else ["calls_over_"]).containsAll(context.counts)'
    )
    assert thresholds_of(tree_of(condition)) == {("calls", 50), ("sends", 5), ("calls", 100), ("calls", 7)}
