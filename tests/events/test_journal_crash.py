"""kill -9 at random moments: whatever was acknowledged is there."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from watchkeeper.events import Journal, JournalReader
from watchkeeper.events.journal import verify

CHILD = Path(__file__).with_name("journal_child.py")


def write_until_killed(data_dir: Path, seed: int, dice: random.Random) -> dict[int, str]:
    """What the child acknowledged before it was killed, in the middle of whatever it did just then."""
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(data_dir), str(seed)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline() for _ in range(dice.randrange(1, 400))]
        child.kill()
        rest = child.stdout.read()
    lines = [*acknowledged, *rest.splitlines(keepends=True)]
    pairs = [line.split() for line in lines if line.endswith("\n")]
    return {int(index): event_id for index, event_id in pairs}


@pytest.mark.slow
@pytest.mark.behaviour("journal.kill-9-loses-nothing")
def test_25_kills_lose_no_acknowledged_event(tmp_path: Path) -> None:
    dice = random.Random(25)
    acknowledged: dict[int, str] = {}
    for seed in range(25):
        said = write_until_killed(tmp_path, seed, dice)
        assert said
        assert not said.keys() & acknowledged.keys()
        acknowledged |= said
        assert verify(tmp_path).code in (0, 3)
        Journal.open(tmp_path, "gateway").close()
        assert verify(tmp_path).code == 0
    found: dict[int, str] = {}
    reader, cursor = JournalReader(tmp_path), {"gateway": 0}
    while records := reader.read(cursor):
        found |= {record.position.index: record.event.id for record in records if record.event}
        cursor = {"gateway": records[-1].position.index + 1}
    lost = {index for index, event_id in acknowledged.items() if found.get(index) != event_id}
    assert lost == set()
    assert len(acknowledged) > 1000
