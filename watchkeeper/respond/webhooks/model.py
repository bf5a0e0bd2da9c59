"""Another system, what it is told, and what it says. No I/O."""

from __future__ import annotations

import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.core.secrets import Secret
from watchkeeper.core.text import visible
from watchkeeper.gateway.approvals.model import Approval

_WORD = 300


class Hook(msgspec.Struct, frozen=True):
    """One webhook of the settings, its secret read."""

    name: str
    url: str
    secret: Secret
    policies: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    role: str = ""
    arguments: bool = False

    @property
    def actor(self) -> str:
        return f"webhook:{self.name}"

    def serves(self, approval: Approval) -> bool:
        """Whether it is told of this, and may have people decide it."""
        return any(
            (not self.policies or any(_matches(pattern, one.policy) for pattern in self.policies))
            and (not self.roles or one.role in self.roles)
            for one in approval.requirements
        )


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes back: a decision."""

    approval: str
    choice: str
    reason: str = ""
    by: str = ""
    """The person, as the other system names them."""


def notice(hook: Hook, approval: Approval, console: str) -> bytes:
    """The body that is posted: what is asked and where to decide it, without a secret. `console` may be unknown."""
    data = {
        "id": approval.id,
        "client": visible(approval.principal, limit=_WORD),
        "server": visible(approval.server, limit=_WORD),
        "method": visible(approval.method, limit=_WORD),
        "target": visible(approval.target, limit=_WORD),
        "policies": list(approval.rules),
        "reason": visible(approval.reason, limit=2 * _WORD),
        "needs": [{"policy": one.policy, "role": one.role, "quorum": one.quorum} for one in approval.requirements],
        "expires_at": to_iso(approval.expires_at),
    }
    if hook.arguments:
        data["arguments"] = visible(approval.arguments)
    if console:
        data["link"] = f"{console}/approvals/{approval.id}"
    if console and hook.role:
        data["decide"] = f"{console}/hooks/approvals/{hook.name}"
    return msgspec.json.encode({"type": "approval.requested", "timestamp": to_iso(approval.requested_at), "data": data})


def _matches(pattern: str, policy: str) -> bool:
    return policy.startswith(pattern[:-1]) if pattern.endswith("*") else policy == pattern
