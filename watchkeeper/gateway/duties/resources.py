"""Resources as they pass: an address that leaves its folder, and binary content that is none.

An absolute URI has no use for a `..` segment (RFC 3986 section 5.2.4 takes them out before one is used); in a
resource's address it is a way out of the folder or template it belongs to, however often it is percent-encoded (MCP
2026-07-28 server/resources#security-considerations).
"""

from __future__ import annotations

import binascii
from typing import Any
from urllib.parse import unquote

import msgspec

from watchkeeper.gateway.duties.model import Breach
from watchkeeper.protocol.message import Message

ADDRESS = "protocol.resource-uri"
CONTENT = "protocol.resource-content"
LISTEN = "subscriptions/listen"
METHODS = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe", LISTEN})
READ = "resources/read"
_ROUNDS = 4
"""Times that an address is decoded; what is still encoded then is refused."""
_IN_SCHEME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")


class _Content(msgspec.Struct):
    uri: Any = None
    blob: Any = None


class _Filter(msgspec.Struct, rename="camel"):
    resource_subscriptions: list[str] | None = None


class _Listen(msgspec.Struct):
    notifications: _Filter | None = None


class _Result(msgspec.Struct):
    contents: list[_Content] = []


_result = msgspec.json.Decoder(_Result).decode
_listen = msgspec.json.Decoder(_Listen).decode


def breach_in_request(request: Message) -> Breach | None:
    """What is wrong with an address that a request names; one without any is its server's to refuse."""
    named = _listened_to(request) if request.method == LISTEN else [request.name]
    why = next((flaw for uri in named if uri and (flaw := flaw_in(uri))), "")
    return Breach(ADDRESS, f"The resource's address {why}.") if why else None


def breach_in_answer(answer: Message) -> Breach | None:
    """What is wrong with the contents of a resource."""
    try:
        contents = _result(answer.result).contents
    except msgspec.MsgspecError:
        return Breach(CONTENT, "The resource's contents are no list of objects.")
    for content in contents:
        if content.blob is not None and not _is_base64(content.blob):
            return Breach(CONTENT, "The resource's binary content is not valid base64.")
        if isinstance(content.uri, str) and (why := flaw_in(content.uri)):
            return Breach(CONTENT, f"The address of the resource's content {why}.")
    return None


def flaw_in(uri: str) -> str:
    """What is wrong with a resource's address; empty when nothing is."""
    scheme, colon, _ = uri.partition(":")
    if not colon or not scheme[:1].isalpha() or not _IN_SCHEME.issuperset(scheme):
        return "has no scheme"
    for _ in range(_ROUNDS):
        if not uri.isprintable():
            return "has control or invisible characters"
        path = uri.partition("?")[0].partition("#")[0].partition(":")[2]
        if ".." in path and ".." in path.replace("\\", "/").split("/"):
            return "leaves its folder"
        uri, before = unquote(uri), uri
        if uri == before:
            return ""
    return "is encoded too often"


def _listened_to(request: Message) -> list[str]:
    try:
        wanted = _listen(request.params).notifications if request.params else None
    except msgspec.MsgspecError:
        return []
    return (wanted.resource_subscriptions if wanted is not None else None) or []


def _is_base64(blob: object) -> bool:
    if not isinstance(blob, str):
        return False
    try:
        binascii.a2b_base64(blob, strict_mode=True)
    except ValueError:
        return False
    return True
