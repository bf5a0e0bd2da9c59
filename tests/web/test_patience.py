"""Whoever sends its request a byte at a time, or never, is cut, and keeps nobody out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.web.conftest import Desk, clock, desk, serve_console
from watchkeeper.web import patience

__all__ = ["clock", "desk", "serve_console"]
HEAD = b"POST /hooks/integrations/pager HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n"


@pytest.fixture
def running(
    serve_console: Callable[..., AbstractContextManager[Any]], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    monkeypatch.setattr(patience, "SECONDS", 1.0)
    with serve_console(desk.services()) as one:
        yield one


def drip(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.05):
        try:
            connection.sendall(b"a")
        except OSError:
            return


@pytest.mark.behaviour("web.slow-clients-are-cut")
def test_a_client_that_never_ends_its_request_is_cut_and_others_are_served(running: Any) -> None:
    where, over = urlsplit(running.url), threading.Event()
    begun = {"silent": b"", "half a head": HEAD, "half a body": HEAD + b"\r\n{", "dripping": HEAD + b"X-Slow: "}
    connections = {name: socket.create_connection((where.hostname, where.port), 30) for name in begun}
    dripping = threading.Thread(target=drip, args=(connections["dripping"], over))
    try:
        for name, data in begun.items():
            connections[name].sendall(data)
        dripping.start()
        with running.client() as client:
            assert client.get("/healthz").status_code == 200
            for name, connection in connections.items():
                assert _rest(connection) == b"", name
            assert [client.get("/healthz").status_code for _ in range(2)] == [200, 200]
    finally:
        over.set()
        dripping.join(20)
        for connection in connections.values():
            connection.close()


def _rest(connection: socket.socket) -> bytes:
    """What comes until the other side ends it."""
    try:
        return connection.recv(1000)
    except ConnectionResetError:
        return b""
