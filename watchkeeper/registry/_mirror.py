"""What the hot path may ask of the pins, held in memory and replaced piece by piece; reads take no lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from watchkeeper.inspection.model import SUSPECTED
from watchkeeper.registry.lookalikes import Likeness, Names
from watchkeeper.registry.model import CANARY, TOOL, Peer, Pin, PinState

IDENTITY = "identity_dependent"
"""Label of a definition that a server shows to some only."""
_COMPARED = frozenset({TOOL, "prompt"})
"""Kinds whose names are compared across servers."""
_LONGEST = 4_096
"""Characters of a description that others see of it."""


class _Hints(msgspec.Struct):
    readOnlyHint: Any = None


class _Claiming(msgspec.Struct):
    annotations: _Hints | None = None


class _Shown(msgspec.Struct):
    inputSchema: msgspec.Raw = msgspec.Raw(b"")
    outputSchema: msgspec.Raw = msgspec.Raw(b"")
    description: msgspec.Raw = msgspec.Raw(b"")


_shown = msgspec.json.Decoder(_Shown)
_claiming = msgspec.json.Decoder(_Claiming)


class Mirror:
    """One tenant's pins in this process."""

    def __init__(self) -> None:
        self.pins: dict[tuple[str, str, str], Pin] = {}
        self.schemas: dict[tuple[str, str], bytes] = {}
        self.outputs: dict[tuple[str, str], bytes] = {}
        """Of the tools that promise a structured result."""
        self.readers: dict[tuple[str, str], bytes] = {}
        """The pinned definitions that say of themselves that they only read."""
        self.held: dict[str, frozenset[tuple[str, str]]] = {}
        self.labels: dict[tuple[str, str, str], tuple[str, ...]] = {}
        """Of the few that have any."""
        self.listed: dict[tuple[str, str], frozenset[str]] = {}
        """(server, kind) → the names of its last listing, if this process saw all of it."""
        self.labeller: Callable[[bytes], tuple[str, ...]] | None = None
        """What a tool can do, by its definition; None while nobody asks."""
        self._abilities: dict[tuple[str, str], tuple[str, ...]] = {}
        self._descriptions: dict[tuple[str, str], str] = {}
        self._names: dict[str, Names] = {}
        self._company: dict[str, tuple[Peer, ...]] = {}

    def take(self, news: Iterable[tuple[Pin, bytes]]) -> None:
        """Pins that changed, with their definitions."""
        for pin, canonical in sorted(news, key=lambda one: one[0].first_seen):
            self._take(pin, canonical)
        self._company = {}

    def like(self, server: str, kind: str, name: str, since: int) -> Likeness | None:
        """Another server's older name that this one could be taken for."""
        if kind not in _COMPARED:
            return None
        return self._names.setdefault(kind, Names()).like(server, name, since)

    def company(self, server: str) -> tuple[Peer, ...]:
        """The tools of all other servers that a model may see beside this server's."""
        known = self._company.get(server)
        if known is None:
            others = [p for p in tuple(self.pins.values()) if p.kind == TOOL and p.server != server]
            known = tuple(
                Peer(pin.server, pin.name, self._descriptions.get((pin.server, pin.name), ""))
                for pin in others
                if pin.state is not PinState.HELD
            )
            self._company = {**self._company, server: known}
        return known

    def _take(self, pin: Pin, canonical: bytes) -> None:
        if pin.kind == TOOL and canonical:
            schema, output, self._descriptions[pin.server, pin.name] = _read(canonical)
            self.readers.pop((pin.server, pin.name), None)
            if pin.pinned and _claims_to_read(canonical):
                self.readers[pin.server, pin.name] = canonical
            if pin.pinned:
                self.schemas[pin.server, pin.name] = schema
                self.outputs.pop((pin.server, pin.name), None)
                if output:
                    self.outputs[pin.server, pin.name] = output
            if self.labeller is not None:
                self._abilities[pin.server, pin.name] = self.labeller(canonical)
        key = (pin.server, pin.kind, pin.name)
        self.pins[key] = pin
        held = self.held.get(pin.server, frozenset())
        short = {(pin.kind, pin.name)}
        self.held[pin.server] = held | short if pin.state is PinState.HELD else held - short
        self._label(key, pin)

    def _label(self, key: tuple[str, str, str], pin: Pin) -> None:
        found = [pin.origin] if pin.origin else []
        if pin.kind in _COMPARED:
            self._names.setdefault(pin.kind, Names()).add(pin.server, pin.name, pin.first_seen)
            if like := self.like(pin.server, pin.kind, pin.name, pin.first_seen):
                found.append(like.label)
        if pin.state is PinState.TRUSTED and pin.reason:
            found.append(SUSPECTED)
        if pin.held_by == CANARY:
            found.append(IDENTITY)
        if self.labeller is not None and pin.kind == TOOL:
            found += self._abilities.get((pin.server, pin.name), ())
        if found:
            self.labels[key] = tuple(sorted(found))
        else:
            self.labels.pop(key, None)


def _claims_to_read(canonical: bytes) -> bool:
    if b'"readOnlyHint":true' not in canonical:
        return False
    try:
        said = _claiming.decode(canonical).annotations
    except msgspec.MsgspecError:
        return False
    return said is not None and said.readOnlyHint is True


def _read(canonical: bytes) -> tuple[bytes, bytes, str]:
    try:
        shown = _shown.decode(canonical)
        description = msgspec.json.decode(shown.description) if bytes(shown.description) else ""
    except msgspec.DecodeError:
        return b"", b"", ""
    text = description[:_LONGEST] if isinstance(description, str) else ""
    return bytes(shown.inputSchema), bytes(shown.outputSchema), text
