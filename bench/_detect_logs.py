"""Our rules for records of other products against labelled MCP logs: `python bench/_detect_logs.py [--json]`.

- *recall*: of the malicious cases, those in which a rule matched; *precision*: of the cases in which one did, the
  malicious ones. Both with n and the 95 % interval of Wilson.
- *named*: of the malicious cases, those in which a rule matched that names the case's own technique.
- *floor*: the same for a handful of words, to show that there is something to find.
- A technique whose n is small says little; cases of one technique are much alike, so that the intervals are too narrow.

The cases are other people's and not in the repository: `--corpora`, or `WATCHKEEPER_CORPORA`. Without them all of it is
skipped, and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
from _rates import wilson

from watchkeeper.core.content import content_folder
from watchkeeper.detect.sigma.evaluation import Evaluator
from watchkeeper.detect.sigma.foreign.files import Item
from watchkeeper.detect.sigma.loading import load

LOGS = "safe-mcp-logs.jsonl"
_HERE = Path(__file__).resolve().parents[1]
_WORDS = ("ignore previous", "ignore all previous", "<important>", "do not tell the user", "do not mention",
          "system prompt", "~/.ssh", "without telling")  # fmt: skip
"""What the corpora's README takes for a floor."""


class Tally(msgspec.Struct):
    """Of one technique, or of all."""

    malicious: int = 0
    found: int = 0
    named: int = 0
    benign: int = 0
    false: int = 0
    floor: int = 0
    floor_false: int = 0

    def add(self, other: Tally) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def judged(case: dict[str, Any], evaluator: Evaluator) -> Tally:
    """One case."""
    data = case["data"]
    text = json.dumps(data["events"]).casefold()
    technique = f"safe-mcp.{data['technique'].removeprefix('SAFE-').lower()}"
    headings = evaluator.look(Item("logs", 1, case["id"], data["events"])).headings
    is_bad = case["label"] == "malicious"
    hit, word = bool(headings), any(one in text for one in _WORDS)
    return Tally(
        malicious=is_bad,
        found=is_bad and hit,
        named=is_bad and any(technique in heading.tags for heading in headings),
        benign=not is_bad,
        false=hit and not is_bad,
        floor=is_bad and word,
        floor_false=word and not is_bad,
    )


def tallies(corpora: Path) -> tuple[dict[str, Tally], float]:
    """Technique → its tally, and events judged a second, enriching included."""
    evaluator = Evaluator(load([content_folder("detections") / "foreign"]).rules)
    found: dict[str, Tally] = defaultdict(Tally)
    cases = [msgspec.json.decode(line) for line in (corpora / LOGS).read_bytes().splitlines()]
    begun = time.process_time()
    for case in cases:
        found[case["data"]["technique"]].add(judged(case, evaluator))
    return dict(sorted(found.items())), evaluator.counts.events / max(time.process_time() - begun, 1e-9)


def rate(metric: str, hits: int, n: int, ground: str = "") -> dict[str, Any]:
    """A row of a rate; of nothing there is no rate."""
    low, high = wilson(hits, n)
    value = round(hits / n, 4) if n else None
    said: dict[str, Any] = {"metric": metric, "unit": "share", "value": value, "n": n, "hits": hits}
    said |= {"low": round(low, 4), "high": round(high, 4)}
    return said | ({"ground": ground} if ground else {})


def rows_of(tally: Tally, ground: str = "") -> list[dict[str, Any]]:
    """Recall and precision of one technique, or of all."""
    return [
        rate("safe_mcp_recall", tally.found, tally.malicious, ground),
        rate("safe_mcp_precision", tally.found, tally.found + tally.false, ground),
        rate("safe_mcp_named_recall", tally.named, tally.malicious, ground),
        rate("safe_mcp_floor_recall", tally.floor, tally.malicious, ground),
        rate("safe_mcp_floor_precision", tally.floor, tally.floor + tally.floor_false, ground),
    ]


def results(corpora: Path | None) -> list[dict[str, Any]]:
    """Every row: all techniques together, then each; none without the corpora, which is said."""
    if corpora is None or not (corpora / LOGS).is_file():
        sys.stderr.write(f"SKIPPED: logs: there is no {LOGS}; set WATCHKEEPER_CORPORA to the folder of the corpora\n")
        return []
    by_technique, rate_of_events = tallies(corpora)
    whole = Tally()
    for tally in by_technique.values():
        whole.add(tally)
    speed = {"metric": "foreign_records_per_second", "unit": "1/s", "value": round(rate_of_events)}
    return [*rows_of(whole), speed, *(row for name, tally in by_technique.items() for row in rows_of(tally, name)[:3])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument(
        "--corpora", type=Path, default=os.environ.get("WATCHKEEPER_CORPORA", _HERE.parent / "shared" / "corpora")
    )
    said = parser.parse_args()
    rows = results(Path(said.corpora))
    if said.json:
        print(json.dumps({"name": "detect_logs", "results": rows}))
        return
    for row in rows:
        if "n" not in row:
            print(f"{row['metric']:28} {row['value']:>24,}")
            continue
        value = "no case" if row["value"] is None else f"{row['value']:7.1%}"
        interval = f"[{row['low']:.1%}, {row['high']:.1%}]"
        print(f"{row['metric']:28} {row.get('ground', 'all'):12} {value:>8}  {row['hits']}/{row['n']} {interval}")


if __name__ == "__main__":
    main()
