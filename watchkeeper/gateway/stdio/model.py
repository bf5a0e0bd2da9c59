"""The bounds of a route over stdio, and how a client may be told about them. No I/O."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one route may cost, and how long anybody waits."""

    children: int = 32
    """Servers running at once; one more is answered 503."""
    children_per_principal: int = 16
    idle_seconds: float = 1800.0
    """A server nobody has used for so long is stopped."""
    start_seconds: float = 60.0
    """How long a new server may take to answer `initialize`; package runners download before they start."""
    request_seconds: float = 120.0
    """How long a request may be silent; progress starts the time anew."""
    ceiling_seconds: float = 900.0
    """How long a request may last, whatever its progress."""
    probe_seconds: float = 30.0
    """How long a new server may take to say which era it speaks."""
    write_seconds: float = 10.0
    """How long a server may leave its input unread."""
    stop_seconds: float = 2.0
    """Between closing a server's input, asking it to end, and killing it."""
    line_bytes: int = 16 * 1024 * 1024
    """The longest message of a server; one that writes more is killed."""
    garbage_lines: int = 100
    """Lines in a row that are no message; a server that writes more is killed."""
    queue_messages: int = 512
    """Messages kept for a client that does not read; what comes beyond is dropped, an answer never."""
    log_lines: int = 2000
    """Lines of a server's standard error that reach our log in a minute."""
    era_seconds: float = 300.0
    """How long the era a server was found to speak is believed."""
