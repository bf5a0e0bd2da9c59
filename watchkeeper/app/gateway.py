"""The gateway process: routes, guard, control socket, and the order in which they begin and end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchkeeper.app.credentials import Accreditor, keeps_credential
from watchkeeper.app.endpoints import endpoints_over
from watchkeeper.app.labelling import journal_class
from watchkeeper.app.launching import command_of, spawner_for
from watchkeeper.app.limiting import Consumption, gate_for, keep_ledger
from watchkeeper.app.platform import Platform, note_service, opened
from watchkeeper.app.process import settle
from watchkeeper.app.secrets import with_secrets
from watchkeeper.app.servers import effective
from watchkeeper.app.settings import Loaded
from watchkeeper.app.upstreams import bounded, bounds_of, fuse_of, own_times
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Conflict, Unavailable
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.files import Lock, make_private_folder
from watchkeeper.events import new_event
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.control import GatewayControl
from watchkeeper.gateway.hops import hop_of
from watchkeeper.gateway.http_sse import SseUpstream
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.oauth.issuers import Issuers
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.relay.relay import Relay
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings, ServerSettings
from watchkeeper.gateway.sightings import observing
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.gateway.tasks import TaskLedger
from watchkeeper.gateway.tls import contexts
from watchkeeper.gateway.upstream import Upstream
from watchkeeper.inspection import Inspection
from watchkeeper.policy import PolicyEngine
from watchkeeper.protocol.spawn import Spawner

WRITER = "gateway"
_log = logging.getLogger(__name__)

Greeting = Callable[[Platform], Mapping[str, Any]]
"""What else the ready line says."""


@dataclass(frozen=True)
class Post:
    """Which of a gateway's processes this is, and what it was given on its way."""

    writer: str = WRITER
    """Its log's name."""
    sockets: Mapping[str, socket.socket] = field(default_factory=dict)
    """Route → what listens for it already."""
    relay: Relay | None = None
    """Leads to the other workers, where there are any."""
    follows: Mapping[str, Any] | None = None
    """The worker that died in this one's place: number, process id, how it ended."""


@dataclass
class Stop:
    """When to stop, and how long calls under way may take then; seconds are the settings' unless said here."""

    asked: asyncio.Event
    within: float | None = None


async def serve(
    loaded: Loaded,
    post: Post,
    stop: Stop,
    ready: Callable[[Mapping[str, Any]], None],
    *,
    demo: bool,
    greeting: Greeting,
) -> None:
    """Serve every route in this process until told to stop, then drain. Raises what keeps it from starting."""
    servers = effective(loaded, demo=demo)
    with opened(loaded.data_dir, post.writer, journal_class(demo=demo), loaded.settings.journal) as platform:
        async with AsyncExitStack() as stack:
            spawner = spawner_for(loaded.data_dir)
            stack.callback(spawner.close)
            routes = _routes(loaded, servers, platform, spawner)
            gateway, control = assemble(loaded, routes, platform, post.relay)
            _note_start(platform, loaded, post)
            ledger = await keep_ledger(loaded, post.relay, stack)
            if gateway.gate is not None:
                control.answers |= Consumption(gateway.gate, ledger, post.relay).answers
            await control.start()
            stack.push_async_callback(control.close)
            greeted = greeting(platform)
            await gateway.start(post.sockets)
            addresses = _addresses(loaded, [route.name for route in routes], gateway.ports)
            control.sandboxes = await _sandboxes(servers, spawner)
            endpoints = _addresses(loaded, loaded.settings.endpoints, gateway.ports)
            control.addresses = addresses | endpoints
            served = {"servers": addresses, "endpoints": endpoints, "sandboxes": control.sandboxes}
            settle()
            ready({**served, **greeted})
            await stop.asked.wait()
            within = loaded.settings.gateway.drain_seconds
            await gateway.drain(within if stop.within is None else min(within, stop.within))
        note_service(platform, loaded, post.writer, "admin.service.stopped")


def _note_start(platform: Platform, loaded: Loaded, post: Post) -> None:
    if post.follows is not None:
        actor, body = f"system:{WRITER}", dict(post.follows)
        kind, now = "gateway.worker.replaced", platform.clock.now()
        platform.journal.append(new_event(now, kind, actor=actor, target=post.writer, outcome="failure", body=body))
    note_service(platform, loaded, post.writer, "admin.service.started")


def alone_on(data_dir: Path) -> Lock:
    """Two gateways on one folder would each hold half of its sessions and limits. Raises `Conflict`."""
    make_private_folder(data_dir)
    try:
        return Lock(data_dir / "run" / f"{WRITER}.lock").acquire(f"{data_dir}")
    except Conflict as error:
        raise Conflict(
            f"a gateway already runs on {data_dir}",
            hint="use that one, stop it, or give this one another folder with --data",
        ) from error


