"""The inbox of approvals as the console's port wants it: the same acts as the command line's, asked by who is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from watchkeeper.app.admission import ACTING, Access
from watchkeeper.app.approving import Approving
from watchkeeper.core.errors import Denied, Invalid
from watchkeeper.gateway.approvals import Choice, State
from watchkeeper.gateway.approvals.wants import KINDS
from watchkeeper.operators import Acting
from watchkeeper.web.inbox import DefinitionNow, Held, Need, Said, Whole

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

_REASON = 500
"""Characters that somebody can say; the agent's model reads them."""


class InboxView:
    """Asks the book of approvals and the registry; asks the policies about operators first."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self._approving = Approving(platform)
        self._access = Access(platform)

    def waiting(self) -> int:
        return len(self._on.approvals.list(State.PENDING))

    def list(self, acting: Acting, state: str = "") -> Sequence[Held]:
        self._access.require(acting, "read_approvals")
        return [_held(row) for row in self._approving.list({"state": state})]

    def show(self, acting: Acting, approval_id: str) -> Whole:
        self._access.require(acting, "read_approvals")
        row = self._approving.show({"approval": approval_id})
        why_not = self._why_not(acting, [one["role"] for one in row["requirements"]])
        return Whole(
            _held(row),
            _definition(row),
            [_held(one) for one in row["earlier"]],
            may_decide=not why_not,
            why_not=why_not,
        )

    def decide(self, acting: Acting, approval_id: str, choice: str, reason: str, claimed: str = "") -> Held:
        if choice not in list(Choice):
            raise Invalid("a decision is `approve` or `deny`", hint="send one of the two as `choice`")
        if len(reason) > _REASON:
            raise Invalid(f"a reason has at most {_REASON} characters", hint="say it shorter")
        asked = {"approval": approval_id, "by": acting.actor, "role": acting.role, "choice": choice}
        return _held(self._approving.decide({**asked, "reason": reason.strip(), "claimed": claimed, ACTING: acting}))

    def _why_not(self, acting: Acting, roles: Sequence[str]) -> str:
        """Why they may not decide; empty when they may."""
        try:
            self._access.check(acting, "decide_approvals", tuple(roles))
        except Denied as error:
            return error.reason
        return ""


def _held(row: Mapping[str, Any]) -> Held:
    missing = row["missing"] if row["state"] == State.PENDING else {}
    return Held(
        id=row["id"],
        state=row["state"],
        principal=row["principal"],
        server=row["server"],
        method=row["method"],
        target=row["target"],
        arguments=row["arguments"],
        rules=tuple(row["rules"]),
        reason=row["reason"],
        requested_at=row["requested_at"],
        expires_at=row["expires_at"],
        count=row["count"],
        needs=[
            Need(one["policy"], one["role"], one["quorum"], missing.get(one["policy"], 0))
            for one in row["requirements"]
        ],
        votes=[_said(vote) for vote in row["votes"]],
        because=row["because"],
    )


def _said(vote: Mapping[str, Any]) -> Said:
    return Said(vote["operator"], vote["role"], vote["choice"], vote["at"], vote["reason"], vote["claimed"])


def _definition(row: Mapping[str, Any]) -> DefinitionNow:
    now = row["definition_now"]
    return DefinitionNow(
        kind=KINDS.get(row["method"], ""),
        state=str(now["state"]),
        approved_by=now.get("approved_by", ""),
        first_seen=now.get("first_seen"),
        changed=now["changed"],
        diff=now["diff"],
    )
