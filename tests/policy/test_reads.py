from __future__ import annotations

import json

import cedarpy
import pytest

from watchkeeper.policy.reads import Reads, reads_of


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('context.pin == "held"', Reads()),
        ("context has arguments", Reads()),
        ("context.arguments.a > 1", Reads(frozenset("a"))),
        ('context["arguments"]["a"] == 1', Reads(frozenset("a"))),
        ("context.arguments has a", Reads(frozenset("a"))),
        ("context.arguments.a.b.c == 1", Reads(frozenset("a"))),
        ("context.arguments has a.b", Reads(frozenset("a"))),
        ("context has arguments.a", Reads(frozenset("a"))),
        ("context.arguments.a == 1 || [context.arguments.b].contains(2)", Reads(frozenset("ab"))),
        ("context.arguments == {a: 1}", Reads(everything=True)),
        ("(if true then context.arguments else context.arguments).a == 1", Reads(everything=True)),
        ("{c: context}.c.arguments.a == 1", Reads(everything=True)),
    ],
)
def test_the_arguments_a_policy_reads_are_known(condition: str, expected: Reads) -> None:
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    (tree,) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
    assert reads_of(tree) == expected
