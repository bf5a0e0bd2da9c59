"""Asking a new server which era it speaks, as MCP 2026-07-28 basic/transports/stdio#backward-compatibility has a client
do."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.stdio.conversation import Conversation
from watchkeeper.protocol.eras import LEGACY, MODERN
from watchkeeper.protocol.errors import UNSUPPORTED_VERSION
from watchkeeper.protocol.message import VERSION_KEY, parse_message

_MODERN_ONLY_CODES = frozenset({-32020, -32021})
"""Errors that no older server knows."""

_DISCOVER = parse_message(
    msgspec.json.encode(
        {
            "jsonrpc": "2.0",
            "id": 0,
            "method": "server/discover",
            "params": {
                "_meta": {
                    VERSION_KEY: MODERN[-1],
                    "io.modelcontextprotocol/clientInfo": {"name": "watchkeeper", "version": "0"},
                    "io.modelcontextprotocol/clientCapabilities": {},
                }
            },
        }
    )
)


async def speaks_modern(conversation: Conversation, seconds: float) -> bool:
    """Whether a server that was just started speaks the modern era.

    An older server answers with another error, with nothing, or ends: all three mean no, and none of them is an outage.
    """
    try:
        said = await conversation.ask(_DISCOVER, streams=False, seconds=seconds)
    except Unavailable:
        return False
    return _is_modern(msgspec.json.decode(said.body))


def _is_modern(reply: dict[str, Any]) -> bool:
    if "error" not in reply:
        return any(version in MODERN for version in _texts(reply.get("result"), "supportedVersions"))
    error = reply["error"]
    code = error.get("code")
    if code == UNSUPPORTED_VERSION:
        supported = _texts(error.get("data"), "supported")
        return not supported or any(version not in LEGACY for version in supported)
    return code in _MODERN_ONLY_CODES


def _texts(holder: Any, member: str) -> list[str]:
    value = holder.get(member) if isinstance(holder, dict) else None
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
