"""All inspectors as one: what the gateway's pipeline and the registry ask. It notices; policy decides."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.plugins import load
from watchkeeper.inspection.concealed import Concealed
from watchkeeper.inspection.demand import OnDemand
from watchkeeper.inspection.destinations import Destinations
from watchkeeper.inspection.leaving import Leaving
from watchkeeper.inspection.model import Finding, Inspector, Looked, Surface
from watchkeeper.inspection.rulebook import RuleInspector
from watchkeeper.inspection.scanner import MAX_FINDINGS, NOTHING, OwnedRule, Scanner
from watchkeeper.inspection.settings import EgressSettings

_log = logging.getLogger(__name__)

BROKEN = "inspection_failed"
"""Label of the finding that stands for an inspector that raised. Policies must treat it as the worst case."""


_ALWAYS = (Surface.DEFINITION, Surface.INSTRUCTIONS)
"""A tuple: members of an enumeration are compared sooner than hashed."""

EVERYTHING = "*"
"""Wanted by a policy that looks at all findings at once."""


class Inspection:
    """Rule-based inspectors are scanned together; others are asked one by one. Safe for many threads."""

    def __init__(
        self, inspectors: Sequence[Inspector], cache: Path | None = None, wanted: frozenset[str] = frozenset()
    ) -> None:
        rules: list[OwnedRule] = []
        self._all = inspectors
        self._cache = cache
        self._others: list[Inspector] = []
        for inspector in inspectors:
            if not isinstance(inspector, RuleInspector):
                self._ask(inspector, wanted)
            elif _is_wanted(inspector, wanted):
                rules += [(inspector.name, rule) for rule in inspector.rules]
        self._scanner = Scanner(rules, cache) if rules else None
        self.names: tuple[str, ...] = tuple(inspector.name for inspector in inspectors)

    def _ask(self, inspector: Inspector, wanted: frozenset[str]) -> None:
        """From now on, unless no policy wants what it finds."""
        if isinstance(inspector, OnDemand):
            if EVERYTHING not in wanted and wanted.isdisjoint(inspector.on_demand):
                return
            inspector.prepare()
        self._others.append(inspector)

    @classmethod
    def from_plugins(
        cls, cache: Path | None = None, wanted: frozenset[str] = frozenset(), egress: EgressSettings | None = None
    ) -> Inspection:
        """Every installed inspector (entry points `watchkeeper.inspectors`, and `watchkeeper.inspectors_on_demand` for
        those that a policy has to want), and the hosts of `egress`. Raises `Misconfigured`.
        """
        found = load("inspectors") | load("inspectors_on_demand")
        made = [_make(name, factory) for name, factory in found.items()]
        return cls([*made, Leaving(), Concealed(), Destinations(egress or EgressSettings())], cache, wanted)

    def wanting(self, wanted: frozenset[str], egress: EgressSettings | None = None) -> Inspection:
        """The same, looking for what these words of policies (labels, classes) ask for, and for other hosts where some
        are given. Compiles patterns: not for the event loop."""
        kept = self._all
        if egress is not None:
            kept = [*(one for one in self._all if not isinstance(one, Destinations)), Destinations(egress)]
        return Inspection(kept, self._cache, wanted)

    def inspect(self, surface: Surface, data: bytes, most: int = MAX_FINDINGS) -> tuple[Finding, ...]:
        """Every finding, of each rule at most so many; never raises. An inspector that fails is itself a finding:
        silence must mean clean.
        """
        return self.look(surface, data, most).findings

    def look(self, surface: Surface, data: bytes, most: int = MAX_FINDINGS) -> Looked:
        """The same, and whether the text is worth a second look by the judge. Definitions and instructions always
        are: they are few, and they stay."""
        if not data:
            return NOTHING
        try:
            looked = self._scanner.look(surface, data, most) if self._scanner else NOTHING
        except Exception:  # noqa: BLE001 — a control that broke must be seen, and must not take the exchange with it
            _log.exception("the rules could not be scanned")
            looked = Looked((_broken("rules"),), True)
        if self._others:
            looked = Looked(looked.findings + self._ask_others(surface, data), looked.is_suspicious)
        return Looked(looked.findings, True) if surface in _ALWAYS else looked

    def _ask_others(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        found: list[Finding] = []
        for inspector in self._others:
            try:
                found += inspector.inspect(surface, data)
            except Exception:  # noqa: BLE001 — a plug-in may raise anything
                _log.error("an inspector failed", extra={"inspector": inspector.name})  # its message may quote the text
                found.append(_broken(inspector.name))
        return tuple(found)


def _is_wanted(inspector: RuleInspector, wanted: frozenset[str]) -> bool:
    if not inspector.on_demand or EVERYTHING in wanted:
        return True
    classes = (Finding(inspector.name, rule.id, rule.label, rule.severity).classes for rule in inspector.rules)
    return not wanted.isdisjoint({inspector.on_demand}.union(*classes))


def _broken(name: str) -> Finding:
    return Finding(name, "inspection.failed", BROKEN, 5)


def _make(name: str, factory: Any) -> Inspector:
    try:
        made: Inspector = factory()
    except TypeError as error:
        raise Misconfigured(f"the inspector {name} cannot be made: {error}", hint="reinstall or remove it") from error
    return made
