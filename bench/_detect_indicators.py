"""Indicators: `python bench/_detect_indicators.py [--json] [--indicators N] [--seconds S]`; `detect.py` calls it.

A million indicators (addresses, names, digests, URLs; made up, the same in every run) are taken in, laid down and
opened; then MCP events of 1 KB are looked at, each with values of its own, so that none is known from memory. One core;
processor time, so that neighbours on the machine distort it less. The peers are what one writes first: every value in
turn with `in`, and one RE2 of all values, both over a thousand indicators only, because they grow with their number.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import re2

from watchkeeper.core.clock import SystemClock
from watchkeeper.detect.intelligence.formats.reading import read
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import Source
from watchkeeper.detect.intelligence.stage import Intelligence
from watchkeeper.detect.interface import Seen
from watchkeeper.events import Event, Position
from watchkeeper.events.model import VERSION

NOW = 1_790_000_000_000_000
_PROSE = (
    "The quarterly report was moved to the shared folder. Please summarise the open tickets, name their owners, and "
    "say which of them are late; a table is fine. Do not change anything. Thanks, and greetings from the night shift. "
)


def indicators(number: int) -> Iterator[str]:
    """A quarter each of addresses, names, digests and URLs."""
    chance = random.Random(20_261_126)
    for at in range(number):
        if at % 4 == 0:
            yield f"{chance.randrange(11, 99)}.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"
        elif at % 4 == 1:
            yield f"h{at}.bad{at % 70_000}.xyz"
        elif at % 4 == 2:
            yield hashlib.sha256(str(at).encode()).hexdigest()
        else:
            yield f"http://u{at}.evil{at % 5_000}.top/p/{at}"


def events(number: int) -> list[Event]:
    """Calls and answers of about 1 KB with five to eight observables each; one in a thousand shows an indicator."""
    made = []
    for at in range(number):
        bad = " see http://u3.evil3.top/p/3 " if at % 1000 == 0 else ""
        arguments = {
            "path": f"/srv/files/{at}/report-{at}.txt",
            "url": f"https://host{at}.intranet{at % 997}.corp-site.com/api/v2/items/{at}?page={at % 13}",
            "note": _PROSE[: 200 + at % 60] + bad,
            "mail": f"user{at}@mail{at % 89}.company.org",
        }
        digest = hashlib.sha256(str(at).encode()).hexdigest()[:40]
        result = [{"type": "text", "text": f"{_PROSE} 10.{at % 250}.{at % 240}.7 {digest}"}]
        body = {
            "method": "tools/call", "status": 200, "route": "files", "rules": ["permit.tools"], "id": at,
            "correlation": f"c-{at:08x}", "policy": "sha256:" + "5e" * 32, "bytes_in": 512, "bytes_out": 700,
            "duration_us": 1200, "arguments": json.dumps(arguments), "result": json.dumps(result), "findings": [],
        }  # fmt: skip
        made.append(
            Event(
                v=VERSION, id=f"00000000-0000-7000-8000-{at:012d}", time=NOW + at, kind="gateway.request.decided",
                actor=f"agent:{at % 50}", server="files", target="read_file", outcome="allow", body=body,
            )
        )  # fmt: skip
    return made


def measure(number: int = 1_000_000, seconds: float = 5.0) -> dict[str, Any]:
    """Every figure, by its name."""
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        found, library = _loaded(Path(folder), number)
        made = events(20_000)
        stage = Intelligence(library)
        found["events_per_second"] = _rate(lambda event: stage.look(_seen(event)), made, seconds)
        found["event_bytes"] = sum(len(json.dumps(event.body)) for event in made[:500]) // 500
        found["hits"] = sum(bool(stage.look(_seen(event))) for event in made)
    some = list(indicators(1000))
    texts = [event.body["arguments"] + event.body["result"] for event in made]
    found["peer_in_events_per_second_1000"] = _rate(lambda text: any(one in text for one in some), texts, seconds / 2)
    options = re2.Options()
    options.max_mem, options.log_errors = 1 << 30, False
    every = re2.compile("|".join(re2.escape(one) for one in some), options)
    found["peer_re2_events_per_second_1000"] = _rate(every.search, texts, seconds / 2)
    return found


def _loaded(folder: Path, number: int) -> tuple[dict[str, Any], Library]:
    data = "\n".join(indicators(number)).encode()
    library = Library(folder, SystemClock())
    begin = time.process_time()
    taken = read(data, "list")
    parsed = time.process_time()
    library.take(Source(name="bench"), taken)
    kept = time.process_time()
    del taken
    library.rebuild()
    built = time.process_time()
    size = library.index_path.stat().st_size
    opened = time.perf_counter()
    Intelligence(library)
    return {
        "indicators": number,
        "parse_seconds": round(parsed - begin, 2),
        "take_seconds": round(kept - parsed, 2),
        "index_seconds": round(built - kept, 2),
        "load_seconds": round(time.perf_counter() - opened, 4),
        "index_megabytes": round(size / 1e6),
        "import_peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }, library


def _seen(event: Event) -> Seen:
    return Seen(event, Position("bench", 0))


def _rate(look: Callable[[Any], Any], things: list[Any], seconds: float) -> int:
    """How many a second of processor time: the middle of what each five hundred gave, each thing looked at once."""
    rates, spent = [], 0.0
    for at in range(0, len(things), 500):
        begin = time.process_time()
        for one in things[at : at + 500]:
            look(one)
        took = time.process_time() - begin
        rates.append(500 / took)
        spent += took
        if spent > seconds:
            break
    return round(statistics.median(rates))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--indicators", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    said = parser.parse_args()
    found = measure(said.indicators, said.seconds)
    if said.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:40} {value:>12,}")


if __name__ == "__main__":
    sys.exit(main())
