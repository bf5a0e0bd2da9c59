from __future__ import annotations

from collections.abc import Callable

import pytest

from watchkeeper.policy import PolicyEngine
from watchkeeper.policy.slices import slice_of

Make = Callable[..., PolicyEngine]


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ("principal, action, resource", True),
        ('principal == Agent::"nobody", action, resource', True),
        ('principal, action == Action::"call_tool", resource', True),
        ('principal, action == Action::"list", resource', False),
        ('principal, action in [Action::"list", Action::"call_tool"], resource', True),
        ('principal, action, resource == Tool::"git/log"', True),
        ('principal, action, resource == Tool::"git/push"', False),
        ('principal, action, resource in Server::"git"', True),
        ('principal, action, resource in Server::"time"', False),
        ("principal, action, resource is Tool", True),
        ('principal, action, resource is Tool in Server::"git"', True),
        ('principal, action, resource is Tool in Server::"time"', False),
        ("principal, action, resource is Prompt", False),
    ],
)
def test_a_policy_is_in_the_slice_that_its_scope_covers(make: Make, scope: str, covered: bool) -> None:
    engine = make(f'@id("p") @reason("r") forbid ({scope});', allow=False)
    assert bool(slice_of(engine.policies, "call_tool", "git", "log")) is covered
