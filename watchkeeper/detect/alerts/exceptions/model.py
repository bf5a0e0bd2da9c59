"""What an exception is. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.conditions.model import Condition
from watchkeeper.events import Severity

DAY = 86_400 * SECOND
LONGEST_DAYS = 366
"""How long one may hold before somebody has to look again."""

Where = dict[str, Any]
"""What must hold of the event that completed a detection, as a Sigma selection: `server: files`,
`actor|startswith: [agent:ci-, agent:build-]`. All of the fields, any of a field's values."""


class Exemption(msgspec.Struct, frozen=True):
    """An exception, in force until it ends. (`Exception` is Python's.)"""

    id: str
    tenant: str
    rule: str
    """The rule's id; empty for all rules."""
    where: Where
    condition: Condition
    """What `where` means."""
    reason: str
    author: str
    created_at: int
    expires_at: int
    over_critical: bool = False
    """Whether it also holds back what is critical."""
    ended_at: int = 0
    ended_by: str = ""
    ended_because: str = ""
    held: int = 0
    """Detections that it has held back, as far as that was told."""
    last_held_at: int = 0

    def is_in_force(self, now: int) -> bool:
        """Whether it holds at this moment."""
        return not self.ended_at and now < self.expires_at

    def state(self, now: int) -> str:
        """`in force`, `expired` or `removed`."""
        return "removed" if self.ended_at else "in force" if now < self.expires_at else "expired"

    def may_hold(self, tenant: str, rule: str, severity: Severity) -> bool:
        """Whether it is about detections of this rule at all."""
        if self.tenant != tenant or self.rule not in ("", rule):
            return False
        return self.over_critical or severity < Severity.CRITICAL


class Draft(msgspec.Struct, frozen=True):
    """What somebody asks for."""

    where: Where
    reason: str
    days: float
    rule: str = ""
    over_critical: bool = False
    tenant: str = "default"
