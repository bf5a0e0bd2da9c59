"""A process that writes one log: python journal_writers_child.py DATA_DIR WRITER COUNT. Holds it until its input ends.

Prints `open`, then `done` once COUNT records are durable; or why it could not open the log.
"""

from __future__ import annotations

import sys
from pathlib import Path

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.events import Journal, new_event


def main() -> None:
    data_dir, writer, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    try:
        journal = Journal.open(data_dir, writer)
    except WatchkeeperError as error:
        print(f"{error.code}: {error.reason}", flush=True)
        return
    print("open", flush=True)
    for number in range(count):
        journal.record(new_event(number, "gateway.request.decided", actor=f"agent:{writer}", body={"number": number}))
    print("done", flush=True)
    sys.stdin.read()
    journal.close()


main()
