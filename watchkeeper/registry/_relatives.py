"""Whom a new definition may be akin to: what is gone from this listing or from another server's, and what is held."""

from __future__ import annotations

from sqlalchemy.orm import Session

from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.registry import _store
from watchkeeper.registry._mirror import Mirror
from watchkeeper.registry.kin import MOVED, NEAR, RENAMED, Kin, Portrait, likeness, portrait
from watchkeeper.registry.lookalikes import Likeness
from watchkeeper.registry.model import Pin, PinState

Groups = dict[tuple[str, str], dict[str, Definition]]
"""(kind, name) → fingerprint → definition, in the order of the listing."""
MOST = 300
"""Older definitions that the new ones of a listing are compared with, those that changed last first."""


class Relatives:
    """One listing's. Nothing is read before something new needs it."""

    def __init__(self, mirror: Mirror, server: str, groups: Groups, whole: str) -> None:
        self._mirror = mirror
        self._server = server
        self._groups = groups
        self._whole = whole
        self._portraits: dict[tuple[str, str, str], Portrait] = {}
        self._suspects: dict[str, list[tuple[Pin, str]]] = {}

    def like(self, pin: Pin) -> Likeness | None:
        """Another server's older name that a new one could be taken for; not that of the very same definition."""
        like = self._mirror.like(pin.server, pin.kind, pin.name, pin.first_seen)
        if like is not None and like.how == "same":
            other = self._mirror.pins.get((like.server, pin.kind, like.name))
            return like if other is None or other.seen != pin.seen else None
        return like

    def nearest(self, session: Session, tenant: str, new: Definition) -> Kin | None:
        """The definition that `new` is nearest to, if near enough; a held one before any other."""
        mine = portrait(new.canonical)
        if not mine:
            return None
        found = [
            Kin(pin.server, pin.name, how, pin.state is PinState.HELD, share)
            for pin, how in self._of(new.kind)
            if (share := likeness(mine, self._portrait(session, tenant, pin))) >= NEAR
        ]
        return max(found, key=lambda kin: (kin.is_held, bool(kin.how), kin.likeness), default=None)

    def _of(self, kind: str) -> list[tuple[Pin, str]]:
        if kind not in self._suspects:
            pins = sorted(list(self._mirror.pins.values()), key=lambda pin: -pin.changed_at)  # noqa: C414 — a copy at once, while others add to it
            suspects = [(pin, self._how(pin)) for pin in pins if pin.kind == kind]
            self._suspects[kind] = [(p, how) for p, how in suspects if how or p.state is PinState.HELD][:MOST]
        return self._suspects[kind]

    def _how(self, pin: Pin) -> str:
        """`renamed` when it is gone from this listing, `moved` when from another server's last one."""
        if pin.server == self._server:
            is_gone = pin.kind == self._whole and (pin.kind, pin.name) not in self._groups
            return RENAMED if is_gone else ""
        listed = self._mirror.listed.get((pin.server, pin.kind))
        return MOVED if listed is not None and pin.name not in listed else ""

    def _portrait(self, session: Session, tenant: str, pin: Pin) -> Portrait:
        key = (pin.server, pin.kind, pin.name)
        if key not in self._portraits:
            shown = _store.sighting_of(session, tenant, _store.key_of(*key), pin.seen)
            self._portraits[key] = portrait(shown.canonical) if shown else frozenset()
        return self._portraits[key]
