"""What the words of `watchkeeper scan` mean: a URL, a client's file, a file of lists, or a command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.launching import name_for
from watchkeeper.app.scan.clients import read, sources_of
from watchkeeper.app.scan.model import Shown, Source
from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.inspection.fingerprints import GREETINGS, LISTS, Definition, definitions_in

HERE = "command line"
_FORMATS = (".json", ".jsonc", ".json5", ".toml", ".yaml", ".yml")
_HINT = (
    "a client's file has servers (mcpServers, servers, mcp, …); a list has tools, prompts, resources, or is the answer "
    "to tools/list"
)


def sources_for(targets: Sequence[str], command: Sequence[str]) -> list[Source | Shown]:
    """A source for each server that is meant; files of lists are read here. Raises `Invalid`."""
    found: list[Source | Shown] = []
    for target in targets:
        if target.lower().startswith(("http://", "https://")):
            found.append(_named(ServerSettings(url=target)))
        elif Path(target).is_file() and _is_read(Path(target)):
            found += from_file(Path(target))
        elif target.lower().endswith(_FORMATS) and " " not in target:
            raise Invalid(f"there is no file {target}", hint="check the path; a command goes behind --")
        else:
            found.append(_named(ServerSettings(command=tuple(_split(target)))))
    if command:
        found.append(_named(ServerSettings(command=tuple(command))))
    return found


def from_file(path: Path) -> list[Source | Shown]:
    """What a file speaks of. Raises `Invalid` when it is none that we know."""
    text, tree = read(path)
    listed = _lists_in(tree)
    if listed is not None:
        return [Shown(source=Source(name=_stem(path), place=str(path)), definitions=tuple(listed))]
    sources = sources_of(tree, text, path) if isinstance(tree, dict) else None
    if sources is None:
        raise Invalid(f"{path} is neither a client's file nor a list of definitions", hint=_HINT)
    return list(sources)


def _is_read(path: Path) -> bool:
    """Whether a file is data; anything else is a program to be started."""
    if path.suffix.lower() in _FORMATS:
        return True
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip()[:1] in (b"{", b"[")
    except OSError:
        return False


def _named(server: ServerSettings) -> Source:
    return Source(name=name_for(server), place=HERE, server=server, is_named=True)


def _split(target: str) -> list[str]:
    try:
        words = shlex.split(target)
    except ValueError as error:
        raise Invalid(f"cannot read the command {target!r}: {error}", hint="or write it behind --") from error
    if not words:
        raise Invalid("an empty command", hint="watchkeeper scan -- COMMAND …")
    return words


def _lists_in(tree: Any) -> list[Definition] | None:
    """The definitions of an answer, a result, or a bare array of tools; None when it holds none of these."""
    if isinstance(tree, list) and all(isinstance(item, dict) for item in tree):
        if tree and any(isinstance(item.get("result"), dict) for item in tree):
            parts = [_lists_in(item) for item in tree]
            return [one for part in parts if part for one in part]
        tree = {"tools": tree}
    if not isinstance(tree, dict):
        return None
    if isinstance(tree.get("result"), dict):
        return _lists_in(tree["result"])
    found: list[Definition] = []
    is_list = False
    raw = msgspec.json.encode(tree)
    for method, (_, member, _) in LISTS.items():
        if isinstance(tree.get(member), list):
            is_list = True
            found += definitions_in(method, raw)
    if isinstance(tree.get("instructions"), str):
        is_list = True
        found += definitions_in(next(iter(GREETINGS)), raw)
    return found if is_list else None


def _stem(path: Path) -> str:
    return path.name.removesuffix(path.suffix) or path.name
