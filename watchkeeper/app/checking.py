"""Whether settings can work, told before anything starts: what they name exists. `reading` looks at what is inside."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from watchkeeper.app.endpoints import effective_endpoints
from watchkeeper.app.secrets import client_of, with_secrets
from watchkeeper.app.servers import effective
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.app.trust import check_trust
from watchkeeper.app.upstreams import check_bounds
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.state import url_of
from watchkeeper.events.journal.outside import address_of, check_anchors
from watchkeeper.gateway.aggregate.settings import EndpointSettings
from watchkeeper.gateway.capture.settings import check_capture
from watchkeeper.gateway.limits.settings import check_limits
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.policy.bundles.settings import trusted_keys
from watchkeeper.policy.packs import chosen
from watchkeeper.protocol.spawn import Command, environment_for
from watchkeeper.respond.oncall.settings import OncallSettings


def check_quickly(loaded: Loaded, *, demo: bool = False) -> dict[str, ServerSettings]:
    """The servers that would be fronted. Raises `Misconfigured` when something that the settings name is not there.

    `up` asks this before it starts anything.
    """
    servers = effective(loaded, demo=demo)
    for name, server in servers.items():
        _check_program(name, server)
        check_bounds(name, server, loaded.settings.gateway.workers)
        with_secrets(name, server)
        client_of(name, server)
    settings = loaded.settings
    url_of(loaded.data_dir, settings.state, environment())
    check_limits(settings.limits)
    check_capture("capture", settings.capture)
    check_trust(settings, servers)
    chosen(settings.policy.packs)
    if settings.approvals.webhooks:
        from watchkeeper.app.webhooks import hooks_of  # noqa: PLC0415 — response and console, needed for these only

        hooks_of(loaded)
    if settings.sinks:
        from watchkeeper.app.sinks import check_all  # noqa: PLC0415 — what ships, needed for these only

        check_all(loaded)
    if settings.respond.oncall != OncallSettings():
        from watchkeeper.app.calling import check_oncall  # noqa: PLC0415 — response, needed for these only

        check_oncall(loaded)
    if settings.respond.integrations:
        from watchkeeper.app.integrations import check_all as check_reach  # noqa: PLC0415 — as above

        check_reach(loaded)
    if settings.deadman.is_on:
        from watchkeeper.app.deadman import check_deadman  # noqa: PLC0415 — response, needed for these only

        check_deadman(loaded)
    trusted_keys(settings.policy.trust)
    address_of(settings.journal.tiles.listen)
    check_anchors(settings.journal.anchors)
    folders = [("policy.folders", folder) for folder in settings.policy.folders]
    folders += [("detect.rules", settings.detect.rules), ("detect.placeholders", settings.detect.placeholders)]
    folders += [("respond.playbooks", settings.respond.playbooks)]
    for setting, folder in folders:
        if folder and not Path(folder).is_dir():
            raise Misconfigured(f"{setting}: there is no folder {folder}", hint="make it, or correct the path")
    _check_ports(loaded, servers, effective_endpoints(loaded, servers))
    return servers


def _check_program(name: str, server: ServerSettings) -> None:
    if not server.command:
        return
    if server.cwd and not Path(server.cwd).is_dir():
        raise Misconfigured(
            f"servers.{name}.cwd: there is no folder {server.cwd}", hint="make it, or leave the setting out"
        )
    path = environment_for(Command(argv=server.command, env=dict(server.env)), environment())["PATH"]
    if not server.command[0] or shutil.which(server.command[0], path=path) is None:
        raise Misconfigured(
            f"servers.{name}.command: there is no program {server.command[0]!r}",
            hint="install it, write its full path, or set PATH in the server's env",
        )


def _check_ports(
    loaded: Loaded, servers: Mapping[str, ServerSettings], endpoints: Mapping[str, EndpointSettings]
) -> None:
    gateway, console = loaded.settings.gateway, loaded.settings.console
    ports = [(f"servers.{name}", server.port) for name, server in servers.items()]
    ports += [(f"endpoints.{name}", endpoint.port) for name, endpoint in endpoints.items()]
    taken = [where for where, port in ports if port and port == console.port]
    if taken and gateway.host == console.host:
        raise Misconfigured(
            f"{taken[0]} and the console both ask for port {console.port}",
            hint="give console.port another number",
        )
