"""What a server's settings say of reaching it: its own times, how much is asked of it at once, and when it may rest."""

from __future__ import annotations

import msgspec

from watchkeeper.app.platform import Platform
from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.events import Severity, new_event
from watchkeeper.gateway.bounds import Bounded, Bounds
from watchkeeper.gateway.fuse import Change, Fuse
from watchkeeper.gateway.settings import GatewaySettings, ServerSettings
from watchkeeper.gateway.upstream import Upstream

_TIMES = ("connect_seconds", "answer_seconds", "stream_idle_seconds", "ceiling_seconds")


def own_times(settings: GatewaySettings, server: ServerSettings) -> GatewaySettings:
    """The gateway's settings with the times that this server has of its own."""
    own = {name: value for name in _TIMES if (value := getattr(server, name))}
    return msgspec.structs.replace(settings, **own)


def bounds_of(server: ServerSettings, workers: int = 1) -> Bounds:
    """How much of it may be used at once, by one of so many workers: together never more than the settings say."""
    return Bounds(
        connections=_share(server.max_connections, workers),
        concurrent=_share(server.max_concurrent, workers),
        waiting=server.max_waiting,
        wait_seconds=server.wait_seconds,
    )


def _share(bound: int, workers: int) -> int:
    return max(1, bound // workers) if bound else 0


def check_bounds(name: str, server: ServerSettings, workers: int) -> None:
    """Raises `Misconfigured` when a bound cannot be shared out among the workers without exceeding it."""
    for field in ("max_connections", "max_concurrent"):
        if server.url and 0 < getattr(server, field) < workers:
            raise Misconfigured(
                f"servers.{name}.{field}: {getattr(server, field)} cannot be shared out among {workers} workers",
                hint="give it at least one for each of gateway.workers, or let a [limits] section count calls at once",
            )


def bounded(name: str, server: ServerSettings, upstream: Upstream, workers: int = 1) -> Upstream:
    """The upstream with its bound on calls under way, where it has one."""
    return Bounded(name, upstream, bounds_of(server, workers)) if server.max_concurrent else upstream


def fuse_of(name: str, settings: GatewaySettings, platform: Platform) -> Fuse:
    """A server's breakers, which record what they do."""

    def tell(change: Change) -> None:
        is_open = change.kind == "gateway.breaker.opened"
        event = new_event(
            platform.clock.now(),
            change.kind,
            actor="system:gateway",
            server=name,
            target=change.principal,
            outcome="failure" if is_open else "success",
            severity=Severity.MEDIUM if is_open else Severity.INFORMATIONAL,
            body={"reason": change.reason, "seconds": change.seconds, "principal": change.principal or "everybody"},
        )
        try:
            platform.journal.append(event)
        except Unavailable:
            return  # it rests all the same; the next call will notice that the journal fails

    return Fuse(name, tolerated=settings.breaker_failures, longest=settings.breaker_seconds, tell=tell)
