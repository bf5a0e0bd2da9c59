"""Hints that a text is worth a second look: by the judge (the local model), or decoded. They are no findings.

The hints are `content/inspectors/suspicion.yaml`. They lie in the same database as the rules, so a text is read once.
"""

from __future__ import annotations

from typing import ClassVar

from watchkeeper.inspection.rulebook import RuleInspector


class Suspicion(RuleInspector):
    """Labels `suspicion` and `encoded`, which are never shown as findings."""

    name: ClassVar[str] = "suspicion"
