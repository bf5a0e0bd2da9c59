"""Taking note of a listing in one transaction: which definitions are new, how each pin moves, which facts follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy.orm import Session

from watchkeeper.events import Event
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.model import Finding
from watchkeeper.registry import _store, facts, transitions

Groups = dict[tuple[str, str], dict[str, Definition]]
"""(kind, name) → fingerprint → definition, in the order of the listing."""

NOT_INSPECTED = Finding("registry", "registry.not-inspected", "not_inspected", 3)
"""Stands for the findings of a definition that nobody looked at: it is held, never trusted."""


def grouped(definitions: Sequence[Definition]) -> Groups:
    """A listing by name; one that shows two definitions under a name has a group of two."""
    groups: Groups = {}
    for definition in definitions:
        groups.setdefault((definition.kind, definition.name), {})[definition.fingerprint] = definition
    return groups


class Noting:
    """One listing on its way into the control state. `facts` must be durable before the transaction is committed."""

    def __init__(
        self, session: Session, tenant: str, generation: int, now: int, findings: Mapping[str, tuple[Finding, ...]]
    ) -> None:
        self._session = session
        self._tenant = tenant
        self._generation = generation
        self._now = now
        self._findings = findings
        self.facts: list[Event] = []

    def note(self, server: str, kind: str, name: str, group: Mapping[str, Definition]) -> transitions.Step:
        """Add what is new of one name to its history, and move its pin."""
        key = _store.key_of(server, kind, name)
        for definition in group.values():
            self._remember(server, key, definition)
        pin = _store.get_pin(self._session, self._tenant, key)
        chosen = transitions.representative(pin, list(group))
        findings = self._of(chosen)
        if pin is None:
            noticed = tuple(finding for fingerprint in group for finding in self._of(fingerprint))
            step = transitions.first_sight(
                server, kind, name, chosen, self._now, findings=noticed, is_ambiguous=len(group) > 1
            )
        else:
            step = transitions.sighted(pin, chosen, self._now)
        if step.event:
            _store.put_pin(self._session, self._tenant, step.pin, self._generation)
            self.facts.append(self._fact(key, step, findings))
        return step

    def _of(self, fingerprint: str) -> tuple[Finding, ...]:
        return self._findings.get(fingerprint, (NOT_INSPECTED,))

    def _fact(self, key: str, step: transitions.Step, findings: tuple[Finding, ...]) -> Event:
        if step.event != transitions.CHANGED:
            return facts.pin_moved(self._now, self._tenant, step, findings=findings)
        old = _store.sighting_of(self._session, self._tenant, key, step.pin.pinned)
        new = _store.sighting_of(self._session, self._tenant, key, step.pin.seen)
        return facts.pin_changed(self._now, self._tenant, step, old=old, new=new)

    def _remember(self, server: str, key: str, definition: Definition) -> None:
        if _store.sighting_of(self._session, self._tenant, key, definition.fingerprint):
            return
        findings = self._of(definition.fingerprint)
        self._session.add(
            _store.DefinitionRow(
                tenant=self._tenant,
                key=key,
                fingerprint=definition.fingerprint,
                server=server,
                kind=definition.kind,
                name=definition.name,
                canonical=definition.canonical,
                findings=msgspec.json.encode(findings),
                first_seen=self._now,
            )
        )
        self.facts.append(facts.definition_seen(self._now, self._tenant, server, definition, findings))
