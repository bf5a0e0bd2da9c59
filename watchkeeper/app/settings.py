"""The whole of the settings, composed from the domains' sections, read once.

The only module that looks at the process's environment.
"""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured, NotFound
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import SecretReader
from watchkeeper.core.settings import fields_of, read_settings
from watchkeeper.core.state import StateSettings
from watchkeeper.detect import DetectSettings
from watchkeeper.detect.intelligence.settings import IntelligenceSettings
from watchkeeper.events.ingest.settings import IngestSettings
from watchkeeper.events.journal import JournalSettings
from watchkeeper.events.lake import LakeSettings
from watchkeeper.events.sinks.settings import SinkSettings
from watchkeeper.gateway.aggregate.settings import EndpointSettings
from watchkeeper.gateway.approvals.settings import ApprovalSettings
from watchkeeper.gateway.capture.settings import CaptureSettings
from watchkeeper.gateway.flood import FloodSettings
from watchkeeper.gateway.flow.settings import FlowSettings
from watchkeeper.gateway.limits.settings import LimitSettings, LoopSettings
from watchkeeper.gateway.oauth.settings import IssuerSettings
from watchkeeper.gateway.redaction.settings import RedactionSettings
from watchkeeper.gateway.settings import GatewaySettings, ServerSettings
from watchkeeper.inspection.settings import EgressSettings, InspectionSettings
from watchkeeper.policy.bundles.settings import TrustSettings
from watchkeeper.registry.settings import PinSettings
from watchkeeper.respond.deadman.settings import DeadmanSettings
from watchkeeper.respond.settings import RespondSettings
from watchkeeper.web.settings import ConsoleSettings

FILE_NAME = "watchkeeper.toml"
_TOKEN = "WATCHKEEPER_OPERATOR_TOKEN"  # noqa: S105 — the name of a variable
_SECRET_FIELDS = frozenset({"env", "headers"})
_NAMED: dict[str, type[msgspec.Struct]] = {
    "servers": ServerSettings,
    "issuers": IssuerSettings,
    "endpoints": EndpointSettings,
    "limits": LimitSettings,
    "sinks": SinkSettings,
}
"""Sections of which there are as many as the operator names."""
_OTHER_FOLDER = "name another one with --data or WATCHKEEPER_DATA"


class PolicySettings(msgspec.Struct, frozen=True):
    """Policies beside the starter set."""

    folders: Annotated[
        tuple[str, ...], Meta(description="Further folders of Cedar policies, read after the starter set.")
    ] = ()
    packs: Annotated[
        tuple[str, ...],
        Meta(
            description="Packs of policies that come with the product, read between the starter set and the folders, "
            'each with the packs that it needs: `["level-2", "server.github"]`. `watchkeeper policy packs` lists them.'
        ),
    ] = ()
    windows: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description="Windows of time for `context.times`: a name → when it is open, as days, hours and time zone: "
            '`office_hours = ["mon-fri 09:00-17:30 Europe/Berlin"]`.'
        ),
    ] = {}
    trust: Annotated[
        TrustSettings,
        Meta(
            description='Whose signatures put a bundle of policies in force: `{ keys = { ann = "ed25519:…" }, '
            "threshold = 2 }`. Each gateway looks at them itself."
        ),
    ] = TrustSettings()


class Settings(msgspec.Struct, frozen=True):
    """Every section."""

    gateway: GatewaySettings = GatewaySettings()
    servers: dict[str, ServerSettings] = {}
    issuers: dict[str, IssuerSettings] = {}
    endpoints: dict[str, EndpointSettings] = {}
    limits: dict[str, LimitSettings] = {}
    loops: LoopSettings = LoopSettings()
    floods: FloodSettings = FloodSettings()
    fetch: FetchSettings = FetchSettings()
    policy: PolicySettings = PolicySettings()
    flow: FlowSettings = FlowSettings()
    egress: EgressSettings = EgressSettings()
    inspection: InspectionSettings = InspectionSettings()
    redaction: RedactionSettings = RedactionSettings()
    capture: CaptureSettings = CaptureSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    pins: PinSettings = PinSettings()
    state: StateSettings = StateSettings()
    journal: JournalSettings = JournalSettings()
    lake: LakeSettings = LakeSettings()
    ingest: IngestSettings = IngestSettings()
    sinks: dict[str, SinkSettings] = {}
    detect: DetectSettings = DetectSettings()
    intelligence: IntelligenceSettings = IntelligenceSettings()
    respond: RespondSettings = RespondSettings()
    deadman: DeadmanSettings = DeadmanSettings()
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
        for sink in tree["sinks"].values():
            sink["headers"] = dict.fromkeys(sink["headers"], "…")
        return tree


def data_folder(given: Path | None) -> Path:
    """The data folder: given, else `$WATCHKEEPER_DATA`, else `watchkeeper` in the user's data folder (XDG).

    It need not exist yet. Raises `Misconfigured` when it is something else than a folder, or out of reach.
    """
    folder = _named_folder(given)
    try:
        mode = folder.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return folder  # not there yet; whoever makes it says why it cannot be made
    except OSError as error:
        raise Misconfigured(f"cannot read {folder}: {error.strerror}", hint=_OTHER_FOLDER) from error
    if not stat.S_ISDIR(mode):
        raise Misconfigured(f"the data folder {folder} is not a folder", hint=_OTHER_FOLDER)
    return folder


def _named_folder(given: Path | None) -> Path:
    named = given or os.environ.get("WATCHKEEPER_DATA")
    if named:
        return _resolved(Path(named))
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "watchkeeper"


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (RuntimeError, OSError) as error:  # a loop of symbolic links is the one or the other, by Python's version
        raise Misconfigured(f"cannot read {path}: its symbolic links form a loop", hint=_OTHER_FOLDER) from error


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
        if section in _NAMED:
            continue
        lines += [f"[{section}]", *_section(type(getattr(loaded.settings, section)), value), ""]
    for section, model in _NAMED.items():
        for name, value in tree[section].items():
            lines += [f"[{section}.{name}]", *_section(model, value), ""]
    return "\n".join(lines)


def require_journal(data_dir: Path) -> None:
    """Raises `NotFound` where nothing was ever recorded: an empty answer would pass for a quiet day."""
    try:
        exists = (data_dir / "journal").is_dir()
    except OSError:
        return  # it may well be there; whoever reads it says what is wrong
    if not exists:
        raise NotFound(
            f"nothing ever ran on {data_dir}", hint="start with `watchkeeper up`, or name the folder with --data"
        )


def current_operator() -> str:
    """Who acts on this command line: `operator:USER`, by the operating system's word."""
    return f"operator:{getpass.getuser()}"


def operator_token(file: Path | None) -> str:
    """An operator's token: of the given file, else of `$WATCHKEEPER_OPERATOR_TOKEN`, else none.

    The variable holds a reference (`file:PATH`, `env:NAME`) or the token itself. Raises `Misconfigured`.
    """
    reader = SecretReader(os.environ)
    if file is not None:
        return reader.read("--token-file", f"file:{file}").reveal()
    return reader.expand(_TOKEN, os.environ.get(_TOKEN, "")).reveal()


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
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return msgspec.json.encode(value).decode()


def _named_file() -> Path | None:
    named = os.environ.get("WATCHKEEPER_CONFIG")
    return Path(named) if named else None


def _file_in(data_dir: Path) -> Path | None:
    path = data_dir / FILE_NAME
    try:
        return path if path.is_file() else None
    except OSError as error:
        raise Misconfigured(
            f"cannot read {data_dir}: {error.strerror}", hint="is it another user's? Choose your own with --data"
        ) from error
