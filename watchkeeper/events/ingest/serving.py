"""A port for an ASGI application, in whatever thread it is asked for. Knows nothing of what is served."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

from watchkeeper.core.errors import Conflict


def listen(address: str) -> socket.socket:
    """A listening socket at `host:port`. Raises `Conflict` when it is taken or not ours to use."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Conflict(
            f"cannot take records in at {address}: {error.strerror}", hint="set ingest.listen to another port"
        ) from error


async def serve(app: Any, listener: socket.socket, stop: threading.Event) -> None:
    """Until told to stop; requests under way are finished."""
    import uvicorn  # noqa: PLC0415 — only where a port is served

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        limit_concurrency=64,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        server_header=False,
        ws="none",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not serving.done():
        server.should_exit = server.should_exit or stop.is_set()
        await asyncio.wait({serving}, timeout=0.1)
    await serving
