"""Response, killed, measured and parked: `python bench/respond.py [--json] [--quick] [--only NAME]`.

Each part is a module of its own beside this one (`_respond_*.py`):

- *kill*: kill -9 at every step boundary of every shipped playbook, on SQLite and PostgreSQL (quick: at a few of them):
  `kill_finished`, `kill_duplicates` (orders, facts, and what took place at the gateway and beyond it), and from the
  kill until another process goes on with the run:
  `kill_recovery_p50_s` where that one was looking on, `kill_recovery_cold_p50_s` where it was only started then
- *containment*: from an alert in the journal to its containment verified at a real live gateway, with the control
  state in a file and on a server: `containment_p50_s`, `containment_p99_s`, `containment_postgresql_p50_s`, …
- *page*: from an alert in the journal to the receiver that has read the page, through the watch: `page_p50_s`,
  `page_p99_s`
- *parked*: what a run that waits for an approval costs to keep, and all of them while nothing happens:
  `parked_bytes_per_approval`, `parked_core_share`
- *upgrade*: waiting runs go on under another engine, by the text they were begun with: `upgrade_resumed`; a run that
  was in the old engine's hands is reported: `upgrade_reported`

Times are real time: a busy machine shows in them, so the load is told.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from typing import Any

PARTS = ("kill", "containment", "page", "parked", "upgrade")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="less of everything: within a minute")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given again")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whoever ends it has it clean up
    importlib.import_module("_respond_estate").clear()
    found: list[dict[str, Any]] = []
    for name in chosen.only or PARTS:
        found += importlib.import_module(f"_respond_{name}").measure(quick=chosen.quick)
    if chosen.json:
        sys.stdout.write(json.dumps({"name": "respond", "load": round(load, 1), "results": found}) + "\n")
        return
    for one in found:
        more = {key: value for key, value in one.items() if key not in ("metric", "value", "unit")}
        sys.stdout.write(f"{one['metric']:36} {one['value']:>12} {one['unit']:9} {more or ''}\n")
    sys.stdout.write(f"load of the machine when this began: {load:.1f} on {os.cpu_count()} cores\n")


if __name__ == "__main__":
    main()
