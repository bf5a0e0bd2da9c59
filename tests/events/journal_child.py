"""A process that writes to a journal until it is killed, and says what was acknowledged: `index event-id` a line.

python journal_child.py DATA_DIR SEED
"""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

from watchkeeper.events import Journal, JournalSettings, new_event


def main() -> None:
    journal = Journal.open(Path(sys.argv[1]), "gateway", settings=JournalSettings(segment_bytes=64 * 1024))
    dice = random.Random(int(sys.argv[2]))
    say = threading.Lock()

    def work(thread: int) -> None:
        while True:
            batch = []
            for number in range(dice.choice((1, 3, 40))):
                event = new_event(number, "gateway.request.decided", actor=f"agent:a{thread}", body={"x": "y" * 300})
                batch.append((journal.append(event), event.id))
            journal.wait(batch[-1][0])
            with say:
                sys.stdout.writelines(f"{index} {event_id}\n" for index, event_id in batch)
                sys.stdout.flush()

    for thread in range(3):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    threading.Event().wait()


main()
