"""Both sides killed, the receiver away and out of sorts when it comes back: nothing lost, in order, counted exactly.

`bench/sinks.py` does the same with a receiver that is down for a minute.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench._rsyslog import missing
from bench.sinks import TYPES, ordeal


@pytest.mark.slow
@pytest.mark.behaviour("sinks.ordeal")
@pytest.mark.parametrize("name", TYPES)
def test_whoever_is_killed_nothing_is_lost(name: str, tmp_path: Path) -> None:
    if name in ("syslog", "cef") and missing():
        pytest.skip(missing())
    came = ordeal(name, 400, 1.5, 2, tmp_path)
    assert (came.lost, came.in_order, came.exact) == (0, True, True)
