"""The servers that MCP clients are configured with, read from their files. Nothing is started, no secret is resolved.

Files are JSON (comments and trailing commas allowed), TOML or YAML. Which members are servers is said by
`content/clients/known.yaml`; an entry that makes no sense is a source that cannot be looked at, never left out.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from watchkeeper.app.scan.model import Source
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.gateway.settings import ServerSettings

SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
PLACEHOLDER = "watchkeeper-scan-placeholder"
"""The value of a variable that an entry names, unless secrets are asked for: most servers only look whether it is."""
_LARGEST = 16 * 1024 * 1024
_URLS = ("url", "serverUrl", "httpUrl", "uri")
_ENVS = ("env", "environment", "envs")
_COMMANDS = ("command", "cmd")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_JSONC = re.compile(r"""("(?:[^"\\]|\\.)*")|/\*.*?\*/|//[^\n]*|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[\]}])""", re.DOTALL)
"""Strings, which stay; comments and trailing commas, which go."""


class ClientFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a client."""

    path: str
    servers: tuple[str, ...]
    systems: tuple[str, ...] = ("linux", "macos", "windows")


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client, and where it keeps its servers."""

    client: str
    name: str
    files: tuple[ClientFile, ...]


class _Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clients: tuple[Client, ...]


def known_clients() -> tuple[Client, ...]:
    """Those we know. Raises `Misconfigured`."""
    path = content_folder("clients") / "known.yaml"
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), _Known).clients
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise Misconfigured(f"{path}: {error}", hint="reinstall watchkeeper") from error


def files_here(home: Path, here: Path, environment: Mapping[str, str], system: str = sys.platform) -> list[Path]:
    """The files of known clients that exist, each once."""
    mine = SYSTEMS.get(system, "linux")
    found: dict[Path, None] = {}
    for client in known_clients():
        for file in client.files:
            if mine in file.systems:
                found.update(dict.fromkeys(_existing(file.path, home, here, environment)))
    return list(found)


def servers_in(path: Path) -> list[Source] | None:
    """The servers of a client's file; None when it is no such file. Raises `Invalid` when it cannot be read."""
    text, tree = read(path)
    return sources_of(tree, text, path) if isinstance(tree, dict) else None


def sources_of(tree: dict[str, Any], text: str, path: Path) -> list[Source] | None:
    """The same of a file that was read."""
    found: dict[str, Source] = {}
    is_config = False
    for pointer in dict.fromkeys(pointer for one in known_clients() for file in one.files for pointer in file.servers):
        for place, entries in _at(tree, pointer.strip("/").split("/"), ""):
            named = list(_named(entries))
            is_config = is_config or (pointer in _SURE and isinstance(entries, dict | list)) or bool(named)
            for key, entry in named:
                where = f"{place}/{key}"
                found.setdefault(where, source_of(key, entry, path, where, _line(text, key)))
    if not found and tree and all(isinstance(entry, dict) and _is_server(entry) for entry in tree.values()):
        return [source_of(key, entry, path, f"/{key}", _line(text, key)) for key, entry in tree.items()]
    return list(found.values()) if is_config else None


_SURE = frozenset({"/mcpServers", "/mcp_servers", "/context_servers", "/amp.mcpServers"})
"""Members that nothing but servers has, even an empty one."""


def source_of(name: str, entry: dict[str, Any], path: Path, pointer: str, line: int) -> Source:
    """One entry."""
    said = _UNSAFE.sub("-", name).strip("-.") or "server"
    source = Source(name=said, place=str(path), pointer=pointer, line=line)
    if entry.get("disabled") is True or entry.get("enabled") is False:
        return msgspec.structs.replace(source, skipped="it is switched off in the file")
    try:
        return msgspec.structs.replace(source, server=_settings(entry))
    except (TypeError, ValueError) as error:
        return msgspec.structs.replace(source, broken=f"its entry makes no sense: {error}")


def read(path: Path) -> tuple[str, Any]:
    """A file's text and what it says. Raises `Invalid`."""
    try:
        if path.stat().st_size > _LARGEST:
            raise Invalid(f"{path} is larger than {_LARGEST} bytes", hint="is it the right file?")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"cannot read {path}: {error}", hint="check the path and its mode") from error
    try:
        if path.suffix == ".toml":
            return text, tomllib.loads(text)
        if path.suffix in (".yaml", ".yml"):
            return text, yaml.safe_load(text)
        return text, _json(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise Invalid(f"{path} cannot be read: {error}", hint="JSON, TOML (.toml) or YAML (.yaml) is read") from error


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return msgspec.json.decode(_JSONC.sub(lambda found: found[1] or "", text))


def _existing(pattern: str, home: Path, here: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    variable = re.match(r"%(\w+)%", pattern)
    if variable:
        value = environment.get(variable[1], "")
        if not value:
            return
        pattern = value + pattern[variable.end() :]
    elif pattern.startswith("~"):
        pattern = glob.escape(str(home)) + pattern[1:]
    elif pattern.startswith("./"):
        pattern = glob.escape(str(here)) + pattern[1:]
    for name in sorted(glob.glob(pattern, recursive=True, include_hidden=True)):
        if os.path.isfile(name):
            yield Path(name)


def _at(node: Any, steps: list[str], place: str) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield place, node
    elif isinstance(node, dict):
        for key in list(node) if steps[0] == "*" else [steps[0]]:
            if key in node:
                yield from _at(node[key], steps[1:], f"{place}/{key}")


def _named(entries: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(entries, dict):
        pairs = list(entries.items())
    elif isinstance(entries, list):
        pairs = [(str(entry.get("name", at)), entry) for at, entry in enumerate(entries) if isinstance(entry, dict)]
    else:
        return
    for name, entry in pairs:
        if isinstance(entry, dict) and (_is_server(entry) or "type" in entry or "disabled" in entry):
            yield str(name), entry


def _is_server(entry: dict[str, Any]) -> bool:
    return any(key in entry for key in (*_COMMANDS, *_URLS))


def _settings(entry: dict[str, Any]) -> ServerSettings:
    url = next((entry[key] for key in _URLS if entry.get(key)), "")
    command = next((entry[key] for key in _COMMANDS if entry.get(key)), "")
    if isinstance(command, dict):
        entry, command = command, command.get("path", "")
    if url and not command:
        if not isinstance(url, str):
            raise ValueError("its URL is no text")
        headers = _texts(entry.get("headers") or entry.get("http_headers") or {}, "headers")
        kind = str(entry.get("type") or entry.get("transport") or "")
        return ServerSettings(url=url, headers=headers, transport="sse" if kind == "sse" else "streamable")
    words = list(command) if isinstance(command, list) else _words(command, "args" in entry)
    words += entry.get("args") or []
    if not words or not all(isinstance(word, str) for word in words):
        raise ValueError("its command is no list of words")
    env: Any = next((entry[key] for key in _ENVS if entry.get(key)), {})
    return ServerSettings(command=tuple(words), env=_texts(env, "env"))


def _words(command: Any, has_arguments: bool) -> list[str]:
    if not isinstance(command, str):
        raise ValueError("it has neither a command nor a URL")
    return [command] if has_arguments or os.path.exists(command) else shlex.split(command)


def _texts(value: Any, what: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"its {what} is no table")
    return {str(key): str(item) for key, item in value.items()}


def _line(text: str, key: str) -> int:
    """Where an entry begins; 1 when it cannot be told."""
    for mark in (f'"{key}"', f".{key}]", f"{key}:", key):
        at = text.find(mark)
        if at >= 0:
            return text.count("\n", 0, at) + 1
    return 1
