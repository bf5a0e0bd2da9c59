"""What of `[journal]` is about places outside this host: tiles for verifiers, copies of checkpoints. Only settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured


class TileSettings(msgspec.Struct, frozen=True):
    """`[journal.tiles]`."""

    listen: Annotated[
        str,
        Meta(
            description="HOST:PORT on which the console serves the logs' tiles to whoever asks, for verifiers outside; "
            "empty serves none. They disclose how many records there are and when they came, never what is in one."
        ),
    ] = ""


def address_of(listen: str) -> tuple[str, int] | None:
    """Host and port of `[journal.tiles] listen`; `None` when it is empty. Raises `Misconfigured`."""
    if not listen:
        return None
    host, colon, port = listen.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Misconfigured(
            f"journal.tiles.listen: {listen!r} is no HOST:PORT", hint='for example "127.0.0.1:7320", or "[::1]:7320"'
        )
    return host, int(port)
