"""What of this host evidence has, beside what the gateways say: definitions, settings, positions, clients, grants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Self

import msgspec

from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded
from watchkeeper.events import JournalReader
from watchkeeper.gateway.orders import Fence


class HostState:
    """Looks at the platform; changes nothing."""

    def __init__(self, loaded: Loaded, platform: Platform) -> None:
        self._loaded = loaded
        self._on = platform

    def fenced(self, fence: Fence) -> Self:
        """Itself: looking needs no right."""
        return self

    def parts(self, server: str, seal: Callable[[str], str]) -> Mapping[str, Callable[[], Any]]:
        """Each part's name, and what takes it."""
        return {
            "definitions": lambda: [msgspec.to_builtins(pin) for pin in self._on.pins.list(server)],
            "settings": lambda: self._settings(seal),
            "journal": self._positions,
            "clients": lambda: msgspec.to_builtins(self._on.clients.clients()),
            "grants": lambda: [msgspec.to_builtins(grant) for grant in self._on.grants.all()],
        }

    def _settings(self, seal: Callable[[str], str]) -> dict[str, Any]:
        """What is set, what may be secret masked; the whole of it sealed, so that a change is seen."""
        whole = msgspec.json.encode(msgspec.to_builtins(self._loaded.settings), order="sorted")
        return {
            "file": str(self._loaded.path or ""),
            "set": self._loaded.masked(),
            "sealed": seal(hashlib.sha256(whole).hexdigest()),
        }

    def _positions(self) -> dict[str, int]:
        reader = JournalReader(self._loaded.data_dir, pass_over_corrupt=True)
        try:
            return {writer: reader.durable(writer) or 0 for writer in reader.writers()}
        finally:
            reader.close()
