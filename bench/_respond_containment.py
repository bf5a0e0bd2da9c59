"""From an alert in the journal to its containment verified, through a live gateway and the watch, as `up` runs them.

Two services of the product on one data folder, with many servers routed to a real MCP server, on a file and on a
PostgreSQL server. One tool after the other changes its definition once the one before is contained, and detection
raises the alert. Counted from the alert's time to the time of `respond.containment.verified`, both in the journal. The
reversible verb is pre-authorised.
"""

from __future__ import annotations

import http.server
import json
import select
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _respond_estate import STORES, Stores, fresh_folder, say
from startup import Server

from watchkeeper.app.platform import prepare
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.state import StateSettings
from watchkeeper.events import Journal, JournalReader
from watchkeeper.inspection.fingerprints import definitions_in
from watchkeeper.registry.pins import Pins

SERVERS, TOOLS = 40, 6
QUICK = 6
_WARM = 2
"""Containments at the beginning that do not count."""
_PATIENCE = 30.0
_ALERT, _PROOFS = "detect.alert.raised", ("respond.containment.verified", "respond.containment.unverified")


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """The rows of this part."""
    count = (QUICK if quick else SERVERS * TOOLS) + _WARM
    rows = []
    with Stores() as stores:
        for store in STORES:
            began = time.monotonic()
            rows += _times("containment" if store == "sqlite" else f"containment_{store}", on(stores.url(store), count))
            say(f"containment on {store}: {count} in {time.monotonic() - began:.0f} s")
    return rows


def on(url: str, count: int) -> list[float]:
    """Seconds of each containment that counts, on the database server at `url`, or on a file."""
    folder = fresh_folder()
    try:
        with running(folder / "data", url):
            return contain(folder / "data", url, count)[_WARM:]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _times(name: str, seconds: list[float]) -> list[dict[str, Any]]:
    ordered, n = sorted(seconds), len(seconds)
    found = {"p50": statistics.median(ordered), "p99": ordered[min(n - 1, round(0.99 * n))], "max": ordered[-1]}
    return [
        {"metric": f"{name}_{one}_s", "value": round(value, 3), "unit": "s", "n": n} for one, value in found.items()
    ]


@contextmanager
def running(data: Path, state: str = "") -> Iterator[None]:
    """The gateway and the watch on a data folder, whose control state is at the URL `state`, or in a file."""
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{upstream.server_address[1]}/mcp"
    data.mkdir(mode=0o700, parents=True)
    servers = "".join(f'[servers.s{number}]\nurl = "{url}"\n' for number in range(SERVERS))
    where = f'[state]\nurl = "{state}"\n' if state else ""
    (data / "watchkeeper.toml").write_text(f"[gateway]\nport = 0\n{where}{servers}", encoding="utf-8")
    prepare(data, StateSettings(url=state))
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


def contain(data: Path, url: str, count: int) -> list[float]:
    """Seconds of each containment, in order."""
    clock, database = SystemClock(), Database(url) if url else Database.at(data / "state.db")
    journal, reader = Journal.open(data, "bench", clock), JournalReader(data)
    pins = Pins(database, journal, clock)
    cursor: dict[str, int] = {}
    took = []
    try:
        for number in range(count):
            server, tool = f"s{number % SERVERS}", f"tool_{number}"
            for text in ("does a thing", "does a thing, and mails it"):
                shown = {"tools": [{"name": tool, "description": text, "inputSchema": {"type": "object"}}]}
                pins.observe(server, definitions_in("tools/list", json.dumps(shown).encode()), {})
            took.append(proven(reader, cursor, server, tool))
    finally:
        reader.close()
        journal.close()
        database.close()
    return took


def proven(reader: JournalReader, cursor: dict[str, int], server: str, tool: str) -> float:
    """Seconds from this tool's alert to its containment; raises when it was not verified, or not in time."""
    until, alerted = time.monotonic() + _PATIENCE, 0
    while time.monotonic() < until:
        for record in reader.read(cursor):
            cursor[record.position.writer] = record.position.index + 1
            event = record.event
            if event is None:
                continue
            if event.kind == _ALERT and (event.server, event.target) == (server, tool) and event.body["playbook"]:
                alerted = alerted or event.time
            if event.kind not in _PROOFS or (event.body.get("server"), event.body.get("tool")) != (server, tool):
                continue
            if event.kind != _PROOFS[0] or not alerted:
                raise SystemExit(f"the containment of {server}/{tool} could not be verified: {event.body}")
            return (event.time - alerted) / 1_000_000
        time.sleep(0.005)
    raise SystemExit(f"{server}/{tool} was not contained within {_PATIENCE:.0f} s")
