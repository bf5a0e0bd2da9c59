"""From an alert in the journal to its containment verified, through a live gateway and the watch, as `up` runs them.

Two services of the product on one data folder, with many servers routed to a real MCP server. Alerts are recorded as
detection records them, each of another tool, one after the other has been contained. Counted from the alert's time to
the time of `respond.containment.verified`, both in the journal. The reversible verb is pre-authorised.
"""

from __future__ import annotations

import http.server
import itertools
import json
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from startup import Server

from watchkeeper.app.platform import prepare
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, Journal, JournalReader, Severity
from watchkeeper.events.model import VERSION
from watchkeeper.inspection.fingerprints import definitions_in
from watchkeeper.registry.pins import Pins

SERVERS, TOOLS = 40, 6
QUICK = 20
_WARM = 5
"""Containments at the beginning that do not count."""
_PATIENCE = 30.0


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """The rows of this part."""
    count = (QUICK if quick else SERVERS * TOOLS) + _WARM
    folder = Path(tempfile.mkdtemp(prefix="wk-contain-"))
    try:
        with running(folder / "data"):
            seconds = sorted(contain(folder / "data", count)[_WARM:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    n = len(seconds)
    found = {"p50": statistics.median(seconds), "p99": seconds[min(n - 1, round(0.99 * n))], "max": seconds[-1]}
    return [
        {"metric": f"containment_{name}_s", "value": round(value, 3), "unit": "s", "n": n}
        for name, value in found.items()
    ]


@contextmanager
def running(data: Path) -> Iterator[None]:
    """The gateway and the watch on a data folder."""
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{upstream.server_address[1]}/mcp"
    data.mkdir(mode=0o700, parents=True)
    servers = "".join(f'[servers.s{number}]\nurl = "{url}"\n' for number in range(SERVERS))
    (data / "watchkeeper.toml").write_text(f"[gateway]\nport = 0\n{servers}", encoding="utf-8")
    prepare(data)
    services = [service(name, data) for name in ("gateway", "watch")]
    try:
        for one in services:
            ready(one)
        yield
    finally:
        for one in services:
            one.terminate()
        for one in services:
            one.communicate()
        upstream.shutdown()


def service(name: str, data: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "watchkeeper", "service", name, "--supervised", "--data", str(data)]
    with (data / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)


def ready(one: subprocess.Popen[bytes]) -> None:
    assert one.stdout is not None
    if not select.select([one.stdout], [], [], 120)[0]:
        raise SystemExit("a service was not ready in time")
    said = json.loads(one.stdout.readline() or b"{}")
    if "ready" not in said:
        raise SystemExit(f"a service did not start: {said}")


def contain(data: Path, count: int) -> list[float]:
    """Seconds of each containment, in order."""
    clock, database = SystemClock(), Database.at(data / "state.db")
    journal, reader = Journal.open(data, "bench", clock), JournalReader(data)
    pins = Pins(database, journal, clock)
    cursor: dict[str, int] = {}
    took = []
    try:
        for number in itertools.islice(itertools.count(), count):
            server, tool = f"s{number % SERVERS}", f"tool_{number}"
            for text in ("does a thing", "does a thing, and mails it"):
                shown = {"tools": [{"name": tool, "description": text, "inputSchema": {"type": "object"}}]}
                pins.observe(server, definitions_in("tools/list", json.dumps(shown).encode()), {})
            alert = alert_of(clock.now(), number, server, tool)
            journal.record(alert)
            took.append((proven(reader, cursor, server, tool) - alert.time) / 1_000_000)
    finally:
        reader.close()
        journal.close()
        database.close()
    return took


def alert_of(now: int, number: int, server: str, tool: str) -> Event:
    """As detection records one."""
    body = {
        "rule": "tool_changed",
        "title": "A tool changed",
        "playbook": "rug_pull",
        "tags": [],
        "summary": "",
        "principal": "agent:desk",
        "event": derived_id("bench trigger", number),
        "event_time": now,
    }
    return Event(
        v=VERSION,
        id=derived_id("bench alert", number, now),
        time=now,
        kind="detect.alert.raised",
        actor="system:detect",
        server=server,
        target=tool,
        outcome="deny",
        severity=Severity.HIGH,
        body=body,
    )


def proven(reader: JournalReader, cursor: dict[str, int], server: str, tool: str) -> int:
    """When the containment of this tool was verified; raises when it was not, or not in time."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        for record in reader.read(cursor):
            cursor[record.position.writer] = record.position.index + 1
            event = record.event
            if event is None or not event.kind.startswith("respond.containment."):
                continue
            if (event.body.get("server"), event.body.get("tool")) == (server, tool):
                if event.kind != "respond.containment.verified":
                    raise SystemExit(f"the containment of {server}/{tool} could not be verified: {event.body}")
                return event.time
        time.sleep(0.002)
    raise SystemExit(f"{server}/{tool} was not contained within {_PATIENCE:.0f} s")
