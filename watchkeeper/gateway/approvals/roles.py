"""Who may decide, by the order of roles that policies know: what a lower one may, a higher one may. Pure."""

from __future__ import annotations

_ORDER = ("analyst", "responder", "admin")


class RankedRoles:
    """Believes the face about the role. Viewers and auditors decide nothing."""

    def covers(self, operator: str, role: str, needed: str) -> bool:
        if role not in _ORDER or needed not in _ORDER:
            return False
        return _ORDER.index(role) >= _ORDER.index(needed)
