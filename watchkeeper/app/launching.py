"""From a server's settings to a command that may be started: who allows it, and what its sandbox shows."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from watchkeeper.app.settings import Loaded, environment
from watchkeeper.core.errors import Denied, Misconfigured
from watchkeeper.core.files import socket_folder
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.protocol.grants import Confinement
from watchkeeper.protocol.sandbox import Sandbox
from watchkeeper.protocol.spawn import Command, Spawner, environment_for

_LONGEST_NAME = 48


def command_of(server: ServerSettings) -> Command:
    """What to start for these settings."""
    confinement = Confinement(mode=server.sandbox, read=server.read, write=server.write, network=server.network)
    return Command(argv=server.command, env=dict(server.env), cwd=server.cwd, confinement=confinement)


def spawner_for(loaded: Loaded, *, sandbox: Sandbox | None = None) -> Spawner:
    """Starts servers none of which, if confined, sees our journal, keys, tokens, sockets or settings."""
    return Spawner(environment(), sandbox=sandbox, hidden=_ours(loaded))


def check_launch(loaded: Loaded, name: str, server: ServerSettings) -> None:
    """Raises `Denied` for a program that is not on the operator's list, `Misconfigured` for paths that cannot be."""
    if not server.command:
        return
    ours = [os.path.realpath(path) for path in _ours(loaded)]
    for setting in ("read", "write"):
        for path in getattr(server, setting):
            if not path.startswith("/"):
                raise Misconfigured(f"servers.{name}.{setting}: {path!r} is not a full path", hint="begin it with /")
            if not os.path.exists(path):
                raise Misconfigured(
                    f"servers.{name}.{setting}: there is no {path}", hint="make it, or correct the path"
                )
            if any(Path(os.path.realpath(path)).is_relative_to(own) for own in ours):
                raise Misconfigured(
                    f"servers.{name}.{setting}: {path} is Watchkeeper's own",
                    hint="no server may see the data folder or the settings",
                )
    allowed = loaded.settings.gateway.allowed_commands
    program = shutil.which(server.command[0], path=environment_for(command_of(server), environment())["PATH"])
    if allowed and (program is None or os.path.abspath(program) not in allowed):
        raise Denied(
            f"servers.{name}: {program or server.command[0]} is not on the list of programs that may be started",
            rule="gateway.allowed-commands",
            hint="add its full path to gateway.allowed_commands",
        )


def name_for(server: ServerSettings) -> str:
    """A name that tells this server from others: its pins and policies go by it. `--name` gives a nicer one."""
    if server.url:
        parts = urlsplit(server.url)
        said = parts.netloc + parts.path.removesuffix("/mcp")
    else:
        digest = hashlib.sha256("\0".join(server.command).encode()).hexdigest()[:6]
        said = f"{Path(server.command[0]).name}-{digest}"
    return re.sub(r"[^A-Za-z0-9_.]+", "-", said).strip("-.")[:_LONGEST_NAME] or "server"


def _ours(loaded: Loaded) -> list[Path]:
    places = [loaded.data_dir, socket_folder(loaded.data_dir)]
    return places if loaded.path is None else [*places, loaded.path]
