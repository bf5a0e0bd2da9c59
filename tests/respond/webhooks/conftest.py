"""Another system: an HTTP server in a thread of the test's process, which keeps what it got; and what is told to it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Journal
from watchkeeper.gateway.approvals import Approvals
from watchkeeper.respond.webhooks.outbox import Wires
from watchkeeper.respond.webhooks.signing import keys_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEYS = keys_of("s", Secret(SECRET))


class Elsewhere:
    """What came, and what is answered."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = [200]
        """One for each request; the last one for all that follow."""
        self.media = "text/plain"
        """What it says its answer is; empty for nothing at all."""
        self.url = ""

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@contextmanager
def another_system() -> Iterator[Elsewhere]:
    elsewhere = Elsewhere()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            elsewhere.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = elsewhere.statuses.pop(0) if len(elsewhere.statuses) > 1 else elsewhere.statuses[0]
            self.send_response(status)
            if status != 204:
                if elsewhere.media:
                    self.send_header("Content-Type", elsewhere.media)
                self.send_header("Content-Length", "2")
            self.end_headers()
            if status != 204:
                self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    elsewhere.url = f"http://127.0.0.1:{server.server_address[1]}/in"
    try:
        yield elsewhere
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with another_system() as one:
        yield one


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_795_368_000_000_000)


@pytest.fixture
def wires(tmp_path: Path, clock: ManualClock) -> Iterator[Wires]:
    with closing(Database.at(tmp_path / "state.db")) as database:
        database.create_missing_tables()
        with closing(Journal.open(tmp_path, "watch", clock)) as journal:
            yield Wires(database, journal, clock, Approvals(database, journal, clock))
