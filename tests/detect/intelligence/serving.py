"""A port on loopback for an ASGI application, for tests of clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from watchkeeper.events.ingest.serving import listen, serve


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Its URL, for as long as the context lasts."""
    listener = listen("127.0.0.1:0")
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve(app, listener, stop)))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        thread.join(10)


class Documents:
    """Answers GET by path; what it was asked is kept."""

    def __init__(self, documents: dict[str, tuple[int, str, bytes]]) -> None:
        self.documents = documents
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["path"], headers.get("authorization", "")))
        status, media, body = self.documents.get(scope["path"], (404, "text/plain", b""))
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", media.encode())]})
        await send({"type": "http.response.body", "body": body})
