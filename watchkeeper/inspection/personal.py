"""Personal data: mail addresses, telephone and account numbers, cards, national ids, passports, dates of birth.

All of it is normal in what an agent reads and writes, so nothing follows from the label `personal_data` unless a policy
asks for it, and until one does these rules are not even looked for (`Inspection.wanting`). The rules are
`content/inspectors/personal.yaml`, the second look at a match is `inspection.identifiers`.
"""

from __future__ import annotations

from typing import ClassVar

from watchkeeper.inspection.model import PERSONAL
from watchkeeper.inspection.rulebook import RuleInspector


class Personal(RuleInspector):
    """Label `personal_data`."""

    name: ClassVar[str] = "personal"
    on_demand: ClassVar[str] = PERSONAL
