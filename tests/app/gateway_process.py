"""`watchkeeper gateway` as a user runs it, and a client that says exactly what it sends."""

from __future__ import annotations

import http.client
import itertools
import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.app import compiled
from tests.app.conftest import environment

WITHIN = 60.0
MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_IDS = itertools.count(1)


class GatewayProcess:
    """The process, what its ready line said, and its log."""

    def __init__(self, folder: Path, *arguments: str, program: Sequence[str] = ("-m", "watchkeeper")) -> None:
        self.data = folder / "data"
        self.log = folder / "gateway.log"
        words = (
            [*arguments]
            if "--data" in arguments or "--ephemeral" in arguments
            else [*arguments, "--data", str(self.data)]
        )
        self.folder = folder / words[words.index("--data") + 1] if "--data" in words else None
        if self.folder is not None:
            compiled.lend(self.folder)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program, "gateway", *words],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
            )
        self.line: dict[str, Any] = {}

    def ready(self) -> dict[str, Any]:
        """Its one line."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], WITHIN)[0], self.log.read_text()
        said = self.process.stdout.readline()
        assert said, self.log.read_text()
        self.line = json.loads(said)
        return self.line

    @property
    def url(self) -> str:
        (url,) = self.line["servers"].values()
        return str(url)

    @property
    def token(self) -> str:
        return Path(self.line["clients"][0]["token_file"]).read_text().strip()

    def client(self) -> Client:
        return Client(self.url, self.token)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait for its end; returns the exit code."""
        try:
            self.process.communicate(timeout=WITHIN)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.communicate()
        if self.folder is not None:
            compiled.take(self.folder)
        return self.process.returncode


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """Of a tool's result."""
        return str(self.json["result"]["content"][0]["text"])


class Client:
    """One connection of one client."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self.path = parts.path
        self.token = token
        self.link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=WITHIN)

    def send(self, verb: str, body: bytes | None = None, session: str = "", **headers: str) -> http.client.HTTPResponse:
        sent = {"Authorization": f"Bearer {self.token}", "Accept": "application/json, text/event-stream"}
        if body is not None:
            sent["Content-Type"] = "application/json"
        if session:
            sent["Mcp-Session-Id"] = session
        self.link.request(verb, self.path, body, sent | headers)
        return self.link.getresponse()

    def ask(self, method: str, session: str = "", **params: Any) -> Answer:
        message = {"jsonrpc": "2.0", "id": next(_IDS), "method": method, "params": params}
        return Answer(self.send("POST", json.dumps(message).encode(), session))

    def modern(self, method: str, **params: Any) -> Answer:
        """The same in the newer era."""
        body = {"jsonrpc": "2.0", "id": next(_IDS), "method": method, "params": params | {"_meta": META}}
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        for named in {"name", "taskId"} & set(params):
            headers["Mcp-Name"] = params[named]
        return Answer(self.send("POST", json.dumps(body).encode(), **headers))

    def call(self, tool: str = "echo", session: str = "") -> Answer:
        return self.ask("tools/call", session, name=tool, arguments={})

    def initialize(self) -> str:
        """A session of the older era; its id."""
        client = {"name": "test", "version": "1"}
        answer = self.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
        assert answer.status == 200, answer.body
        return answer.headers["mcp-session-id"]

    def close(self) -> None:
        self.link.close()


@contextmanager
def gateway_process(folder: Path, *arguments: str) -> Iterator[GatewayProcess]:
    """One that serves; it is stopped in the end, and must have drained."""
    running = GatewayProcess(folder, *arguments)
    try:
        assert running.ready().get("ready") == "gateway", running.line
        yield running
    finally:
        code = running.stop()
    assert code == 0, running.log.read_text()


def until(what: Any, within: float = 30.0) -> float:
    """Look until it is so; returns the seconds that it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within, "it did not come to be so in time"
        time.sleep(0.01)
    return time.monotonic() - began
