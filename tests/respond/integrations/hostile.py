"""Systems that do what they are asked and then misbehave, which is the worst case: HTTP and SMTP servers on loopback.

A `System` is what such a system keeps; its `mode` is how it treats whoever asks, and may be set while it runs.
"""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.respond.integrations.servers import PATIENCE, Reply, Request, on_the_wire

MODES = ("hangs", "drips", "closes", "errs", "floods", "redirects", "untrusted")
"""How systems misbehave; `well` is not one of them."""
_FLOOD = b"x" * 65_536


class System:
    """One system: what it does with a request, what it got, and how it answers."""

    def __init__(self, does: Callable[[Request], Reply], mode: str, error: Any = None) -> None:
        self.does = does
        self.mode = mode
        self.error = error if error is not None else {"error": "it could not be done"}
        self.got: list[Request] = []
        self.over = threading.Event()
        self.elsewhere = ""
        """Where `redirects` points to."""


def _answered(handler: http.server.BaseHTTPRequestHandler, system: System, request: Request) -> None:
    mode = system.mode
    if mode == "redirects":
        _send(handler, 307, b"", {"Location": system.elsewhere + handler.path})
        return
    if mode == "errs":  # nothing is done, and the status says that all is well
        _send(handler, 200, json.dumps(system.error).encode(), {"Content-Type": "application/json"})
        return
    status, said, *more = system.does(request)
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    media = {"Content-Type": "text/plain" if isinstance(said, bytes) else "application/json"}
    if mode == "hangs":
        system.over.wait(PATIENCE)
    elif mode == "drips":
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while not system.over.wait(0.05):
            handler.wfile.write(b"a")
    elif mode == "closes":
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(data) + 99}\r\n\r\n"
        handler.wfile.write(head.encode() + data)
    elif mode == "floods":
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000000000\r\n\r\n")
        while not system.over.is_set():
            handler.wfile.write(_FLOOD)
    else:
        _send(handler, status, data, media | (more[0] if more else {}))
        return
    handler.close_connection = True


def _send(handler: http.server.BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


@contextmanager
def http_system(system: System, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Its HOST:PORT."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            system.got.append(request)
            try:
                _answered(self, system, request)
            except OSError:
                self.close_connection = True  # the other side cut it, which is what the test wants

        do_GET = do_POST = do_PATCH = do_PUT = _any

        def log_message(self, format: str, *args: object) -> None:
            return None

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            return None  # a client that breaks off is the test's

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        system.over.set()
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


@contextmanager
def mail_system(system: System) -> Iterator[str]:
    """A server of SMTP that keeps a message and then misbehaves; its HOST:PORT."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        reader = connection.makefile("rb")
        connection.sendall(b"220 there ESMTP\r\n")
        while line := reader.readline(1000):
            verb = line[:4].upper().strip()
            if verb == b"DATA":
                connection.sendall(b"354 go on\r\n")
                _take(connection, reader, system, over)
            elif verb == b"QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            elif verb == b"STAR":
                connection.sendall(b"220 go on\r\n")
            elif verb in (b"EHLO", b"HELO", b"MAIL", b"RCPT", b"RSET"):
                connection.sendall(b"250 OK\r\n")
            else:
                connection.sendall(b"500 what?\r\n")

    with on_the_wire(serve) as host:
        try:
            yield host
        finally:
            system.over.set()


def _take(connection: socket.socket, reader: Any, system: System, over: threading.Event) -> None:
    lines: list[bytes] = []
    while (line := reader.readline(2000)) not in (b".\r\n", b""):
        lines.append(line)
    refusals = {"errs": b"452 4.3.1 the disk is full\r\n", "redirects": b"551 5.1.6 gone to eve@evil.example\r\n"}
    if system.mode in refusals:
        connection.sendall(refusals[system.mode])
        return
    system.got.append(Request("DATA", "", {}, b"".join(lines)))
    if system.mode == "hangs":
        over.wait(PATIENCE)
    elif system.mode == "drips":
        connection.sendall(b"250-")
        while not over.wait(0.05):
            connection.sendall(b"a")
    elif system.mode == "closes":
        connection.sendall(b"25")
        connection.shutdown(socket.SHUT_RDWR)
    elif system.mode == "floods":
        while not over.is_set():
            connection.sendall(b"250-queued\r\n" * 1000)
    else:
        connection.sendall(b"250 2.0.0 Ok: queued as 4XyZ123\r\n")
