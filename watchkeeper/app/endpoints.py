"""Which endpoints show several servers as one: those of the settings, each on a port of its own."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Mapping, Sequence

import msgspec

from watchkeeper.app.settings import Loaded
from watchkeeper.core.errors import Conflict, Misconfigured
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.gateway.aggregate.model import Endpoint
from watchkeeper.gateway.aggregate.settings import EndpointSettings, check_endpoints, members_of, prefix_of
from watchkeeper.gateway.gaps import Gaps
from watchkeeper.gateway.hops import hop_of
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.settings import ServerSettings


def effective_endpoints(loaded: Loaded, servers: Mapping[str, ServerSettings]) -> dict[str, EndpointSettings]:
    """Name → endpoint, checked, with the servers it shows and a port of its own. Raises `Misconfigured`."""
    endpoints = loaded.settings.endpoints
    check_endpoints(endpoints, servers)
    first = loaded.settings.gateway.port
    taken = {server.port for server in servers.values() if server.port}
    given: dict[str, EndpointSettings] = {}
    for name, endpoint in endpoints.items():
        if endpoint.port and endpoint.port in taken:
            raise Misconfigured(
                f"endpoints.{name}.port: {endpoint.port} is asked for twice",
                hint="clients tell eras by port; choose another",
            )
        port = endpoint.port
        if not port and first:
            port = next(number for number in range(first, 65536) if number not in taken | _asked(endpoints))
        taken.add(port)
        given[name] = msgspec.structs.replace(endpoint, port=port, servers=members_of(endpoint, servers))
    return given


def endpoints_over(loaded: Loaded, routes: Sequence[Route]) -> list[Endpoint]:
    """The endpoints over these routes, as the gateway serves them."""
    by_name = {route.name: route for route in routes}
    settings = loaded.settings
    if not settings.endpoints:
        return []
    ports = {name: ServerSettings(port=route.port) for name, route in by_name.items()}
    key = shared_key(loaded, "endpoints")
    return [
        Endpoint(
            route=Route(
                name=name,
                host=settings.gateway.host,
                port=endpoint.port,
                path=settings.gateway.path,
                public_url=endpoint.public_url,
                durability="strict" if any(by_name[s].durability == "strict" for s in endpoint.servers) else "batched",
                gaps=_gaps([by_name[server] for server in endpoint.servers]),
                hop=hop_of(socket.gethostname(), str(loaded.data_dir), name),
                keeps_credential=any(by_name[server].keeps_credential for server in endpoint.servers),
            ),
            prefixes={server: prefix_of(endpoint, server) for server in endpoint.servers},
            only=endpoint.only,
            hide=endpoint.hide,
            member_seconds=endpoint.member_seconds,
            key=key,
        )
        for name, endpoint in effective_endpoints(loaded, ports).items()
    ]


def _gaps(members: Sequence[Route]) -> Gaps | None:
    """What is an endpoint's own may pass unrecorded only where everything behind it may."""
    return members[0].gaps if members and all(member.gaps is not None for member in members) else None


def _asked(endpoints: Mapping[str, EndpointSettings]) -> set[int]:
    return {endpoint.port for endpoint in endpoints.values() if endpoint.port}


def shared_key(loaded: Loaded, name: str) -> bytes:
    """A secret of ours for one purpose: the same in every worker and after a restart, and nobody else's."""
    path = loaded.data_dir / "keys" / name
    if not path.exists():
        make_private_folder(path.parent)
        with contextlib.suppress(Conflict):  # another worker was first
            write_private(path, secrets.token_bytes(32), exclusive=True)
    return path.read_bytes()
