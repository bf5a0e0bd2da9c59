"""From an event to its durable alert, at a steady rate: `python bench/_detect_latency.py [--json] [--quick]`.

A gateway's process records events (bench/_lake_events.py, about 930 bytes) into its journal at a steady rate; in
another one the product's own detection follows: its rules, its stages, its admission, a state on disk, a journal of its
own. One event in five hundred is made to match a rule of the product, each at a place of its own, so that nothing is
grouped.

- alert_p50_ms, alert_p99_ms, alert_max_ms: from the event's time, taken when it is appended, to the moment when its
  alert is durable in the journal. The wait of the event for its own commit is inside; the first seconds, in which the
  matcher learns and compiles, are not.
- cpu_us_per_event: what detection's process used for each event, everything in it counted.
- behind_most: the most records that waited at once; events_per_second: what was really recorded.
- load: how many processes wanted the processors meanwhile; beyond their number the rest says little.

The aim: p99 of at most 300 ms at 5,000 events a second.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from pathlib import Path
from typing import Any

import msgspec
from _lake_events import Estate

from watchkeeper.app.detecting import detector_of
from watchkeeper.app.platform import opened
from watchkeeper.app.process import settling
from watchkeeper.app.rulebook import detections_of
from watchkeeper.app.settings import load
from watchkeeper.core.clock import SECOND
from watchkeeper.core.ids import observed_id
from watchkeeper.detect.model import Rule
from watchkeeper.events import Event, Journal, JournalReader, decode, encode

RATE = 5_000
SECONDS = 20
WARM = 6
"""Seconds at the beginning that do not count."""
_TICK = 0.01
_ONE_IN = 500
_RULE = "secret_leaving"


class Timed(Journal):
    """Notes when what was appended is known to be durable."""

    moments: list[tuple[int, int]]

    def wait(self, index: int, timeout: float = 10) -> None:
        super().wait(index, timeout)
        self.__dict__.setdefault("moments", []).append((index, time.time_ns() // 1000))


def write(data: Path, rate: int, seconds: int, example: Event) -> None:
    """The gateway's part, in a process of its own: so many events a tick; a tick that comes late is made up for."""
    journal, estate = Journal.open(data, "gateway"), Estate()
    made = [estate.event() for _ in range(4_000)]
    plain = [msgspec.structs.replace(one, kind="gateway.request.decided", outcome="allow") for one in made]
    per_tick, number = int(rate * _TICK), 0
    begun = time.monotonic()
    while (elapsed := time.monotonic() - begun) < seconds:
        for _ in range(int(elapsed / _TICK) * per_tick - number):
            now = time.time_ns() // 1000
            if number % _ONE_IN == 50:
                event = msgspec.structs.replace(example, id=observed_id(), time=now, target=f"tool-{number}")
            else:
                event = msgspec.structs.replace(plain[number % len(plain)], id=observed_id(), time=now)
            journal.append(event)
            number += 1
        time.sleep(_TICK)
    journal.close()
    print(json.dumps({"events": number, "seconds": time.monotonic() - begun}), flush=True)


def measure(rate: int = RATE, seconds: int = SECONDS) -> dict[str, Any]:
    """One run on a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        loaded = load(None, data)
        rules = detections_of(loaded)
        rule = next(one for one in rules.rules if one.name == _RULE)
        with opened(data, "watch", Timed, loaded.settings.journal) as platform:
            detector, stop = detector_of(loaded, platform), threading.Event()
            while detector.step():
                pass
            follower = threading.Thread(target=detector.run, args=(stop,))
            follower.start()
            used = time.process_time()
            threading.Thread(target=settling, args=(stop,), daemon=True).start()
            said, behind = _written(data, rate, seconds, rule, lambda: detector.progress().waiting)
            while detector.progress().waiting:
                time.sleep(0.05)
            stop.set()
            follower.join()
            used = time.process_time() - used
            moments = sorted(platform.journal.__dict__.get("moments", []))
        every = _latencies(data, moments, rule)
        if len(every) != (said["events"] + _ONE_IN - 51) // _ONE_IN:
            raise SystemExit(f"{len(every)} alerts for {said['events']} events")
        found = [waited for time_, waited in every if time_ >= every[0][0] + WARM * SECOND]
        return {
            "rules": len(rules.rules),
            "correlations": len(rules.correlations),
            "events_per_second": round(said["events"] / said["seconds"]),
            "alerts": len(found),
            "alert_p50_ms": round(statistics.median(found), 1),
            "alert_p99_ms": round(sorted(found)[-1 - len(found) // 100], 1),
            "alert_max_ms": round(max(found), 1),
            "cpu_us_per_event": round(used / said["events"] * 1e6, 1),
            "behind_most": behind,
            "load": round(os.getloadavg()[0], 1),
        }


def _written(data: Path, rate: int, seconds: int, rule: Rule, waiting: Any) -> tuple[dict[str, Any], int]:
    arguments = ["--write", str(data), "--rate", str(rate), "--seconds", str(seconds)]
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(encode(rule.match[0]).decode() + "\n")
    process.stdin.close()
    behind = 0
    while process.poll() is None:
        behind = max(behind, waiting())
        time.sleep(0.5)
    return json.loads(process.stdout.read()), behind


def _latencies(data: Path, moments: list[tuple[int, int]], rule: Rule) -> list[tuple[int, float]]:
    """Of each alert of the rule: the time of its event, and milliseconds."""
    reader, at, found = JournalReader(data), {"gateway": 1 << 60}, []
    while records := reader.read(at):
        at["watch"] = records[-1].position.index + 1
        for record in records:
            event = record.event
            if event is not None and event.kind == "detect.alert.raised" and event.body["rule"] == rule.id:
                at_least = bisect_left(moments, (record.position.index, 0))
                began = event.body["event_time"]
                found.append((began, (moments[at_least][1] - began) / SECOND * 1000))
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    if options.write is not None:
        write(options.write, options.rate, options.seconds, decode(sys.stdin.readline().encode()))
        return
    result = measure(options.rate, WARM + (5 if options.quick else options.seconds))
    if options.json:
        sys.stdout.write(json.dumps({"name": "detect_latency", "results": result}) + "\n")
        return
    for name, value in result.items():
        print(f"{name:20} {value:,}")


if __name__ == "__main__":
    main()
