from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from watchkeeper.policy import PolicyEngine

ALLOW = '@id("allow") @reason("Fine.") permit (principal, action, resource);\n'
Make = Callable[..., PolicyEngine]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """An engine of the given policies, beside one that allows everything."""

    def build(*policies: str, allow: bool = True) -> PolicyEngine:
        (tmp_path / "policies.cedar").write_text((ALLOW if allow else "") + "\n".join(policies))
        return PolicyEngine.load(tmp_path)

    return build


def forbid(name: str, condition: str, scope: str = 'principal, action == Action::"call_tool", resource') -> str:
    return f'@id("{name}") @reason("No {name}.") forbid ({scope}) when {{ {condition} }};'


@pytest.fixture(name="forbid")
def forbid_fixture() -> Callable[..., str]:
    return forbid
