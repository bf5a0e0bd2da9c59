"""The lake: how long the starter hunts take over ten million events, beside other engines over the same files.

    python bench/lake.py --folder FOLDER [--json] [--quick]

FOLDER keeps the table between runs (about 3 GB, some minutes to make). What each figure is stands in `_lake_hunts.py`.
"""

from __future__ import annotations

from _lake_hunts import main

if __name__ == "__main__":
    main()
