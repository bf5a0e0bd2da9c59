"""`watchkeeper gateway`: what was asked for on the command line, as settings, and what its ready line says.

The gateway runs with everything that is on by default; only the watch (detection, response, lake) and the console do
not run beside it. What it records is in the data folder for whoever runs them later.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.checking import check_quickly
from watchkeeper.app.first_client import FIRST_CLIENT, ensure_token, token_file
from watchkeeper.app.front import run_gateway
from watchkeeper.app.launching import name_for
from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded, current_operator, data_folder, load
from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.gateway.settings import ServerSettings, check_server


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options."""

    upstream: str = ""
    stdio: str = ""
    listen: str = ""
    name: str = ""
    observe: bool = False
    data: Path | None = None
    ephemeral: bool = False
    config: Path | None = None
    print_token: bool = False
    workers: int = 0
    """0 leaves it to the settings."""


def run_alone(asked: Asked, data_dir: Path) -> None:
    """Serve until told to stop, then drain. Raises what keeps it from starting."""
    loaded = settings_of(asked, data_dir)

    def greeting(platform: Platform) -> Mapping[str, Any]:
        return {
            "clients": _clients(platform, print_token=asked.print_token),
            "data": str(data_dir),
            "ephemeral": asked.ephemeral,
            "observe": asked.observe,
        }

    run_gateway(loaded, supervised=False, demo=False, greeting=greeting, source=lambda: settings_of(asked, data_dir))


@contextmanager
def folder_for(asked: Asked) -> Iterator[Path]:
    """The data folder; with `ephemeral` a private one that is removed in the end, with all that was recorded.

    Raises `Invalid` when both a folder and none are asked for, and `Misconfigured` when the folder cannot be one.
    """
    if not asked.ephemeral:
        yield data_folder(asked.data)
        return
    if asked.data is not None:
        raise Invalid("--data names a folder that stays, --ephemeral one that does not", hint="give one of the two")
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def settings_of(asked: Asked, data_dir: Path) -> Loaded:
    """The settings file's, with what was asked for laid over them, checked. Raises `Invalid`, `Misconfigured`."""
    loaded = load(asked.config, data_dir)
    settings = loaded.settings
    servers = _servers(asked, settings.servers)
    if asked.observe:
        servers = {name: msgspec.structs.replace(server, shadow=True) for name, server in servers.items()}
    gateway = settings.gateway
    if asked.listen:
        host, port = _address(asked.listen)
        gateway = msgspec.structs.replace(gateway, host=host, port=port)
    if asked.workers:
        gateway = msgspec.structs.replace(gateway, workers=asked.workers)
    console = msgspec.structs.replace(settings.console, port=0)  # it does not run, so its port is nobody's
    settings = msgspec.structs.replace(settings, gateway=gateway, servers=servers, console=console)
    loaded = msgspec.structs.replace(loaded, settings=settings)
    check_quickly(loaded)
    return loaded


def _servers(asked: Asked, configured: Mapping[str, ServerSettings]) -> dict[str, ServerSettings]:
    if asked.upstream and asked.stdio:
        raise Invalid("--upstream names a server over HTTP, --stdio one to start", hint="give one of the two")
    if not asked.upstream and not asked.stdio:
        if not configured:
            raise Invalid(
                "there is no server to stand in front of",
                hint="give --upstream URL or --stdio 'COMMAND', or a --config with [servers.NAME] sections",
            )
        return dict(configured)
    server = ServerSettings(url=asked.upstream) if asked.upstream else ServerSettings(command=_words(asked.stdio))
    name = asked.name or name_for(server)
    option = "--upstream" if asked.upstream else "--stdio"
    try:
        check_server(name, server)
    except Misconfigured as error:
        reason = error.reason.replace(f"servers.{name}.url", option).replace(f"servers.{name}", "--name")
        raise Invalid(reason, hint=error.hint.replace(f"servers.{name}.headers", "headers in a --config")) from error
    return {name: server}


def _words(command: str) -> tuple[str, ...]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Invalid(f"--stdio: {error}", hint="close the quotation; no shell sees the command") from error
    if not words:
        raise Invalid("--stdio: the command is empty", hint="for example --stdio 'uvx mcp-server-time'")
    return tuple(words)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Invalid(
            f"--listen: {listen!r} is no HOST:PORT", hint="for example 127.0.0.1:7310, or [::1]:0 for any free port"
        )
    return host, int(port)


def _clients(platform: Platform, *, print_token: bool) -> list[dict[str, str]]:
    token = ensure_token(platform.data_dir, platform.clients, current_operator())
    if not token:
        return []
    row = {"name": FIRST_CLIENT, "token_file": str(token_file(platform.data_dir))}
    return [row | {"token": token}] if print_token else [row]
