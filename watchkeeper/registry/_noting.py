"""Taking note of a listing in one transaction: which definitions are new, how each pin moves, which facts follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy.orm import Session

from watchkeeper.events import Event
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.model import Finding
from watchkeeper.registry import _store, facts, transitions
from watchkeeper.registry._relatives import Groups, Relatives
from watchkeeper.registry.changes import ChangeClass, classify
from watchkeeper.registry.facts import Occasion
from watchkeeper.registry.model import CANARY, Pin, SetApart, Sighting

NOT_INSPECTED = Finding("registry", "registry.not-inspected", "not_inspected", 3)
"""Stands for the findings of a definition that nobody looked at: it is held, never trusted."""


def grouped(definitions: Sequence[Definition]) -> Groups:
    """A listing by name; one that shows two definitions under a name has a group of two."""
    groups: Groups = {}
    for definition in definitions:
        groups.setdefault((definition.kind, definition.name), {})[definition.fingerprint] = definition
    return groups


Findings = Mapping[str, tuple[Finding, ...]]


class Noting:
    """One listing on its way into the control state. `facts` must be durable before the transaction is committed."""

    def __init__(self, session: Session, occasion: Occasion, findings: Findings, relatives: Relatives) -> None:
        self._relatives = relatives
        self._session = session
        self._on = occasion
        self._findings = findings
        self.facts: list[Event] = []

    def note(self, server: str, kind: str, name: str, group: Mapping[str, Definition]) -> transitions.Step:
        """Add what is new of one name to its history, and move its pin."""
        key = _store.key_of(server, kind, name)
        for definition in group.values():
            self.remember(server, key, definition)
        pin = _store.get_pin(self._session, self._on.tenant, key)
        chosen = transitions.representative(pin, list(group))
        step = self._first(server, group, chosen) if pin is None else self._again(pin, key, group[chosen])
        if step.event:
            self._put(key, step)
            self.facts.append(self._fact(key, step, self._of(chosen)))
        if pin is None:
            self._tell_likeness(step.pin)
        return step

    def remember(self, server: str, key: str, definition: Definition) -> None:
        """Add a definition to the history of its name, unless it is there."""
        if self._shown(key, definition.fingerprint):
            return
        findings = self._of(definition.fingerprint)
        row = _store.DefinitionRow(
            tenant=self._on.tenant,
            key=key,
            fingerprint=definition.fingerprint,
            server=server,
            kind=definition.kind,
            name=definition.name,
            findings=msgspec.json.encode(findings),
            first_seen=self._on.now,
        )
        _store.remember(self._session, row, definition.canonical)
        self.facts.append(facts.definition_seen(self._on, server, definition, findings))

    def set_apart(self, server: str, found: SetApart) -> Pin | None:
        """Hold what a server shows to some only; None when that is so already, or was approved with that known."""
        key = _store.key_of(server, found.kind, found.name)
        pin = _store.get_pin(self._session, self._on.tenant, key)
        if pin is not None and self._is_settled(pin, key, found):
            return None
        for definition in found.definitions:
            self.remember(server, key, definition)
        if pin is None:
            group = {definition.fingerprint: definition for definition in found.definitions}
            pin = self._first(server, group, next(iter(group))).pin
        step = transitions.set_apart(pin, found.depends_on, self._on.now)
        old, new = self._shown(key, found.canary), self._shown(key, found.shown)
        self._put(key, step)
        self.facts.append(facts.canary_differed(self._on, step.pin, found, old=old, new=new))
        return step.pin

    def _is_settled(self, pin: Pin, key: str, found: SetApart) -> bool:
        shown = [self._shown(key, fingerprint) for fingerprint in (found.shown, found.canary) if fingerprint]
        if any(one is None or one.first_seen > pin.approved_at for one in shown):
            return pin.held_by == CANARY and all(shown)
        return True

    def _first(self, server: str, group: Mapping[str, Definition], chosen: str) -> transitions.Step:
        noticed = tuple(finding for fingerprint in group for finding in self._of(fingerprint))
        kind, name = group[chosen].kind, group[chosen].name
        step = transitions.first_sight(
            server, kind, name, chosen, self._on.now, findings=noticed, is_ambiguous=len(group) > 1
        )
        kin = self._relatives.nearest(self._session, self._on.tenant, group[chosen])
        if kin is None:
            return step
        if kin.how:
            self.facts.append(facts.pin_akin(self._on.now, self._on.tenant, step.pin, kin))
        return transitions.akin(step, kin)

    def _tell_likeness(self, pin: Pin) -> None:
        like = self._relatives.like(pin)
        if like is not None:
            self.facts.append(facts.looks_alike(self._on.now, self._on.tenant, pin, like))

    def _again(self, pin: Pin, key: str, shown: Definition) -> transitions.Step:
        if shown.fingerprint in (pin.seen, pin.pinned):
            return transitions.sighted(pin, shown.fingerprint, self._on.now)
        pinned = self._shown(key, pin.pinned)
        change = classify(pinned.canonical, shown.canonical) if pinned else ChangeClass.NONE
        passes = self._on.terms.cosmetic == "pass" and not self._of(shown.fingerprint)
        return transitions.sighted(pin, shown.fingerprint, self._on.now, change=change, passes=passes)

    def _put(self, key: str, step: transitions.Step) -> None:
        pin, tenant = step.pin, self._on.tenant
        pruned = _store.prune(self._session, tenant, key, self._on.terms.history, {pin.pinned, pin.seen})
        pin = msgspec.structs.replace(pin, pruned=pin.pruned + pruned)
        _store.put_pin(self._session, tenant, pin, self._on.generation)

    def _of(self, fingerprint: str) -> tuple[Finding, ...]:
        return self._findings.get(fingerprint, (NOT_INSPECTED,))

    def _fact(self, key: str, step: transitions.Step, findings: tuple[Finding, ...]) -> Event:
        if step.event not in (transitions.CHANGED, transitions.ADOPTED):
            return facts.pin_moved(self._on.now, self._on.tenant, step, findings=findings)
        old = self._shown(key, step.was or step.pin.pinned)
        new = self._shown(key, step.pin.seen)
        return facts.pin_changed(self._on, step, old=old, new=new)

    def _shown(self, key: str, fingerprint: str) -> Sighting | None:
        return _store.sighting_of(self._session, self._on.tenant, key, fingerprint) if fingerprint else None
