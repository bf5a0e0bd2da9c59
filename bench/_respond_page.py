"""From a fact that somebody must be called for to the call itself, through the watch as `up` runs it.

The watch on a data folder with a rota and a signed channel; a receiver over real HTTP. Alerts are recorded as detection
records them, each an incident of its own, one after the other has been called for. Counted from the alert's time to the
moment at which the receiver has read the page: response, incident, on-call, escalation and delivery lie in between.
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import queue
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _respond_containment import ready, service

from watchkeeper.app.platform import prepare
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, Journal, Severity
from watchkeeper.events.model import VERSION

PAGES, QUICK = 200, 12
_WARM = 3
"""Pages at the beginning that do not count."""
_PATIENCE = 30.0
_SETTINGS = """
[gateway]
port = 0
[respond.oncall]
levels = [{{ page = ["rota:main"] }}]
[respond.oncall.channels.pager]
url = "http://127.0.0.1:{port}/page"
secret = "file:{secret}"
[respond.oncall.people.ann]
channels = ["pager"]
[respond.oncall.rotas.main]
layers = [{{ people = ["ann"] }}]
"""

Got = queue.SimpleQueue[tuple[str, int]]
"""Title of a page, and when it was read: microseconds."""


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """The rows of this part."""
    count = (QUICK if quick else PAGES) + _WARM
    folder, got = Path(tempfile.mkdtemp(prefix="wk-page-")), Got()
    try:
        with receiver(got) as port, watch(folder / "data", port):
            seconds = sorted(call(folder / "data", got, count)[_WARM:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    n = len(seconds)
    found = {"p50": statistics.median(seconds), "p99": seconds[min(n - 1, round(0.99 * n))], "max": seconds[-1]}
    return [
        {"metric": f"page_{name}_s", "value": round(value, 3), "unit": "s", "n": n} for name, value in found.items()
    ]


@contextmanager
def receiver(got: Got) -> Iterator[int]:
    """Somebody who takes pages; the port."""

    class Takes(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            at = time.time_ns() // 1000
            self.send_response(204)
            self.end_headers()
            got.put((json.loads(body)["data"]["title"], at))

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def watch(data: Path, port: int) -> Iterator[None]:
    """The watch on a data folder whose settings call ann."""
    data.mkdir(mode=0o700, parents=True)
    secret = data / "pager.secret"
    secret.write_text("whsec_" + base64.b64encode(os.urandom(32)).decode(), encoding="utf-8")
    secret.chmod(0o600)
    (data / "watchkeeper.toml").write_text(_SETTINGS.format(port=port, secret=secret), encoding="utf-8")
    prepare(data)
    one = service("watch", data)
    try:
        ready(one)
        yield
    finally:
        one.terminate()
        one.communicate()


def call(data: Path, got: Got, count: int) -> list[float]:
    """Seconds to each page, in order."""
    clock, took = SystemClock(), []
    journal = Journal.open(data, "bench", clock)
    try:
        for number in range(count):
            alert = alert_of(clock.now(), number)
            journal.record(alert)
            title, at = got.get(timeout=_PATIENCE)
            if title != alert.body["title"]:
                raise SystemExit(f"somebody was called for {title!r} instead of {alert.body['title']!r}")
            took.append((at - alert.time) / 1_000_000)
    finally:
        journal.close()
    return took


def alert_of(now: int, number: int) -> Event:
    """As detection records one: critical, which no quiet hour and no throttle holds back."""
    body = {
        "rule": f"bench_{number}",
        "title": f"page {number}",
        "playbook": "",
        "tags": [],
        "summary": "",
        "principal": f"agent:{number}",
        "event": derived_id("bench trigger", number),
        "event_time": now,
    }
    return Event(
        v=VERSION,
        id=derived_id("bench page", number, now),
        time=now,
        kind="detect.alert.raised",
        actor="system:detect",
        server=f"s{number}",
        target="tool",
        outcome="deny",
        severity=Severity.CRITICAL,
        body=body,
    )
