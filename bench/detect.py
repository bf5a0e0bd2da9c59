"""Detection, as fast as it is: `python bench/detect.py [--json] [--quick] [--only NAME] [--corpora DIR]`.

Each part is a module of its own beside this one (`_detect_*.py`), left out, loudly, where what it needs is missing:

- *windows*: SigmaHQ's rules over real Windows events (`sigma_events_per_second_windows`, loading), index = naive
- *mcp*: rules over our own events (`mcp_events_per_second_500_rules`)
- *sqlite*: a peer, pySigma's backend for SQLite, over the same rules and events, where it is installed
- *correlation*: `value_count_events_per_second` and the other operators
- *indicators*: a million indicators (`intel_*`)
- *latency*: from an event to its durable alert at 5,000 events a second, all of the product behind it
  (`event_to_alert_p99_ms_5000_per_second`); the only part that is told in real time, and a busy machine shows in it
- *logs*: our rules for other products' records over labelled MCP logs (`safe_mcp_recall`, `safe_mcp_precision`)

Rates are for one core, in processor time: the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
Rows = list[dict[str, Any]]


def windows(corpora: Path, quick: bool) -> Rows:
    if not (corpora / "sigma").is_dir():
        return skip("windows", f"there are no rules and events at {corpora / 'sigma'}")
    return part("_detect_windows").rows(corpora / "sigma", quick=quick)


def mcp(_: Path, quick: bool) -> Rows:
    return part("_detect_mcp").measure(quick=quick)


def sqlite(corpora: Path, quick: bool) -> Rows:
    if importlib.util.find_spec("sigma.backends.sqlite") is None:
        return skip("sqlite", "pysigma-backend-sqlite is not installed (put it on PYTHONPATH, not into the project)")
    if not (corpora / "sigma").is_dir():
        return skip("sqlite", f"there are no rules and events at {corpora / 'sigma'}")
    return part("_detect_sqlite").rows(corpora / "sigma", quick=quick)


def correlation(_: Path, quick: bool) -> Rows:
    module = part("_detect_correlation")
    figures = module.measure(20_000 if quick else 200_000)
    found = [row(name, value, "events/s") for name, value in figures.items()]
    for one in found:
        if one["metric"] == "value_count_events_per_second":
            one |= {"peer": "RSigma, as published", "peer_value": module.PEER}
    return found


def indicators(_: Path, quick: bool) -> Rows:
    figures = part("_detect_indicators").measure(*((50_000, 1.0) if quick else (1_000_000, 5.0)))
    return [row(f"intel_{name}", value, "") for name, value in figures.items() if isinstance(value, int | float)]


def latency(_: Path, quick: bool) -> Rows:
    module = part("_detect_latency")
    found = module.measure(module.RATE, module.WARM + (4 if quick else module.SECONDS))
    more = {name: found[name] for name in ("events_per_second", "alerts", "cpu_us_per_event", "behind_most", "load")}
    return [
        row(f"event_to_alert_{share}_ms_{module.RATE}_per_second", found[f"alert_{share}_ms"], "ms") | more
        for share in ("p50", "p99")
    ]


def logs(corpora: Path, _: bool) -> Rows:
    return list(part("_detect_logs").results(corpora))


PARTS: dict[str, Callable[[Path, bool], Rows]] = {
    "windows": windows, "mcp": mcp, "sqlite": sqlite, "correlation": correlation, "indicators": indicators,
    "latency": latency, "logs": logs,
}  # fmt: skip


SLOW = {"sqlite"}
"""Left out of `--quick` unless they are asked for."""


def part(name: str) -> Any:
    return importlib.import_module(name)


def row(metric: str, value: float, unit: str) -> dict[str, Any]:
    return {"metric": metric, "value": round(value, 3) if value < 1_000 else round(value), "unit": unit}


def skip(name: str, why: str) -> Rows:
    sys.stderr.write(f"SKIPPED: {name}: {why}\n")
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="less of everything: within a minute")
    parser.add_argument("--only", choices=sorted(PARTS), action="append", help="this part; may be given again")
    parser.add_argument(
        "--corpora", type=Path, default=os.environ.get("WATCHKEEPER_CORPORA", HERE.parent / "shared" / "corpora")
    )
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    found: Rows = []
    for name, measure in PARTS.items():
        if name in (chosen.only or (PARTS if not chosen.quick else PARTS.keys() - SLOW)):
            found += measure(Path(chosen.corpora), chosen.quick)
    if chosen.json:
        sys.stdout.write(json.dumps({"name": "detect", "load": round(load, 1), "results": found}) + "\n")
        return
    for one in found:
        more = {key: value for key, value in one.items() if key not in ("metric", "value", "unit")}
        value = "no case" if one["value"] is None else f"{one['value']:,}"
        sys.stdout.write(f"{one['metric']:46} {value:>12} {one['unit']:9} {more or ''}\n")
    sys.stdout.write(f"load of the machine when this began: {load:.1f} on {os.cpu_count()} cores\n")


if __name__ == "__main__":
    main()