def assemble(
    loaded: Loaded, routes: list[Route], platform: Platform, relay: Relay | None = None
) -> tuple[Gateway, GatewayControl]:
    """A gateway with everything that is on by default, and its control; neither is started."""
    orders = OrdersInForce()
    guard = guard_for(loaded, platform, orders)
    gateway = Gateway(
        routes,
        guard=guard,
        identities=platform.clients,
        journal=platform.journal,
        clock=platform.clock,
        settings=loaded.settings.gateway,
        gate=gate_for(loaded, platform, relay),
        issuers=_issuers(loaded, platform),
        relay=relay,
        endpoints=endpoints_over(loaded, routes),
    )
    control = GatewayControl(
        f"{os.getpid()}",
        loaded.data_dir,
        database=platform.database,
        journal=platform.journal,
        clock=platform.clock,
        orders=orders,
        pins=platform.pins,
        identities=platform.clients,
        guard=guard,
        routes={route.name: route for route in routes},
        also=(TaskLedger(guard.tasks, platform.database, platform.clock).sync,),
    )
    return gateway, control


def guard_for(loaded: Loaded, platform: Platform, orders: OrdersInForce) -> Guard:
    """The guard with everything that is on by default."""
    return Guard(
        orders=orders,
        pins=platform.pins,
        inspection=Inspection.from_plugins(loaded.data_dir / "cache"),
        policy=PolicyEngine.load(_policies(loaded)),
        observe=observing(platform.pins),
        groups_of=platform.clients.groups_of,
    )


def _issuers(loaded: Loaded, platform: Platform) -> Issuers | None:
    if not loaded.settings.issuers:
        return None
    return Issuers(loaded.settings.issuers, Fetcher(loaded.settings.fetch), platform.clock)


def _policies(loaded: Loaded) -> list[Path]:
    return [content_folder("policies"), *(Path(folder) for folder in loaded.settings.policy.folders)]


def _routes(loaded: Loaded, servers: Mapping[str, ServerSettings], platform: Platform, spawner: Spawner) -> list[Route]:
    settings = loaded.settings.gateway
    accreditor = Accreditor(loaded.settings.fetch, platform)
    return [
        Route(
            name=name,
            host=settings.host,
            port=server.port,
            path=settings.path,
            shadow=server.shadow,
            durability=server.durability,
            eras=server.eras,
            public_url=server.public_url,
            scopes=server.scopes,
            hands_on_trace=server.trace_context == "inject",
            upstream=accreditor.accredit(
                name,
                server,
                _upstream(name, with_secrets(name, server), settings, platform, spawner, hop=_hop(loaded, name)),
            ),
            hop=_hop(loaded, name),
            keeps_credential=keeps_credential(server),
        )
        for name, server in servers.items()
    ]


def _hop(loaded: Loaded, name: str) -> str:
    return hop_of(socket.gethostname(), str(loaded.data_dir), name)


def _upstream(
    name: str, server: ServerSettings, settings: GatewaySettings, platform: Platform, spawner: Spawner, *, hop: str
) -> Upstream:
    settings = own_times(settings, server)
    if server.url:
        fuse = fuse_of(name, settings, platform)
        tls = _tls(name, server)
        http = HttpUpstream(
            server.url, settings, headers=server.headers, hop=hop, fuse=fuse, bounds=bounds_of(server), tls=tls
        )
        if server.transport == "sse":

            def posts_to(endpoint: str) -> HttpUpstream:
                return HttpUpstream(endpoint, settings, headers=server.headers, hop=hop, tls=tls)

            return bounded(name, server, SseUpstream(server.url, settings, streams=http, posts_to=posts_to))
        return bounded(name, server, http)
    limits = Limits(
        request_seconds=settings.answer_seconds,
        ceiling_seconds=settings.ceiling_seconds,
        line_bytes=settings.max_answer_bytes,
    )
    command = command_of(server)
    stdio = StdioUpstream(
        name, command, spawner=spawner, recorder=platform.journal, clock=platform.clock, limits=limits
    )
    return bounded(name, server, stdio)


def _tls(name: str, server: ServerSettings) -> ssl.SSLContext | None:
    if not (server.tls_ca or server.tls_certificate):
        return None
    return contexts.for_server(f"servers.{name}", server.tls_ca, server.tls_certificate, server.tls_key)


async def _sandboxes(servers: Mapping[str, ServerSettings], spawner: Spawner) -> dict[str, str]:
    """What confines each server that we start, said plainly where it is nothing."""
    labels: dict[str, str] = {}
    for name, server in servers.items():
        if not server.command:
            continue
        try:
            kind = await spawner.kind_for(command_of(server))
        except Unavailable as error:
            labels[name] = f"it will not be started: {error.reason}"
            continue
        labels[name] = kind.label
        if not kind.confines:
            _log.warning("a server is not confined", extra={"server": name, "why": kind.detail})
    return labels


def _addresses(loaded: Loaded, names: Iterable[str], ports: Mapping[str, int]) -> dict[str, str]:
    gateway = loaded.settings.gateway
    shown = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
    scheme = "https" if gateway.tls_certificate else "http"
    return {name: f"{scheme}://{shown}:{ports[name]}{gateway.path}" for name in names}
