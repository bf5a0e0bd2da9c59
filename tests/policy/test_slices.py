from __future__ import annotations

import json
from collections.abc import Callable

import cedarpy
import pytest

from watchkeeper.policy import Effect, PolicyEngine, Question
from watchkeeper.policy.slices import ACTIONS, Index
from watchkeeper.policy.sources import base_schema

Make = Callable[..., PolicyEngine]
SCOPES = [
    ("principal, action, resource", True),
    ('principal == Agent::"claude", action, resource', True),
    ('principal == Agent::"nobody", action, resource', False),
    ('principal in Group::"dev", action, resource', True),
    ('principal in Group::"ops", action, resource', False),
    ('principal in Agent::"claude", action, resource', True),
    ("principal is Agent, action, resource", True),
    ('principal is Agent in Group::"dev", action, resource', True),
    ('principal is Agent in Group::"ops", action, resource', False),
    ('principal, action == Action::"call_tool", resource', True),
    ('principal, action == Action::"list", resource', False),
    ('principal, action in Action::"call_tool", resource', True),
    ('principal, action in Action::"use", resource', True),
    ('principal, action in Action::"say", resource', True),
    ('principal, action == Action::"receive", resource', False),
    ('principal, action in [Action::"list", Action::"call_tool"], resource', True),
    ('principal, action in [Action::"list", Action::"use"], resource', True),
    ('principal, action in [Action::"list", Action::"other"], resource', False),
    ('principal, action, resource == Tool::"git/log"', True),
    ('principal, action, resource == Tool::"git/push"', False),
    ('principal, action, resource in Server::"git"', True),
    ('principal, action, resource in Tool::"git/log"', True),
    ('principal, action, resource in Server::"time"', False),
    ("principal, action, resource is Tool", True),
    ('principal, action, resource is Tool in Server::"git"', True),
    ('principal, action, resource is Tool in Server::"time"', False),
    ("principal, action, resource is Prompt", False),
    ('principal in Group::"dev", action in Action::"use", resource is Tool in Server::"git"', True),
    ('principal in Group::"ops", action in Action::"use", resource is Tool in Server::"git"', False),
]
QUESTION = Question("claude", ("dev", "staff"), "call_tool", "git", "log")


@pytest.mark.behaviour("policy.slices-by-scope")
@pytest.mark.parametrize(("scope", "covered"), SCOPES)
def test_a_policy_is_in_the_slice_that_its_scope_covers(make: Make, scope: str, covered: bool) -> None:
    engine = make(f'@id("p") @reason("r") forbid ({scope});', allow=False)
    assert bool(Index(engine.policies).of(QUESTION)) is covered


@pytest.mark.behaviour("policy.slices-by-scope")
@pytest.mark.parametrize(("scope", "covered"), SCOPES)
def test_cedar_sees_the_scope_as_the_slice_does(make: Make, scope: str, covered: bool) -> None:
    engine = make(f'@id("p") @reason("r") permit ({scope});', allow=False)
    assert (engine.decide(QUESTION).effect is Effect.ALLOW) is covered


def test_a_scope_of_an_unknown_form_covers_everything(make: Make) -> None:
    (policy,) = make('@id("p") @reason("r") permit (principal, action, resource);', allow=False).policies
    for part in ("principal", "action", "resource"):
        policy.tree[part] = {"op": "unheard-of", "entity": {"type": "Agent", "id": "x"}}
    assert Index([policy]).of(QUESTION) == (0,)


def test_the_actions_and_their_groups_are_those_of_the_schema() -> None:
    text = base_schema()
    for action, groups in ACTIONS.items():
        for group in (*groups, action):
            condition = f'permit (principal, action in Action::"{group}", resource);'
            assert cedarpy.validate_policies(condition, cedarpy.Schema.from_str(text)).validation_passed
    tree = json.loads(cedarpy.policies_to_json_str('permit (principal, action == Action::"dance", resource);'))
    assert not cedarpy.validate_policies(
        cedarpy.policies_from_json_str(json.dumps(tree)), cedarpy.Schema.from_str(text)
    ).validation_passed
