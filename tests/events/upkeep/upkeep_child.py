"""A process that records, seals and prunes until it is killed, and says what was acknowledged: `index event-id` a line.

python upkeep_child.py DATA_DIR SEED
"""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Journal, JournalSettings, new_event
from watchkeeper.events.journal.upkeep import Guards, Keeper, RetentionSettings
from watchkeeper.events.journal.upkeep.retention import DAY


class Later:
    """So far ahead that every sealed file is past its time."""

    def now(self) -> int:
        return SystemClock().now() + 99 * DAY


def is_held(first: int, last: int) -> bool:
    """About half of the files: those whose first event has an even number."""
    return first % 2 == 0


def main() -> None:
    journal = Journal.open(Path(sys.argv[1]), "gateway", settings=JournalSettings(segment_bytes=24 * 1024))
    dice = random.Random(int(sys.argv[2]))
    say = threading.Lock()

    def work(thread: int) -> None:
        while True:
            batch = []
            for _ in range(dice.choice((1, 3, 40))):
                number = dice.randrange(1, 1 << 40)
                event = new_event(number, "gateway.request.decided", actor=f"agent:a{thread}", body={"x": "y" * 300})
                batch.append((journal.append(event), event.id))
            journal.wait(batch[-1][0])
            with say:
                sys.stdout.writelines(f"{index} {event_id}\n" for index, event_id in batch)
                sys.stdout.flush()

    for thread in range(2):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    keeper = Keeper(journal, RetentionSettings(days=1, reader_days=0), Later(), Guards(is_held=is_held))
    while True:
        keeper.turn()


main()
