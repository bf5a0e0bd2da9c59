"""Other systems, as servers on loopback in threads of the test's process: HTTP ones that a test scripts, a mail server,
and one that misbehaves on the wire.
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

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Protocol
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

PATIENCE = 20.0


class Request:
    """What came."""

    def __init__(self, verb: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self.verb = verb
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]
Answering = Callable[[Request], Reply]
"""A request to status, body (bytes as they are, else JSON), and perhaps further headers."""


class Elsewhere:
    """An HTTP server and what it got."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.got: list[Request] = []
        self.url = ""
        self.host = ""


@contextmanager
def elsewhere(answer: Answering, tls: ssl.SSLContext | None = None) -> Iterator[Elsewhere]:
    there = Elsewhere(answer)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            there.got.append(request)
            status, said, *more = there.answer(request)
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            media = "text/plain" if isinstance(said, bytes) else "application/json"
            for name, value in ({"Content-Type": media} | (more[0] if more else {})).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = _any

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that breaks off is the test's
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    there.host = f"127.0.0.1:{server.server_address[1]}"
    there.url = f"{'https' if tls else 'http'}://{there.host}"
    try:
        yield there
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


class Post:
    """A mail server's handler: what came, and what it answers to it."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.reply = "250 2.0.0 Ok: queued as 4XyZ123"
        self.refused: dict[str, str] = {}

    async def handle_RCPT(
        self, server: Protocol, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Protocol, session: Session, envelope: Envelope) -> str:
        self.got.append(envelope)
        return self.reply


@contextmanager
def mail_server(
    post: Post, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, password: str = ""
) -> Iterator[str]:
    """A real server; its HOST:PORT."""

    def login(_: Protocol, __: Session, ___: Envelope, ____: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data.password == password.encode(), handled=False)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(
        post,
        hostname="127.0.0.1",
        port=port,
        ssl_context=tls,
        tls_context=starttls,
        require_starttls=starttls is not None,
        authenticator=login if password else None,
        auth_required=bool(password) and tls is None,  # it takes a port with TLS for one without
        auth_require_tls=bool(password) and tls is None,
    )
    controller.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        controller.stop()


@contextmanager
def on_the_wire(behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server of bytes: what it does with a connection is the test's. Its HOST:PORT."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                behave(connection, over)
            except OSError:
                return  # the other side cut it, which is what the test wants

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
            threads[-1].start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for each in (thread, *threads):
            each.join(PATIENCE)


def hangs(connection: socket.socket, over: threading.Event) -> None:
    """Takes everything, answers nothing."""
    over.wait(PATIENCE)


def drips(connection: socket.socket, over: threading.Event) -> None:
    """A byte now and then, for ever: no single read is slow."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while not over.wait(0.05):
        connection.sendall(b"a")


def drips_mail(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"220-")
    while not over.wait(0.05):
        connection.sendall(b"a")


def talks_for_ever(connection: socket.socket, over: threading.Event) -> None:
    """A greeting of endless lines."""
    while not over.is_set():
        connection.sendall(b"220-welcome\r\n" * 1000)
