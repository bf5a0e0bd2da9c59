"""The catalogues of techniques in `content/frameworks`, and which of their entries a rule's tag names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.proving.model import Framework

ATTACK = re.compile(r"attack\.(t[0-9]{4}(?:\.[0-9]{3})?)")
"""A tag that names a technique of ATT&CK, and no tactic."""


def load_frameworks(folder: Path) -> tuple[Framework, ...]:
    """Every catalogue of the folder, by name. Raises `Misconfigured`."""
    return tuple(_framework(path) for path in sorted(folder.glob("*.json")))


def item_of(tag: str, framework: Framework) -> str:
    """The id that a tag names in this catalogue, as the catalogue writes it or would; empty for another's tag.

    SAFE-MCP's ids are written `safe-mcp.t1001` or, in full, `safe-mcp.safe-t1001`.
    """
    space, dot, name = tag.partition(".")
    if not dot or space != framework.tag or not name:
        return ""
    if framework.name == "safe-mcp":
        return f"SAFE-{name.removeprefix('safe-')}".upper()
    return name if framework.name == "mcp-ttp" else name.upper()


def attack_techniques(tags: Iterable[str]) -> set[str]:
    """The techniques of ATT&CK among the tags: `T1195.001`."""
    return {found[1].upper() for tag in tags if (found := ATTACK.fullmatch(tag))}


def _framework(path: Path) -> Framework:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Framework)
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(f"{path}: {error}", hint="reinstall watchkeeper") from error
