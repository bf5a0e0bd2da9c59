"""Which servers are fronted: those of the settings, else the packaged ones; in a demo the training server, too."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from watchkeeper.app.launching import check_launch
from watchkeeper.app.settings import Loaded
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.settings import check_fetch
from watchkeeper.core.files import make_private_folder
from watchkeeper.exercise.stage import TIME, TRAINING, training_state
from watchkeeper.gateway.oauth.settings import check_issuers
from watchkeeper.gateway.settings import ServerSettings, check_gateway, check_server


def effective(loaded: Loaded, *, demo: bool) -> dict[str, ServerSettings]:
    """Name → server, checked, each with a port of its own. Raises `Misconfigured`."""
    servers = dict(loaded.settings.servers) or packaged()
    if demo:
        servers.setdefault(TIME, packaged()[TIME])
        servers[TRAINING] = training(loaded.data_dir)
    check_gateway(loaded.settings.gateway)
    check_fetch(loaded.settings.fetch)
    check_issuers(loaded.settings.issuers)
    for name, server in servers.items():
        check_server(name, server)
        check_launch(loaded, name, server)
    return with_ports(servers, loaded.settings.gateway.port)


def packaged() -> dict[str, ServerSettings]:
    """Servers that are installed with us: time, and git when the working folder is inside a repository."""
    servers = {TIME: ServerSettings(command=(sys.executable, "-m", "mcp_server_time"))}
    repository = _repository(Path.cwd())
    if repository is not None:
        command = (sys.executable, "-m", "mcp_server_git", "--repository", str(repository))
        servers["git"] = ServerSettings(command=command, write=_places_of(repository))
    return servers


def training(data_dir: Path) -> ServerSettings:
    """The packaged training server, told by a file how to behave."""
    module = "watchkeeper.exercise.training_server"
    state = make_private_folder(training_state(data_dir).parent)
    command = (sys.executable, "-m", module, "--state", str(training_state(data_dir)))
    return ServerSettings(command=command, read=(str(state),))


def with_ports(servers: dict[str, ServerSettings], first: int) -> dict[str, ServerSettings]:
    """Each server with a port: its own, else the next free number from `first`; all 0 when `first` is 0."""
    taken = {server.port for server in servers.values() if server.port}
    if len(taken) < sum(1 for server in servers.values() if server.port):
        raise Misconfigured("two servers ask for the same port", hint="give each [servers.NAME] port another number")
    given: dict[str, ServerSettings] = {}
    for name, server in servers.items():
        if server.port or not first:
            given[name] = server
            continue
        while first in taken:
            first += 1
        taken.add(first)
        given[name] = msgspec.structs.replace(server, port=first)
    return given


def _places_of(repository: Path) -> tuple[str, ...]:
    """The repository, and, for a linked working tree, where it says that its history lies."""
    places = [repository]
    pointer = repository / ".git"
    if pointer.is_file():
        folder = repository / pointer.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        common = folder / "commondir"
        places.append(folder / common.read_text(encoding="utf-8").strip() if common.is_file() else folder)
    return tuple(str(place.resolve()) for place in places)


def _repository(folder: Path) -> Path | None:
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
