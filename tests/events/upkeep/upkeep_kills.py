"""kill -9 while a log is written, sealed and pruned, again and again; then: is anything lost, doubled or unprovable?

python upkeep_kills.py DATA_DIR KILLS [SEED]        prints JSON; 100 kills take some minutes
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from watchkeeper.events import Journal, JournalReader
from watchkeeper.events.journal import verify
from watchkeeper.events.journal.upkeep import status

CHILD = Path(__file__).with_name("upkeep_child.py")


def write_until_killed(data_dir: Path, seed: int, lines: int) -> dict[int, str]:
    """What the child acknowledged before it was killed, in the middle of whatever it did just then."""
    command = [sys.executable, str(CHILD), str(data_dir), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.read().splitlines(keepends=True)
    pairs = [line.split() for line in said if line.endswith("\n")]
    return {int(index): event_id for index, event_id in pairs}


def main() -> None:
    data_dir, kills = Path(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 7)
    acknowledged: dict[int, str] = {}
    codes: Counter[int] = Counter()
    twice = 0
    for seed in range(kills):
        said = write_until_killed(data_dir, seed, dice.randrange(1, 900))
        twice += len(said.keys() & acknowledged.keys())
        acknowledged |= said
        codes[verify(data_dir).code] += 1
    Journal.open(data_dir, "gateway").close()
    found: dict[int, str] = {}
    removed: set[int] = set()
    seen: Counter[str] = Counter()
    reader, cursor = JournalReader(data_dir), {"gateway": 0}
    while records := reader.read(cursor):
        for record in records:
            if record.event is not None:
                found[record.position.index] = record.event.id
                seen[record.event.id] += 1
            elif record.absent == "removed":
                removed.add(record.position.index)
        cursor = {"gateway": records[-1].position.index + 1}
    kept = {index: event_id for index, event_id in acknowledged.items() if index not in removed}
    outcome = {
        "kills": kills,
        "acknowledged": len(acknowledged),
        "kept": len(kept),
        "removed_by_retention": len(acknowledged) - len(kept),
        "lost": sum(found.get(index) != event_id for index, event_id in kept.items()),
        "doubled": twice + sum(count > 1 for count in seen.values()),
        "codes_after_kills": dict(codes),
        "code": verify(data_dir).code,
        "forms": dict(Counter(file.form for file in status(data_dir, "gateway").files)),
        "unfinished": len(list((data_dir / "journal" / "gateway").glob("*.rewritten"))),
    }
    print(json.dumps(outcome))


main()
