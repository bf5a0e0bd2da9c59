"""A small MCP server of the older era over HTTP, in threads of the test's process, which keeps what it got."""

from __future__ import annotations

import http.server
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

TOOL = {"name": "echo", "description": "Says it again.", "inputSchema": {"type": "object"}}


class Keeper:
    """What all connections share."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        """Messages, in the order they came."""
        self.sessions: set[str] = set()
        self.streaming = threading.Event()
        """Set once a GET stream is open."""
        self.release = threading.Event()
        """A call of the tool `slow` is answered once this is set."""
        self.slow_began = threading.Event()
        self.url = ""
        self._streams: list[Any] = []
        self._lock = threading.Lock()

    def methods(self) -> list[str]:
        return [message.get("method", "") for message in self.got]

    def attach(self, stream: Any) -> None:
        with self._lock:
            self._streams.append(stream)
        self.streaming.set()

    def announce(self, data: bytes) -> None:
        """An event on every open GET stream."""
        with self._lock:
            for stream in self._streams:
                stream.write(b"%x\r\n%s\r\n" % (len(data), data))
                stream.flush()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    keeper: Keeper

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.keeper.got.append(message)
        method = message.get("method", "")
        session = self.headers.get("Mcp-Session-Id", "")
        if method == "initialize":
            session = secrets.token_urlsafe(16)
            self.keeper.sessions.add(session)
            server = {"name": "small", "version": "1"}
            result: dict[str, Any] = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": server,
            }
            self._answer(200, message, result, session)
        elif session and session not in self.keeper.sessions:
            self._answer(404, message, {}, "")
        elif "id" not in message:
            self._plain(202)
        elif method == "tools/list":
            self._answer(200, message, {"tools": [TOOL, TOOL | {"name": "slow"}]}, "")
        else:
            if message.get("params", {}).get("name") == "slow":
                self.keeper.slow_began.set()
                self.keeper.release.wait(30)
            text = message.get("params", {}).get("arguments", {}).get("say") or session or "no session"
            self._answer(200, message, {"content": [{"type": "text", "text": text}]}, "")

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.keeper.attach(self.wfile)
        self.connection.settimeout(60)
        with suppress(OSError):
            self.connection.recv(1)  # until the other side hangs up
        self.close_connection = True

    def do_DELETE(self) -> None:
        self.keeper.sessions.discard(self.headers.get("Mcp-Session-Id", ""))
        self._plain(204)

    def _plain(self, status: int) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status: int, message: dict[str, Any], result: dict[str, Any], session: str) -> None:
        outcome = {"result": result} if status == 200 else {"error": {"code": -32001, "message": "no such session"}}
        body = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), **outcome}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if session:
            self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        return  # a gateway that hangs up in the middle is what some tests are about


@contextmanager
def small_server() -> Iterator[Keeper]:
    keeper = Keeper()
    server = _Server(("127.0.0.1", 0), type("Bound", (Handler,), {"keeper": keeper}))
    keeper.url = f"http://127.0.0.1:{server.server_address[1]}/mcp"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.release.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
