"""Reading scenarios: one TOML file, one scenario, called as its file is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Misconfigured, NotFound
from watchkeeper.exercise.tabletop.model import Scenario

_NAME = re.compile(r"[a-z][a-z0-9_]{1,60}")
_LARGEST = 60_000
"""Bytes of a file."""


def load_scenarios(folders: Iterable[Path]) -> dict[str, Scenario]:
    """Every `*.toml` of the folders, by name. Raises `Misconfigured` with the file and the fault."""
    found: dict[str, Scenario] = {}
    for folder in folders:
        if not folder.is_dir():
            raise Misconfigured(f"there is no folder of tabletop exercises at {folder}", hint="see --scenarios")
        for path in sorted(folder.glob("*.toml")):
            if path.stem in found:
                raise Misconfigured(f"{path}: another scenario is called {path.stem}", hint="rename the file")
            found[path.stem] = load_scenario(path)
    return found


def load_scenario(path: Path) -> Scenario:
    """The scenario of one file. Raises `Misconfigured`."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST // 1000} KB")
        if not _NAME.fullmatch(path.stem):
            raise ValueError("a file is called as its scenario is, in a-z, 0-9 and _")
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        found = msgspec.convert(told, Scenario)
        if found.name:
            raise ValueError("`name` is the file's own")
        minutes = [inject.at for inject in found.injects]
        if minutes != sorted(minutes) or minutes[-1] > found.minutes:
            raise ValueError("`at` goes up from inject to inject, and not beyond `minutes`")
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        raise Misconfigured(f"{path}: {error}", hint="see docs/guides/tabletop.md") from error
    return msgspec.structs.replace(found, name=path.stem)


def named(scenarios: Mapping[str, Scenario], name: str) -> Scenario:
    """Raises `NotFound`."""
    if name not in scenarios:
        raise NotFound(f"no tabletop exercise is called {name}", hint="`watchkeeper exercise tabletop list` shows them")
    return scenarios[name]
