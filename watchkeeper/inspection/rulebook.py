"""An inspector that is made of rules. `Inspection` scans the rules of all of these in one pass."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from watchkeeper.core.content import content_folder
from watchkeeper.inspection.model import Finding, Surface
from watchkeeper.inspection.rules import Rule, load_rules
from watchkeeper.inspection.scanner import Scanner


class RuleInspector:
    """The rules of `content/inspectors` (or of another folder) that carry this inspector's name."""

    name: ClassVar[str]
    on_demand: ClassVar[str] = ""
    """A label, when these rules are looked for only while a policy asks for it or for one of their classes."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises `Misconfigured` when the rules cannot be read."""
        self.rules: tuple[Rule, ...] = load_rules(folder or content_folder("inspectors"), self.name)
        self._scanner: Scanner | None = None

    def inspect(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        """What these rules alone find."""
        if self._scanner is None:
            self._scanner = Scanner([(self.name, rule) for rule in self.rules])
        return self._scanner.inspect(surface, data)
