"""Plug-ins by entry points. Built-ins enter by the same door (`pyproject.toml`), so the door is always in use."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from watchkeeper.core.errors import Misconfigured


def load(group: str) -> dict[str, Any]:
    """Name → object of every entry point of `watchkeeper.<group>`, sorted by name.

    Raises `Misconfigured` when one cannot be imported or a name is taken twice: a plug-in that was installed and does
    not run would be a control that is silently missing.
    """
    found: dict[str, Any] = {}
    for point in sorted(entry_points(group=f"watchkeeper.{group}"), key=lambda p: p.name):
        if point.name in found:
            raise Misconfigured(f"two plug-ins are called {point.name} in {group}", hint="uninstall one of them")
        found[point.name] = _import(point, group)
    return found


def _import(point: EntryPoint, group: str) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise Misconfigured(
            f"the plug-in {point.name} of {group} cannot be loaded: {error}", hint="reinstall or remove it"
        ) from error
