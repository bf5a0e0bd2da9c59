"""A limit that cannot work is told before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.app.settings import Settings
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.settings import read_settings
from watchkeeper.gateway.limits.settings import LimitSettings, check_limits


@pytest.mark.behaviour("limits.settings-checked")
@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (LimitSettings(), "limits.x limits nothing"),
        (LimitSettings(calls=1, per=("user",)), "limits.x.per: 'user' is unknown"),
        (LimitSettings(concurrent=1, burst=5), "limits.x.burst without calls"),
        (LimitSettings(calls=1, costs={"a/b": 1.0}), "costs and no budget"),
        (LimitSettings(cost=1.0, costs={"a/b": -1.0}), "a cost below nothing"),
        (LimitSettings(calls=1, tools=("echo",)), "'echo' names no server"),
        (LimitSettings(calls=1, tools=("a/b",), methods=("*",)), "only tools/call has a tool"),
    ],
)
def test_a_limit_that_cannot_work_is_named(limit: LimitSettings, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        check_limits({"x": limit})


def test_a_limits_name_fits_into_a_rule() -> None:
    with pytest.raises(Misconfigured, match="letters, digits"):
        check_limits({"a b": LimitSettings(calls=1)})


def test_limits_are_read_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "watchkeeper.toml"
    path.write_text(
        '[limits.agents]\nper = ["principal"]\ncalls = 60\nburst = 10\ncost = 5.0\ncosts = { "a/b" = 2.5 }\n'
    )
    read = read_settings(Settings, path, {}).limits
    assert read == {"agents": LimitSettings(per=("principal",), calls=60, burst=10, cost=5.0, costs={"a/b": 2.5})}
