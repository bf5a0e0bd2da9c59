"""What a tool, prompt or resource can do: by its pinned definition, by the registry, and by the operator, who has the
last word. Memory only.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec

from watchkeeper.inspection.capabilities import Capabilities, capabilities
from watchkeeper.policy.bounded import Bounded
from watchkeeper.protocol.message import Message
from watchkeeper.registry.model import TOOL, PinState

_KINDS = {"tools/call": TOOL, "prompts/get": "prompt", "resources/read": "resource", "resources/subscribe": "resource"}
_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
Effects = tuple[frozenset[str], frozenset[str]]
"""Labels that the operator gives, and those that the operator takes away."""


class Known(Protocol):
    """`registry.Pins`."""

    def state(self, server: str, kind: str, name: str) -> PinState: ...
    def labels(self, server: str, kind: str, name: str) -> tuple[str, ...]: ...


class Labels:
    """Of every route's definitions."""

    def __init__(self, pins: Known, of_operator: Mapping[str, tuple[str, ...]]) -> None:
        self._pins = pins
        self._of_operator = of_operator
        self._effects: Bounded[Effects] = Bounded(4_096)
        self._unlisted: Bounded[tuple[str, ...]] = Bounded(4_096)

    def of(self, server: str, request: Message) -> tuple[str, ...]:
        """The labels of what a request uses, sorted."""
        return self.of_target(server, request.method, request.name, request.arguments)

    def of_target(self, server: str, method: str, name: str, arguments: bytes = b"") -> tuple[str, ...]:
        """The same of a method, a name, and what it is called with."""
        kind = _KINDS.get(method)
        if kind is None:
            return ()
        found = self._pins.labels(server, kind, name)
        if kind == "resource":
            found = tuple(sorted({*found, *Capabilities.of_resource(name)}))
        elif kind == TOOL and self._pins.state(server, kind, name) is PinState.UNKNOWN:
            found = self._by_name(name, arguments)
        return self.corrected(server, name, found)

    def corrected(self, server: str, name: str, found: tuple[str, ...]) -> tuple[str, ...]:
        """Labels that were found, with the operator's last word on them, sorted where it changes anything."""
        if not self._of_operator:
            return found
        place = (server, name)
        gives, takes = self._effects.get(place) or self._effects.put(place, self._effects_of(f"{server}/{name}"))
        return tuple(sorted(gives.union(found) - takes)) if gives or takes else found

    def _by_name(self, name: str, arguments: bytes) -> tuple[str, ...]:
        """Never listed: of all it could say of itself, its name is known, and the names of these arguments."""
        names = tuple(sorted(_names(arguments))[:40]) if arguments.startswith(b"{") else ()
        known = self._unlisted.get((name, names))
        return known if known is not None else self._unlisted.put((name, names), capabilities().of_name(name, names))

    def _effects_of(self, place: str) -> Effects:
        gives: set[str] = set()
        takes: set[str] = set()
        for pattern, labels in self._of_operator.items():
            for label in labels if fnmatchcase(place, pattern) else ():
                name = label.removeprefix("-")
                (takes if name != label else gives).add(name)
                (gives if name != label else takes).discard(name)
        return frozenset(gives), frozenset(takes)
