"""A watch's sinks alone, in a process that may be killed: `DATA CONFIG`; ends when its standard input does."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from watchkeeper.app.settings import load
from watchkeeper.app.sinks import Sinks
from watchkeeper.core import logs


def main() -> None:
    logs.configure("error")
    sinks = Sinks(load(Path(sys.argv[2]), Path(sys.argv[1])), lambda event: None)
    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(stop,)) for run in sinks.runs.values()]
    for thread in threads:
        thread.start()
    sys.stdin.buffer.read()
    stop.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
