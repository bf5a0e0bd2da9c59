"""The protocol versions a route carries: those that we, its server and its own settings all allow.

What a server speaks is learnt from what it says on its way to a client (`server/discover`, or a refusal of a version).
Until then every version of ours is named. What a server offers beyond that is taken out of its discovery, for a request
in such a version would be refused here.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from watchkeeper.inspection import spans
from watchkeeper.protocol.eras import LEGACY, MODERN, WrongVersion
from watchkeeper.protocol.errors import UNSUPPORTED_VERSION
from watchkeeper.protocol.message import Message, parse_message

ASSUMED = "2025-03-26"
"""The version of a request that names none (MCP 2025-11-25 basic/transports#protocol-version-header)."""


class _Discovered(msgspec.Struct):
    supported_versions: list[str] = msgspec.field(name="supportedVersions")


class _Supported(msgspec.Struct):
    supported: list[str]


class _Refused(msgspec.Struct):
    code: int
    data: _Supported


class _Initialize(msgspec.Struct, rename="camel"):
    protocol_version: str = ASSUMED


_discovered = msgspec.json.Decoder(_Discovered).decode
_refused = msgspec.json.Decoder(_Refused).decode
_initialize = msgspec.json.Decoder(_Initialize).decode


class Versions:
    """One route's."""

    def __init__(self, eras: Collection[str] = ("modern", "legacy")) -> None:
        self._ours = (*(MODERN if "modern" in eras else ()), *(LEGACY if "legacy" in eras else ()))
        self.carried: tuple[str, ...] = self._ours

    def learn(self, answer: Message) -> Message:
        """Look at an answer to `server/discover`; it comes back without the versions that are not carried here."""
        try:
            said = _discovered(answer.result).supported_versions if answer.kind == "response" else _in_refusal(answer)
        except msgspec.MsgspecError:
            return answer
        both = tuple(version for version in self._ours if version in said)
        if not both:
            return answer  # nothing in common: its own words, and our refusal of whatever comes, say so
        self.carried = both
        if answer.kind != "response" or len(both) == len(said):
            return answer
        return _naming_only(answer, set(both))

    def wrong(self, header: str, message: Message) -> WrongVersion:
        """The refusal of a request of an era that this route does not serve."""
        named = message.version or header
        if not named and message.method == "initialize":
            named = _named_in(message)
        return WrongVersion(named or ASSUMED, message.id)


def _named_in(initialize: Message) -> str:
    try:
        return _initialize(initialize.params).protocol_version
    except msgspec.MsgspecError:
        return ""


def _in_refusal(answer: Message) -> list[str]:
    refused = _refused(answer.error)
    return refused.data.supported if refused.code == UNSUPPORTED_VERSION else []


def _naming_only(answer: Message, kept: Collection[str]) -> Message:
    """The same discovery with fewer versions; every other byte stays."""
    text = answer.raw.decode()
    result = _member(text, 0, "result")
    listed = _member(text, result.value, "supportedVersions")
    children = spans.items(text, listed.value)
    dropped = {
        index
        for index, child in enumerate(children)
        if msgspec.json.decode(text[child.value : child.end].encode()) not in kept
    }
    return parse_message(spans.without(text, children, dropped).encode())


def _member(text: str, at: int, name: str) -> spans.Span:
    return next(span for span in spans.members(text, at) if span.name == name)
