"""Which of the two eras a request belongs to, decided from this request alone.

Modern requests are complete in themselves and say their version in the body and in a header; legacy ones follow an
`initialize` and may carry a session id. Eras are told apart, never translated.
"""

from __future__ import annotations

from typing import Literal

from watchkeeper.protocol.errors import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION, BadMessage, RequestId
from watchkeeper.protocol.message import Message

Era = Literal["modern", "legacy"]

MODERN = ("2026-07-28",)
LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
SUPPORTED = (*MODERN, *LEGACY)
"""Newest first within each era's own order; what a refusal names."""


class WrongVersion(BadMessage):
    """A protocol version we do not carry; `requested` is what was asked for."""

    code = "wrong_version"

    def __init__(self, requested: str, request_id: RequestId = None) -> None:
        super().__init__("unsupported protocol version", rpc_code=UNSUPPORTED_VERSION, request_id=request_id)
        self.requested = requested


def era_of(version_header: str, message: Message | None) -> Era:
    """The era of a request. Raises `WrongVersion` or, where header and body disagree, `BadMessage`.

    A request without any version is legacy (2025-03-26, or an `initialize`, which has its version in its params).
    """
    named = message.version if message is not None else ""
    if version_header in MODERN or named:
        return _modern(version_header, message, named)
    if not version_header or version_header in LEGACY:
        return "legacy"
    raise WrongVersion(version_header, message.id if message is not None else None)


def _modern(version_header: str, message: Message | None, named: str) -> Era:
    if message is None:
        return "modern"
    if message.kind in ("response", "error"):
        raise BadMessage("a modern client sends requests and notifications only", request_id=message.id)
    if not named and message.kind == "request":
        raise BadMessage("params._meta must name the protocol version", rpc_code=INVALID_PARAMS, request_id=message.id)
    if named and version_header != named:
        raise BadMessage(
            "the MCP-Protocol-Version header differs from the message's own version",
            rpc_code=HEADER_MISMATCH,
            request_id=message.id,
        )
    if version_header not in MODERN:
        raise WrongVersion(version_header, message.id)
    return "modern"
