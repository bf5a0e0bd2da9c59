"""What is found, and what is called out in vain: `python bench/detection.py [--json] [--corpora DIR] [--sets]`.

Each rate has its hits, its number and its 95 % Wilson interval, and says on what ground it stands:

- *held out*: cases written apart from all training (`training/heldout`), or a corpus that no model here was trained on;
- *seen*: cases of the development half, which the models were trained on; an upper bound, printed for completeness;
- *cross-validated*: from `training/report.json`: every score by a model that never saw the case's group.

The peer is the naive floor: a handful of substrings (corpora, "The naive floor").
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
from _rates import wilson

from watchkeeper.app.cases import Answer, Record, answer
from watchkeeper.app.scanning import assessor

HERE = Path(__file__).resolve().parent.parent
HELDOUT = HERE / "training" / "heldout"
REPORT = HERE / "training" / "report.json"
FLOOR = (
    "ignore previous", "ignore all previous", "<important>", "do not tell the user", "do not mention", "system prompt",
    "~/.ssh", "without telling",
)  # fmt: skip
STEALTH = frozenset(
    {"preference", "overlap", "shadowing", "rename", "implicit_trigger", "parameter_tampering", "context_collection",
     "delegation", "trust_building", "stealth", "stealthy", "stealthy_poisoning"}
)  # fmt: skip
TEXTUAL = frozenset({"text", "wire", "event_log"})


def metric_of(record: dict[str, Any]) -> str:
    """Which figure a case counts in."""
    kind, label, source = record["kind"], str(record.get("class", "")), str(record.get("source", ""))
    malicious = record["label"] == "malicious"
    if kind in TEXTUAL:
        return "text_recall" if malicious else "text_false_positive"
    if not malicious:
        return "real_tools_false_positive" if source.startswith("benign-") else "lookalike_tools_false_positive"
    if source.startswith("cisco") or "dangerous" in label:
        return "dangerous_recall"
    is_stealthy = label in STEALTH and source != "mcpproxy-security"
    return "stealth_recall" if is_stealthy or "stealth" in source else "explicit_recall"


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return [json.loads(line) for line in file if line.strip()]


def trained_on(path: Path) -> bool:
    """Whether these cases went into the models: the development half says so itself."""
    first = lines(path)[:1]
    return bool(first) and first[0].get("split") == "dev"


def measured(path: Path, ground: str) -> list[tuple[dict[str, Any], Answer, str]]:
    judge = assessor()
    return [
        (r, answer(msgspec.convert(r, Record), judge), ground) for r in lines(path) if r.get("kind") and "data" in r
    ]


def rate(name: str, found: list[tuple[bool, bool]], ground: str) -> dict[str, Any]:
    hits, n = sum(flagged for flagged, _ in found), len(found)
    floor = sum(naive for _, naive in found) / n
    low, high = wilson(hits, n)
    value = hits / n
    return {
        "metric": name, "value": round(value, 4), "unit": "share", "peer": "naive floor", "peer_value": round(floor, 4),
        "ratio": round(value / floor, 2) if floor else None, "hits": hits, "n": n, "low": round(low, 4),
        "high": round(high, 4), "ground": ground,
    }  # fmt: skip


def naive(record: dict[str, Any]) -> bool:
    text = json.dumps(record["data"], ensure_ascii=False).lower()
    return any(word in text for word in FLOOR)


def results(corpora: Path | None, per_set: bool) -> list[dict[str, Any]]:
    cases = [case for path in sorted(HELDOUT.glob("*.jsonl")) for case in measured(path, "held out")]
    if corpora:
        for path in sorted([*corpora.glob("*.jsonl"), *corpora.glob("*.jsonl.gz")]):
            cases += measured(path, "seen" if trained_on(path) else "held out")
    groups: dict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for record, found, ground in cases:
        name = metric_of(record)
        if per_set:
            name = f"{record.get('source')}: {name}"
        groups[name, ground].append((found.flagged, naive(record)))
    out = [rate(name, found, ground) for (name, ground), found in sorted(groups.items())]
    if REPORT.is_file() and not per_set:
        out += [{**row, "ground": "cross-validated"} for row in json.loads(REPORT.read_text())["results"]]
    return [*out, *speeds(cases)]


def speeds(cases: list[tuple[dict[str, Any], Answer, str]]) -> list[dict[str, Any]]:
    took = sorted(found.microseconds for _, found, _ in cases)
    text = ("The build went through without errors, and all tests passed on every platform. " * 200)[:10_240]
    record = Record("10kb", "text", {"text": text, "field": "tool_args"})
    judge = assessor()
    times = []
    for _ in range(15):
        began = time.perf_counter()
        answer(record, judge)
        times.append((time.perf_counter() - began) * 1e3)
    return [
        {"metric": "microseconds_per_case_median", "value": took[len(took) // 2], "unit": "us", "peer": None,
         "peer_value": None, "ratio": None},
        {"metric": "milliseconds_10kb_text_with_model", "value": round(sorted(times)[7], 3), "unit": "ms",
         "peer": None, "peer_value": None, "ratio": None},
    ]  # fmt: skip


def _floor(row: dict[str, Any]) -> str:
    return "" if row["peer_value"] is None else f"floor {row['peer_value']:.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="the same: it ends within a minute")
    parser.add_argument("--sets", action="store_true", help="a row for each set instead of each figure")
    parser.add_argument(
        "--corpora", type=Path, default=os.environ.get("WATCHKEEPER_CORPORA", HERE.parent / "shared" / "corpora")
    )
    chosen = parser.parse_args()
    corpora = Path(chosen.corpora) if Path(chosen.corpora).is_dir() else None
    if corpora is None:
        sys.stderr.write(
            f"SKIPPED: there are no corpora at {chosen.corpora}; only what lies in the repository is measured\n"
        )
    rows = results(corpora, chosen.sets)
    if chosen.json:
        sys.stdout.write(json.dumps({"name": "detection", "results": rows}) + "\n")
        return
    for row in rows:
        interval = (
            f"[{row['low']:.1%}, {row['high']:.1%}]  {row['hits']}/{row['n']}  {_floor(row)}" if "n" in row else ""
        )
        value = f"{row['value']:.1%}" if row["unit"] == "share" else f"{row['value']} {row['unit']}"
        sys.stdout.write(f"{row['metric']:44} {row.get('ground', ''):16} {value:>9}  {interval}\n")


if __name__ == "__main__":
    main()
