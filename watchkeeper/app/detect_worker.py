"""One of several workers of detection, as a process: `python -m watchkeeper.app.detect_worker ORDERS`.

The watch starts it, hears that it is ready, and ends it by closing its input. It reads every log, judges its share, and
records in a log of its own; over a socket it says how it stands, and is told whom to forget.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.detecting import detector_of
from watchkeeper.app.detection import Orders, worker_name
from watchkeeper.app.labelling import journal_class
from watchkeeper.app.platform import opened
from watchkeeper.app.process import announce, refuse, settling, stop_requested
from watchkeeper.app.settings import load
from watchkeeper.app.threads import Readers
from watchkeeper.core import control, logs
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.core.files import socket_path
from watchkeeper.detect.detector import Detector
from watchkeeper.detect.stream.partition import Partition
from watchkeeper.events.erasure.scanning import Needle

_STOP_WITHIN = 10.0


async def work(orders: Orders) -> None:
    """Until told to stop. Raises what keeps it from starting."""
    stop, name = stop_requested(supervised=True), worker_name(orders.number)
    loaded = load(Path(orders.config) if orders.config else None, Path(orders.data))
    with opened(
        loaded.data_dir, name, journal_class(demo=orders.demo), loaded.settings.journal, loaded.settings.state
    ) as platform:
        detector = detector_of(loaded, platform, Partition(orders.number, orders.of), demo=orders.demo)
        readers = Readers({"detect": detector.run, "memory": settling})
        async with await control.serve(socket_path(loaded.data_dir, name), _handlers(detector)):
            readers.start()
            announce(name, {})
            while not stop.is_set() and all(readers.alive().values()):
                await _a_moment(stop)
        await asyncio.to_thread(readers.stop, _STOP_WITHIN)
        if readers.failures:
            raise Unavailable(f"{name} stopped: {readers.failures}", hint="look at its log")


def _handlers(detector: Detector) -> dict[str, control.Handler]:
    async def status(_: dict[str, Any]) -> Any:
        return msgspec.to_builtins(await asyncio.to_thread(detector.progress))

    async def forget(asked: dict[str, Any]) -> Any:
        return await asyncio.to_thread(detector.forget, Needle(str(asked["subject"])).count)

    return {"status": status, "forget": forget}


async def _a_moment(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), timeout=0.5)
    except TimeoutError:
        return


def main() -> None:
    """Take the orders and work; tell whoever started this why it cannot."""
    logs.configure()
    try:
        asyncio.run(work(msgspec.json.decode(sys.argv[1], type=Orders)))
    except WatchkeeperError as error:
        refuse(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
