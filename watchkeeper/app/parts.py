"""From settings to the parts of a gateway: routes with their upstreams, limits, issuers, policies. Nothing is started.

Where the settings of an upstream are what they were, it is the one that there was, with its connections, its running
servers and what it has learned: a `Stock` knows what each was made of. Settings may hold secrets, so that only a digest
of them is kept.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from watchkeeper.app.capturing import capture_of
from watchkeeper.app.credentials import Accreditor, keeps_credential
from watchkeeper.app.cutting import barrier_of
from watchkeeper.app.launching import command_of
from watchkeeper.app.limiting import gate_for
from watchkeeper.app.platform import Platform
from watchkeeper.app.secrets import introspection_secrets, with_secrets
from watchkeeper.app.settings import Loaded
from watchkeeper.app.upstreams import bounded, bounds_of, fuse_of, own_times
from watchkeeper.core.clock import Clock
from watchkeeper.core.content import content_folder
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.capture.settings import METADATA
from watchkeeper.gateway.fitting import Terms
from watchkeeper.gateway.gaps import Gaps
from watchkeeper.gateway.hops import hop_of
from watchkeeper.gateway.http_sse import SseUpstream
from watchkeeper.gateway.limits.settings import check_limits
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.oauth.issuers import Issuers
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.relay.relay import Relay
from watchkeeper.gateway.settings import OAUTH, GatewaySettings, ServerSettings
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.gateway.tls import contexts
from watchkeeper.gateway.upstream import Upstream
from watchkeeper.inspection.settings import EgressSettings, check_egress
from watchkeeper.policy import PolicyEngine, Windows
from watchkeeper.policy.bundles import Manifest, engine_with
from watchkeeper.policy.bundles.trying import Beside, windows_with
from watchkeeper.policy.packs import places_of
from watchkeeper.protocol.spawn import Spawner
from watchkeeper.registry.settings import PinTerms, check_pins

_OF_THE_ROUTE = (
    *(
        "port",
        "shadow",
        "durability",
        "on_journal_failure",
        "eras",
        "criticality",
        "public_url",
        "scopes",
        "trace_context",
        "pins",
    ),
    "capture",
)
"""Settings of a server that its upstream knows nothing of. What is not named here makes another upstream."""
_OF_THE_DOOR = (
    *("host", "port", "path", "allowed_hosts", "allowed_origins", "max_header_bytes", "max_body_bytes"),
    *("max_connections", "idle_seconds", "header_seconds", "body_seconds", "write_seconds", "drain_seconds"),
    *("workers", "max_sessions"),
)


class Made(NamedTuple):
    """An upstream, and what it was made of."""

    of: bytes
    upstream: Upstream


Stock = dict[str, Made]
"""By server."""


@dataclass(frozen=True)
class Ground:
    """What upstreams stand on as long as the process lives."""

    platform: Platform
    spawner: Spawner
    workers: int = 1
    """How many processes reach each server; those that start one are one."""
    gaps: Gaps | None = None
    """Counts what passes unrecorded on the routes where that may be."""


def routes_of(
    loaded: Loaded, servers: Mapping[str, ServerSettings], ground: Ground, stock: Stock
) -> tuple[list[Route], Stock]:
    """The routes, and the stock as it is with them in force. Raises `Misconfigured`."""
    after = _stock(loaded, servers, ground, stock)
    return [_route(loaded, name, server, after[name].upstream, ground.gaps) for name, server in servers.items()], after


def terms_of(
    loaded: Loaded, platform: Platform, relay: Relay | None = None, former: tuple[Loaded, Terms] | None = None
) -> Terms:
    """What all routes share; limits and issuers whose settings are what they were stay, and with them what they know.

    Raises `Misconfigured`.
    """
    settings = loaded.settings
    check_limits(settings.limits)
    before, terms = (former[0].settings, former[1]) if former is not None else (None, None)
    gate = issuers = None
    if before is not None and terms is not None:
        gate = terms.gate if (before.limits, before.loops) == (settings.limits, settings.loops) else None
        is_same = (before.issuers, before.fetch) == (settings.issuers, settings.fetch)
        issuers = terms.issuers if is_same and _knows(terms.issuers, introspection_secrets(settings.issuers)) else None
    return Terms(
        settings.gateway,
        gate or gate_for(loaded, platform, relay, terms.gate if terms is not None else None),
        issuers or _issuers(loaded, platform),
    )


def pin_terms_of(loaded: Loaded) -> PinTerms:
    """What the pins of each server are held to. Raises `Misconfigured`."""
    check_pins("pins", loaded.settings.pins)
    servers = loaded.settings.servers
    texts = {name: capture_of(loaded, server).definitions for name, server in {"": ServerSettings(), **servers}.items()}
    sizes = {name: 0 if keep.mode == METADATA else keep.bytes for name, keep in texts.items()}
    return PinTerms(loaded.settings.pins, {name: server.pins for name, server in servers.items()}, sizes)


def policies_of(loaded: Loaded) -> list[Path]:
    """Where the policies lie: the starter set, packs, folders. Raises `Misconfigured` for a pack that there is not."""
    settings = loaded.settings.policy
    return [content_folder("policies"), *places_of(settings.packs), *(Path(folder) for folder in settings.folders)]


def beside_of(loaded: Loaded) -> Beside:
    """What the settings say of policies, beside a bundle."""
    settings = loaded.settings.policy
    return Beside(settings.packs, settings.folders, settings.windows)


def egress_of(loaded: Loaded) -> EgressSettings:
    """The lists of hosts. Raises `Misconfigured`."""
    check_egress(loaded.settings.egress)
    return loaded.settings.egress


def engine_of(loaded: Loaded, manifest: Manifest | None = None) -> PolicyEngine:
    """The policies of the settings and of a bundle, their windows told. Raises `Misconfigured`."""
    return engine_with(manifest, beside_of(loaded))


def times_of(
    loaded: Loaded, policy: PolicyEngine, clock: Clock, manifest: Manifest | None = None
) -> Callable[[], tuple[str, ...]] | None:
    """Says which windows of time are open; None where no policy asks."""
    return Windows(windows_with(manifest, beside_of(loaded)), clock).now if "times" in policy.members else None


def _issuers(loaded: Loaded, platform: Platform) -> Issuers | None:
    if not loaded.settings.issuers:
        return None
    issuers = loaded.settings.issuers
    return Issuers(issuers, _fetcher(loaded, platform), platform.clock, introspection_secrets(issuers))


def _knows(issuers: Issuers | None, secrets: Mapping[str, Secret]) -> bool:
    """A secret may have changed where it comes from."""
    return issuers is not None and issuers.secrets == secrets


def _fetcher(loaded: Loaded, platform: Platform) -> Fetcher:
    return Fetcher(loaded.settings.fetch, barrier=barrier_of(platform.orders.in_force))


def _route(loaded: Loaded, name: str, server: ServerSettings, upstream: Upstream, gaps: Gaps | None) -> Route:
    settings = loaded.settings.gateway
    return Route(
        name=name,
        host=settings.host,
        port=server.port,
        path=settings.path,
        shadow=server.shadow,
        durability=server.durability,
        gaps=gaps if server.on_journal_failure == "pass" else None,
        eras=server.eras,
        public_url=server.public_url,
        scopes=server.scopes,
        tool_scopes=server.tool_scopes,
        hands_on_trace=server.trace_context == "inject",
        upstream=upstream,
        is_started=bool(server.command),
        floods=loaded.settings.floods,
        hop=_hop(loaded, name),
        capture=capture_of(loaded, server),
        keeps_credential=keeps_credential(server),
    )


def _hop(loaded: Loaded, name: str) -> str:
    return hop_of(socket.gethostname(), str(loaded.data_dir), name)


def _stock(loaded: Loaded, servers: Mapping[str, ServerSettings], ground: Ground, stock: Stock) -> Stock:
    accreditor = Accreditor(loaded.settings.fetch, ground.platform)
    after: Stock = {}
    for name, server in servers.items():
        known = with_secrets(name, server)
        made_of = _digest(loaded, known)
        former = stock.get(name)
        # a token may have changed where it comes from, and is got anew
        if former is not None and former.of == made_of and server.credential not in OAUTH:
            after[name] = former
        else:
            upstream = _upstream(loaded, name, known, ground)
            after[name] = Made(made_of, accreditor.accredit(name, server, upstream))
    return after


def _digest(loaded: Loaded, server: ServerSettings) -> bytes:
    of_server, of_gateway = msgspec.to_builtins(server), msgspec.to_builtins(loaded.settings.gateway)
    for name in _OF_THE_ROUTE:
        del of_server[name]
    for name in _OF_THE_DOOR:
        del of_gateway[name]
    return hashlib.sha256(msgspec.json.encode((of_server, of_gateway), order="sorted")).digest()


def _upstream(loaded: Loaded, name: str, server: ServerSettings, ground: Ground) -> Upstream:
    settings: GatewaySettings = own_times(loaded.settings.gateway, server)
    platform = ground.platform
    if server.url:
        return bounded(name, server, _over_http(loaded, name, server, settings, ground), ground.workers)
    limits = Limits(
        request_seconds=settings.answer_seconds,
        ceiling_seconds=settings.ceiling_seconds,
        line_bytes=settings.max_answer_bytes,
    )
    command, clock = command_of(server), platform.clock
    stdio = StdioUpstream(name, command, spawner=ground.spawner, recorder=platform.journal, clock=clock, limits=limits)
    return bounded(name, server, stdio)


def _over_http(
    loaded: Loaded, name: str, server: ServerSettings, settings: GatewaySettings, ground: Ground
) -> Upstream:
    bounds = bounds_of(server, ground.workers)
    fuse, hop, tls, headers = (
        fuse_of(name, settings, ground.platform),
        _hop(loaded, name),
        _tls(name, server),
        server.headers,
    )
    http = HttpUpstream(server.url, settings, headers=headers, hop=hop, fuse=fuse, bounds=bounds, tls=tls)
    if server.transport != "sse":
        return http

    def posts_to(endpoint: str) -> HttpUpstream:
        return HttpUpstream(endpoint, settings, headers=headers, hop=hop, tls=tls)

    return SseUpstream(server.url, settings, streams=http, posts_to=posts_to)


def _tls(name: str, server: ServerSettings) -> ssl.SSLContext | None:
    if not (server.tls_ca or server.tls_certificate):
        return None
    return contexts.for_server(f"servers.{name}", server.tls_ca, server.tls_certificate, server.tls_key)
