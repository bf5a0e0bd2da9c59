"""A process whose files may not grow beyond a limit (RLIMIT_FSIZE), then may again. Prints what it saw, as JSON.

python journal_full_disk_child.py DATA_DIR LIMIT
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

from watchkeeper.core.errors import Unavailable
from watchkeeper.events import Journal, new_event


def event_of(number: int) -> object:
    return new_event(number, "gateway.request.decided", actor="agent:ada", body={"number": number, "x": "y" * 300})


def main() -> None:
    data_dir, limit = Path(sys.argv[1]), int(sys.argv[2])
    journal = Journal.open(data_dir, "gateway")
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    acknowledged, refused = [], ""
    for number in range(10_000):
        try:
            journal.record(event_of(number))
            acknowledged.append(number)
        except Unavailable as error:
            refused = error.reason
            break
    seen: dict[str, object] = {"acknowledged": acknowledged, "refused": refused, "healthy": journal.healthy}
    seen["append"] = reason_of(lambda: journal.append(event_of(20_000)))
    seen["wait"] = reason_of(lambda: journal.wait(journal.durable_index))
    seen["durable"] = reason_of(lambda: asyncio.run(journal.durable(journal.durable_index)))
    seen["pending"] = len(acknowledged)
    if len(sys.argv) == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        while not journal.healthy:
            pass
        seen["again"] = journal.record(event_of(30_000)).index
    journal.close()
    print(json.dumps(seen))


def reason_of(call: object) -> str:
    try:
        call()
    except Unavailable as error:
        return error.reason
    return ""


main()
