"""The acts about approvals: what waits for a person, everything they need to decide, and their decision.

What is shown of a request is put together here from the book of approvals and the registry: the tool's definition as it
is pinned, what changed in it since the call was made, and what was decided about the same tool before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.admission import ACTING, Access
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.gateway.approvals import Approval, Choice, State

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

REFRESH = "approvals.refresh"
"""What gateways are told when something was decided."""
_KINDS = {
    "tools/call": "tool",
    "prompts/get": "prompt",
    "resources/read": "resource",
    "resources/subscribe": "resource",
}


class Approving:
    """The acts, on an open platform."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self._book = platform.approvals
        self._access = Access(platform)
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "approvals.list": self.list,
            "approvals.show": self.show,
            "approvals.decide": self.decide,
        }

    def list(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Those in `state`, or all of them, the newest first."""
        state = asked.get("state", "")
        if state and state not in list(State):
            raise Invalid(f"there is no state {state!a}", hint=f"choose one of {', '.join(State)}")
        return [self._row(approval) for approval in self._book.list(state)]

    def show(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One of them with all that a person needs to decide."""
        approval = self._book.show(asked["approval"])
        earlier = [self._row(one) for one in self._book.earlier(approval)]
        return {**self._row(approval), "definition_now": self._definition(approval), "earlier": earlier}

    def decide(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Say yes or no; gateways in which the call waits hear of it at once.

        Whoever acts by a credential needs its scope, too.
        """
        if (acting := asked.get(ACTING)) is not None:
            roles = tuple(one.role for one in self._book.show(asked["approval"]).requirements)
            self._access.require(acting, "decide_approvals", roles)
        decided = self._book.decide(
            asked["approval"],
            by=asked["by"],
            choice=Choice(asked["choice"]),
            reason=asked.get("reason", ""),
            claimed=asked.get("claimed", ""),
            role=asked.get("role", "admin"),  # whoever reaches this socket, or this folder, administers the host
        )
        self._on.orders.tell(REFRESH)
        return self._row(decided)

    def _row(self, approval: Approval) -> dict[str, Any]:
        row: dict[str, Any] = msgspec.to_builtins(approval)
        row["missing"] = self._book.missing(approval) if approval.state is State.PENDING else {}
        return row

    def _definition(self, approval: Approval) -> dict[str, Any]:
        """How the registry sees what is to be used: its state, and what is not as it was when the call was made."""
        kind = _KINDS.get(approval.method, "")
        if not kind:
            return {"state": "none", "changed": False, "diff": ""}
        try:
            found = self._on.pins.snapshot(approval.server, approval.target, kind)
        except NotFound:
            return {"state": "unknown", "changed": bool(approval.definition), "diff": ""}
        return {
            "state": found.pin.state,
            "approved_by": found.pin.approved_by,
            "first_seen": found.pin.first_seen,
            "versions": len(found.history),
            "changed": found.pin.pinned != approval.definition or found.pin.seen != approval.definition,
            "diff": found.diff,
        }
