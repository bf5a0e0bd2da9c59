"""The protocol versions a route carries: those that we and its server both speak.

What a server speaks is learnt from what it says on its way to a client (`server/discover`, or a refusal of a version).
Until then every version of ours is named.
"""

from __future__ import annotations

import msgspec

from watchkeeper.protocol.eras import SUPPORTED
from watchkeeper.protocol.errors import UNSUPPORTED_VERSION
from watchkeeper.protocol.message import Message


class _Discovered(msgspec.Struct):
    supported_versions: list[str] = msgspec.field(name="supportedVersions")


class _Supported(msgspec.Struct):
    supported: list[str]


class _Refused(msgspec.Struct):
    code: int
    data: _Supported


_discovered = msgspec.json.Decoder(_Discovered).decode
_refused = msgspec.json.Decoder(_Refused).decode


class Versions:
    """One route's."""

    def __init__(self) -> None:
        self.carried: tuple[str, ...] = SUPPORTED

    def learn(self, answer: Message) -> None:
        """Look at an answer to `server/discover`."""
        try:
            said = _discovered(answer.result).supported_versions if answer.kind == "response" else _in_refusal(answer)
        except msgspec.MsgspecError:
            return
        if both := tuple(version for version in SUPPORTED if version in said):
            self.carried = both


def _in_refusal(answer: Message) -> list[str]:
    refused = _refused(answer.error)
    return refused.data.supported if refused.code == UNSUPPORTED_VERSION else []
