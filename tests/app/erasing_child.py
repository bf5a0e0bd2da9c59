"""Erases a subject and kills itself after a step: `python erasing_child.py DATA SUBJECT STEP`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from watchkeeper.app.desk import Desk
from watchkeeper.app.platform import opened


def main(data: str, subject: str, step: str) -> None:
    with opened(Path(data), "cli") as platform:
        erasing = Desk(platform).erasing

        def passed(name: str) -> None:
            if name == step:
                os.kill(os.getpid(), signal.SIGKILL)

        erasing.passed = passed
        erasing.erase({"subject": subject, "by": "operator:olga"})


if __name__ == "__main__":
    main(*sys.argv[1:])
