"""Which policies a command means: the starter set and folders, as the gateway reads them, or folders alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.lakes import search_in
from watchkeeper.app.settings import PolicySettings, data_folder, load
from watchkeeper.core.content import content_folder
from watchkeeper.policy import PolicyEngine
from watchkeeper.policy.packs import places_of
from watchkeeper.registry.recorded import SEEN, schemas_in

_MOST = 100_000
FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


class PolicySet(msgspec.Struct, frozen=True):
    """Folders, and the engine that was loaded from them."""

    folders: tuple[Path, ...]
    tested: tuple[Path, ...]
    """Those whose tests speak of the whole set."""
    engine: Any


def chosen(
    folders: tuple[Path, ...],
    config: Path | None,
    data: Path | None,
    *,
    is_alone: bool = False,
    known_windows: bool = True,
) -> PolicySet:
    """The policies of these folders; without any, those of the settings. Raises `Misconfigured`.

    With `is_alone` the starter set is left out.
    """
    settings = load(config, data_folder(data)).settings.policy
    named = folders or _named(settings)
    everything = named if is_alone and folders else (content_folder("policies"), *named)
    engine = PolicyEngine.load(everything, settings.windows if known_windows else None)
    tested = folders or tuple(Path(folder) for folder in settings.folders)
    return PolicySet(tuple(everything), tested or everything, engine)


def _named(settings: PolicySettings) -> tuple[Path, ...]:
    return (*places_of(settings.packs), *(Path(folder) for folder in settings.folders))


def schemas(data: Path | None) -> dict[str, bytes]:
    """The input schemas of the tools that the gateway saw, by `server/tool`; none where it never ran."""
    folder = data_folder(data)
    if not (folder / "journal").is_dir():
        return {}
    found = search_in(folder).events(kind=SEEN, limit=_MOST, newest_first=False, unbounded=True)
    return schemas_in(found.events)


def alone(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--alone`."""
    return click.option("--alone", is_flag=True, help="Only these folders, without the starter set.")(command)


def tenant(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--tenant`."""
    return click.option("--tenant", default="default", show_default=True, help="Whose decisions.")(command)


def config_of(config: Path | None, data: Path | None) -> PolicySettings:
    """The settings about policies."""
    return load(config, data_folder(data)).settings.policy
