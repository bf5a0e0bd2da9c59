"""Several members' greetings as one: capabilities, instructions, versions. Pure.

Each greeting has been judged on its member's route: instructions that are held are not here. Capabilities are never
more than some member has, and only those whose methods an endpoint can bring to the right member.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from watchkeeper.gateway.aggregate.model import LEFT_OUT, LeftOut, Member

SERVER_INFO = "io.modelcontextprotocol/serverInfo"
_CAPABILITIES = ("tools", "prompts", "resources", "logging", "completions", "tasks")
_EXTENSIONS = frozenset({"io.modelcontextprotocol/tasks", "io.modelcontextprotocol/ui"})
"""Extensions without methods of their own, or with those that we know; another's call would reach nobody."""


class Greeting(msgspec.Struct, rename="camel"):
    """What is read of an answer to `initialize` or `server/discover`."""

    protocol_version: Any = ""
    supported_versions: Any = ()
    capabilities: Any = {}
    instructions: Any = ""
    ttl_ms: Any = 0
    cache_scope: Any = "private"


def greeting_in(result: bytes) -> Greeting | None:
    """The greeting in a result; None when it is none."""
    try:
        return msgspec.json.decode(result, type=Greeting)
    except msgspec.MsgspecError:
        return None


def identity(endpoint: str) -> dict[str, str]:
    """What an endpoint calls itself."""
    return {"name": f"watchkeeper/{endpoint}", "version": version("watchkeeper")}


def initialized(
    endpoint: str, protocol_version: str, said: list[tuple[Member, Greeting]], left_out: list[LeftOut]
) -> dict[str, Any]:
    """The result of `initialize`."""
    result: dict[str, Any] = {
        "protocolVersion": protocol_version,
        "capabilities": capabilities([greeting for _, greeting in said], is_alone=not left_out),
        "serverInfo": identity(endpoint),
    }
    return _with_words(result, said, left_out, {})


def discovered(
    endpoint: str, versions: tuple[str, ...], said: list[tuple[Member, Greeting]], left_out: list[LeftOut]
) -> dict[str, Any]:
    """The result of `server/discover`."""
    greetings = [greeting for _, greeting in said]
    is_public = not left_out and all(greeting.cache_scope == "public" for greeting in greetings)
    ttls = [g.ttl_ms if type(g.ttl_ms) is int and g.ttl_ms >= 0 else 0 for g in greetings]
    result: dict[str, Any] = {
        "resultType": "complete",
        "supportedVersions": list(versions),
        "capabilities": capabilities(greetings, is_alone=not left_out),
        "ttlMs": 0 if left_out else min(ttls, default=0),
        "cacheScope": "public" if is_public else "private",
    }
    return _with_words(result, said, left_out, {SERVER_INFO: identity(endpoint)})


def capabilities(greetings: list[Greeting], *, is_alone: bool = False) -> dict[str, Any]:
    """What some member can do and the endpoint can pass on; all that the only member can do."""
    all_of_them = [g.capabilities for g in greetings if isinstance(g.capabilities, dict)]
    if is_alone and len(greetings) == 1 and all_of_them:
        return dict(all_of_them[0])
    merged: dict[str, Any] = {}
    for said in all_of_them:
        for name in _CAPABILITIES:
            if isinstance(has := said.get(name), dict):
                merged[name] = _union(merged.get(name, {}), has)
        extensions = said.get("extensions")
        if isinstance(extensions, dict) and (known := {k: v for k, v in extensions.items() if k in _EXTENSIONS}):
            merged["extensions"] = known | merged.get("extensions", {})
    return merged


def _union(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    merged = dict(mine)
    for name, value in theirs.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[name] = _union(before, value)
        elif before is None or (before is False and value is True):
            merged[name] = value
    return merged


def _with_words(
    result: dict[str, Any], said: list[tuple[Member, Greeting]], left_out: list[LeftOut], meta: dict[str, Any]
) -> dict[str, Any]:
    words = [
        f"# {member.name}{f' (names begin with {member.prefix})' if member.prefix else ''}\n{greeting.instructions}"
        for member, greeting in said
        if isinstance(greeting.instructions, str) and greeting.instructions
    ]
    words += [f"# {gone.server}\nNot available here: {gone.reason}." for gone in left_out]
    if words:
        result["instructions"] = "\n\n".join(words)
    if left_out:
        meta = {**meta, LEFT_OUT: left_out}
    return {**result, "_meta": meta} if meta else result
