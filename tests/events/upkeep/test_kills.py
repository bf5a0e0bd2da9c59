"""kill -9 while sealing and pruning: whatever was acknowledged is there once, or was removed by retention."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("upkeep_kills.py")


@pytest.mark.slow
@pytest.mark.behaviour("journal.kills-during-upkeep-lose-nothing")
def test_kills_while_sealing_and_pruning_lose_and_double_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "data"), "10"], capture_output=True, text=True, check=True
    )
    outcome = json.loads(done.stdout)
    assert (outcome["lost"], outcome["doubled"], outcome["code"]) == (0, 0, 0)
    assert set(outcome["codes_after_kills"]) <= {"0", "3"}
    assert outcome["kept"] > 0
    assert outcome["removed_by_retention"] > 0
    assert {"sealed", "pruned", "open"} <= set(outcome["forms"])
