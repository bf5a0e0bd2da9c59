"""The acts about bundles of policies: install, roll back, list. Proven here, and by every gateway once more.

The trusted keys are those of the settings that the command line read: whoever reaches this socket, or this folder,
administers the host and could change the settings. No token is good for any of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.governing import REFRESH
from watchkeeper.app.settings import PolicySettings
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.gateway.bundles import BundleBook, Move
from watchkeeper.policy.bundles import Signed, engine_with, prove, try_out
from watchkeeper.policy.bundles.trying import Beside

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform


class Bundling:
    """The acts, on an open platform."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self._book = BundleBook(platform.database, platform.journal, platform.clock)
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "policy.install": self.install,
            "policy.rollback": self.roll_back,
            "policy.bundles": self.list,
        }

    def install(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Prove, try, keep, put in force. What is refused is recorded, and changes nothing."""
        by, raw, settings = asked["by"], asked["bundle"].encode(), _settings(asked)
        try:
            signed = self._tried(raw, settings)
            installed = self._book.install(signed, by)
        except WatchkeeperError as error:
            self._book.refuse(by, error.code, error.reason, "")
            raise
        return self._told(self._book.activate(installed.version, by), signed)

    def roll_back(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Put an earlier one in force again: proven by those who are trusted now."""
        by, version = asked["by"], int(asked.get("to") or self._book.before())
        try:
            signed = self._tried(self._book.envelope(version), _settings(asked))
        except WatchkeeperError as error:
            self._book.refuse(by, error.code, error.reason, "", str(version))
            raise
        return self._told(self._book.roll_back(version, by, asked["reason"]), signed)

    def list(self, _: dict[str, Any]) -> dict[str, Any]:
        """What was installed, and what was in force when."""
        return {"bundles": self._book.list(), "moves": self._book.moves()}

    @staticmethod
    def _tried(raw: bytes, settings: PolicySettings) -> Signed:
        signed = prove(raw, settings.trust)
        try_out(signed.bundle.manifest)
        engine_with(signed.bundle.manifest, Beside(settings.packs, settings.folders, settings.windows))
        return signed

    def _told(self, move: Move, signed: Signed) -> dict[str, Any]:
        self._on.orders.tell(REFRESH)
        told: dict[str, Any] = msgspec.to_builtins(move)
        return told | {"signers": list(signed.signers)}


def _settings(asked: dict[str, Any]) -> PolicySettings:
    return msgspec.convert(asked["settings"], PolicySettings)
