"""The whole of the settings, composed from the domains' sections, read once.

The only module that looks at the process's environment.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from watchkeeper.core.settings import fields_of, read_settings
from watchkeeper.detect import DetectSettings
from watchkeeper.events.journal import JournalSettings
from watchkeeper.events.lake import LakeSettings
from watchkeeper.gateway.settings import GatewaySettings, ServerSettings
from watchkeeper.respond.settings import RespondSettings
from watchkeeper.web.settings import ConsoleSettings

FILE_NAME = "watchkeeper.toml"
STATE = "state.db"
"""The control state's file in the data folder."""
_SECRET_FIELDS = frozenset({"env", "headers"})


class PolicySettings(msgspec.Struct, frozen=True):
    """Policies beside the starter set."""

    folders: Annotated[
        tuple[str, ...], Meta(description="Further folders of Cedar policies, read after the starter set.")
    ] = ()


class Settings(msgspec.Struct, frozen=True):
    """Every section."""

    gateway: GatewaySettings = GatewaySettings()
    servers: dict[str, ServerSettings] = {}
    policy: PolicySettings = PolicySettings()
    journal: JournalSettings = JournalSettings()
    lake: LakeSettings = LakeSettings()
    detect: DetectSettings = DetectSettings()
    respond: RespondSettings = RespondSettings()
    console: ConsoleSettings = ConsoleSettings()


class Loaded(msgspec.Struct, frozen=True):
    """Settings and where they came from."""

    settings: Settings
    data_dir: Path
    path: Path | None = None
    free_ports: bool = False
    """Every port is left to the system."""

    def masked(self) -> dict[str, Any]:
        """The settings as plain data, with what may be secret replaced."""
        tree: dict[str, Any] = msgspec.to_builtins(self.settings)
        for server in tree["servers"].values():
            for field in _SECRET_FIELDS & set(server):
                server[field] = dict.fromkeys(server[field], "…")
        return tree


def data_folder(given: Path | None) -> Path:
    """The data folder: given, else `$WATCHKEEPER_DATA`, else `watchkeeper` in the user's data folder (XDG)."""
    if given is not None:
        return given.resolve()
    if named := os.environ.get("WATCHKEEPER_DATA"):
        return Path(named).resolve()
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "watchkeeper"


def load(given: Path | None, data_dir: Path, *, free_ports: bool = False) -> Loaded:
    """The settings of the given file, else of `$WATCHKEEPER_CONFIG`, else of `watchkeeper.toml` in the data folder.

    With `free_ports`, every port is left to the system and no file is read: for a demo beside a running service.
    Raises `Misconfigured`.
    """
    if free_ports:
        return Loaded(_on_free_ports(Settings()), data_dir, free_ports=True)
    path = given or _named_file() or _file_in(data_dir)
    return Loaded(read_settings(Settings, path, os.environ), data_dir, path)


def _on_free_ports(settings: Settings) -> Settings:
    """The same settings with every port chosen by the system."""
    return msgspec.structs.replace(
        settings,
        gateway=msgspec.structs.replace(settings.gateway, port=0),
        console=msgspec.structs.replace(settings.console, port=0),
    )


def as_toml(loaded: Loaded) -> str:
    """Every setting with its meaning, as a file that could be read again (what was masked excepted)."""
    lines = [f"# data folder: {loaded.data_dir}", f"# settings file: {loaded.path or 'none'}", ""]
    tree = loaded.masked()
    for section, value in tree.items():
        if section == "servers":
            continue
        lines += [f"[{section}]", *_section(type(getattr(loaded.settings, section)), value), ""]
    for name, value in tree["servers"].items():
        lines += [f"[servers.{name}]", *_section(ServerSettings, value), ""]
    return "\n".join(lines)


def current_operator() -> str:
    """Who acts on this command line: `operator:USER`, by the operating system's word."""
    return f"operator:{getpass.getuser()}"


def environment() -> Mapping[str, str]:
    """This process's environment, of which a spawned server inherits a short allow list."""
    return dict(os.environ)


def _section(model: type[msgspec.Struct], values: Mapping[str, Any]) -> list[str]:
    rows: list[str] = []
    for name, description, _ in fields_of(model):
        rows += [f"# {description}", f"{name} = {_toml(values[name])}"]
    return rows


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + " }" if value else "{}"
    return msgspec.json.encode(value).decode()


def _named_file() -> Path | None:
    named = os.environ.get("WATCHKEEPER_CONFIG")
    return Path(named) if named else None


def _file_in(data_dir: Path) -> Path | None:
    path = data_dir / FILE_NAME
    return path if path.is_file() else None
