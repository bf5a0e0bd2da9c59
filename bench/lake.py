"""The lake: how long the starter hunts take over ten million events, beside other engines over the same files.

    python bench/lake.py --folder FOLDER [--json] [--quick]
    python bench/lake.py --filling [--json] [--quick]     how fast it is filled, how soon an event is found, its bytes
    python bench/lake.py --kills 100                      a filler and a compactor killed so often each, rows counted

FOLDER keeps the table between runs (about 3 GB, some minutes to make). What each figure is stands in `_lake_hunts.py`
and `_lake_filling.py`.
"""

from __future__ import annotations

import sys

import _lake_filling
import _lake_hunts

if __name__ == "__main__":
    if any(option.startswith(("--filling", "--kills")) for option in sys.argv[1:]):
        _lake_filling.main()
    else:
        _lake_hunts.main()
