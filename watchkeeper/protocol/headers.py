"""Headers that repeat the body, and headers that end at a hop.

Policy is computed from the body. A header that says otherwise means that two readers would act on two different
messages, so the message is refused (MCP 2026-07-28, streamable HTTP, server validation).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from watchkeeper.protocol.errors import HEADER_MISMATCH, BadMessage
from watchkeeper.protocol.message import NAMED_BY, NAMELESS, Message

HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"}
    | {b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""Never forwarded (RFC 9110 section 7.6.1), in either direction."""

REQUIRED_NAME = frozenset({"tools/call", "prompts/get", "resources/read", "tasks/get", "tasks/update", "tasks/cancel"})
"""Modern requests that must carry `Mcp-Name`: those of the specification, and of its Tasks extension."""

_PARAM = b"mcp-param-"


def nominated(connection: bytes) -> list[bytes]:
    """Lower-case header names that a `Connection` header declares to be for this hop only."""
    names = [token.strip().lower() for token in connection.split(b",")]
    return [name for name in names if name and name not in (b"keep-alive", b"close")]


def decode_mirror(value: bytes) -> str | None:
    """The text a mirrored header stands for; None when it cannot be read in exactly one way."""
    if value.startswith(b"=?base64?") and value.endswith(b"?="):
        payload = value[9:-2]
        try:
            data = base64.b64decode(payload, validate=True)
            return data.decode() if base64.b64encode(data) == payload else None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return value.decode("ascii") if value.isascii() else None


def check_mirrors(mirrors: Mapping[bytes, bytes], message: Message) -> None:
    """Refuse a modern message whose `Mcp-Method` or `Mcp-Name` differs from its body or is missing.

    `mirrors` has lower-case names. Headers may be missing on notifications, where nothing requires them.
    """
    method = mirrors.get(b"mcp-method")
    if method is None and message.kind == "request":
        raise _mismatch("the Mcp-Method header is missing", message)
    if method is not None and method != message.method.encode():
        raise _mismatch("the Mcp-Method header differs from the message's method", message)
    name = mirrors.get(b"mcp-name")
    if name is None:
        if message.method in REQUIRED_NAME and (message.name or message.method not in NAMELESS):
            raise _mismatch("the Mcp-Name header is missing", message)
        return
    if message.method in NAMED_BY and decode_mirror(name) != message.name:
        raise _mismatch(f"the Mcp-Name header differs from params.{NAMED_BY[message.method]}", message)


def check_parameters(mirrors: Mapping[bytes, bytes], message: Message, schema: bytes) -> None:
    """Refuse a call whose `Mcp-Param-*` headers differ from the arguments that the tool's schema says they repeat.

    Headers the schema does not know are none of our business: they pass unchanged.
    """
    declared = _declared(schema)
    if not declared:
        return
    arguments = msgspec.json.decode(message.arguments) if message.arguments else {}
    for header, path in declared:
        value = _at(arguments, path)
        sent = mirrors.get(header)
        if sent is None and value is None:
            continue
        if sent is None or not _equals(value, decode_mirror(sent)):
            raise _mismatch(f"the {header.decode()} header differs from the call's arguments", message)


def mirrored_again(headers: list[tuple[bytes, bytes]], message: Message, schema: bytes) -> list[tuple[bytes, bytes]]:
    """The headers with every `Mcp-Param-*` that the schema declares saying what the message's arguments say now."""
    declared = dict(_declared(schema))
    arguments = msgspec.json.decode(message.arguments) if message.arguments else {}
    changed: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        path = declared.get(name.lower())
        now = _at(arguments, path) if path is not None else None
        changed.append((name, encode_mirror(now) if isinstance(now, str) else value))
    return changed


def encode_mirror(text: str) -> bytes:
    """A mirrored header's value for a text."""
    data = text.encode()
    is_plain = text.isascii() and text.isprintable() and text == text.strip() and not text.startswith("=?base64?")
    return data if is_plain and data else b"=?base64?" + base64.b64encode(data) + b"?="


def _mismatch(reason: str, message: Message) -> BadMessage:
    return BadMessage(reason, rpc_code=HEADER_MISMATCH, request_id=message.id)


@lru_cache(maxsize=1024)
def _declared(schema: bytes) -> tuple[tuple[bytes, tuple[str, ...]], ...]:
    """(header, path) of every `x-mcp-header` annotation reachable through `properties` alone."""
    try:
        tree = msgspec.json.decode(schema)
    except msgspec.DecodeError:
        return ()
    found: list[tuple[bytes, tuple[str, ...]]] = []
    open_nodes: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    while open_nodes:
        path, node = open_nodes.pop()
        if not isinstance(node, dict):
            continue
        token = node.get("x-mcp-header")
        if path and isinstance(token, str) and token.isascii():
            found.append((_PARAM + token.lower().encode(), path))
        properties = node.get("properties")
        if isinstance(properties, dict):
            open_nodes.extend(((*path, name), child) for name, child in properties.items())
    return tuple(found)


def _at(arguments: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        arguments = arguments.get(step) if isinstance(arguments, dict) else None
    return arguments


def _equals(value: Any, sent: str | None) -> bool:
    if sent is None or value is None:
        return False
    if isinstance(value, bool):
        return sent == ("true" if value else "false")
    if isinstance(value, str):
        return sent == value
    return isinstance(value, int | float) and _same_number(value, sent)


def _same_number(value: float, sent: str) -> bool:
    whole, _, fraction = sent.removeprefix("-").partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 400 and len(fraction) <= 400):
        return False
    if fraction.strip("0") == "":
        integer = int(whole) * (-1 if sent.startswith("-") else 1)
        return value == integer
    return fraction.isascii() and fraction.isdigit() and isinstance(value, float) and repr(value) == sent
