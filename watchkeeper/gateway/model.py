"""What the gateway's rooms hand to each other: routes and rulings. No I/O."""

from __future__ import annotations

import msgspec

from watchkeeper.gateway.upstream import Upstream
from watchkeeper.inspection.model import Finding
from watchkeeper.policy.model import Verdict


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream behind one port of ours. Clients cache the era per origin, so no two upstreams share a port."""

    name: str
    """The server's name in settings, events and policies."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the system choose; `Gateway.ports` says what it chose."""
    path: str = "/mcp"
    shadow: bool = False
    """Nothing is stopped; what would have been is recorded."""
    durability: str = "batched"
    """`strict`: an allowed call's answer waits until its event is on disk; `batched`: only a denial waits."""
    upstream: Upstream | None = None


class Ruling(msgspec.Struct, frozen=True):
    """What the guard says of one message."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    body: bytes | None = None
    """The message to forward instead, already inspected: a modification, or a list without its held entries."""
