"""All inspectors as one: what the gateway's pipeline and the registry ask. It notices; policy decides."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.plugins import load
from watchkeeper.inspection.model import Finding, Inspector, Surface
from watchkeeper.inspection.rulebook import RuleInspector
from watchkeeper.inspection.scanner import OwnedRule, Scanner

_log = logging.getLogger(__name__)

BROKEN = "inspection_failed"
"""Label of the finding that stands for an inspector that raised. Policies must treat it as the worst case."""


class Inspection:
    """Rule-based inspectors are scanned together; others are asked one by one. Safe for many threads."""

    def __init__(self, inspectors: Sequence[Inspector], cache: Path | None = None) -> None:
        rules: list[OwnedRule] = []
        self._others: list[Inspector] = []
        for inspector in inspectors:
            if isinstance(inspector, RuleInspector):
                rules += [(inspector.name, rule) for rule in inspector.rules]
            else:
                self._others.append(inspector)
        self._scanner = Scanner(rules, cache) if rules else None
        self.names: tuple[str, ...] = tuple(inspector.name for inspector in inspectors)

    @classmethod
    def from_plugins(cls, cache: Path | None = None) -> Inspection:
        """Every installed inspector (entry points `watchkeeper.inspectors`). Raises `Misconfigured`."""
        return cls([_make(name, factory) for name, factory in load("inspectors").items()], cache)

    def inspect(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        """Every finding; never raises. An inspector that fails is itself a finding: silence must mean clean."""
        if not data:
            return ()
        try:
            found = self._scanner.inspect(surface, data) if self._scanner else ()
        except Exception:  # noqa: BLE001 — a control that broke must be seen, and must not take the exchange with it
            _log.exception("the rules could not be scanned")
            found = (_broken("rules"),)
        return found + self._ask_others(surface, data) if self._others else found

    def _ask_others(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        found: list[Finding] = []
        for inspector in self._others:
            try:
                found += inspector.inspect(surface, data)
            except Exception:  # noqa: BLE001 — a plug-in may raise anything
                _log.error("an inspector failed", extra={"inspector": inspector.name})  # its message may quote the text
                found.append(_broken(inspector.name))
        return tuple(found)


def _broken(name: str) -> Finding:
    return Finding(name, "inspection.failed", BROKEN, 5)


def _make(name: str, factory: Any) -> Inspector:
    try:
        made: Inspector = factory()
    except TypeError as error:
        raise Misconfigured(f"the inspector {name} cannot be made: {error}", hint="reinstall or remove it") from error
    return made
