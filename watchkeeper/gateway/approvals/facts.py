"""How the journal words what happens to an approval. Pure.

Ids derive from the approval and what happened to it, so that a fact which a crash repeats is one fact.
"""

from __future__ import annotations

from typing import Any

from watchkeeper.core.ids import derived_id
from watchkeeper.events import Event, Severity
from watchkeeper.events.model import VERSION
from watchkeeper.gateway.approvals.model import Approval, Choice, Vote

_EXCERPT = 2048
_REQUESTED = "gateway.approval.requested"
_DECIDED = "gateway.approval.decided"
_CONSUMED = "gateway.approval.consumed"
_EXPIRED = "gateway.approval.expired"
_VOIDED = "gateway.approval.voided"
_KEEPER = "system:gateway"


def requested(approval: Approval, now: int) -> Event:
    demands = {one.policy: {"role": one.role, "quorum": one.quorum} for one in approval.requirements}
    body = {"arguments": approval.arguments[:_EXCERPT], "requires": demands, "expires_at": approval.expires_at}
    return _event(_REQUESTED, approval, now, actor=approval.principal, outcome="ask", body=body)


def decided(approval: Approval, vote: Vote, now: int) -> Event:
    choice, state = vote.choice.value, approval.state.value
    body = {"choice": choice, "role": vote.role, "said": vote.reason, "state": state, "votes": len(approval.votes)}
    if vote.claimed:
        body["claimed"] = vote.claimed
    outcome = "allow" if vote.choice is Choice.APPROVE else "deny"
    key = (vote.operator, choice)
    return _event(_DECIDED, approval, now, actor=vote.operator, outcome=outcome, body=body, key=key)


def consumed(approval: Approval, now: int, correlation: str) -> Event:
    body = {"correlation": correlation, "approved_by": [vote.operator for vote in approval.votes]}
    return _event(_CONSUMED, approval, now, actor=approval.principal, outcome="allow", body=body)


def expired(approval: Approval, now: int, was: str) -> Event:
    return _event(_EXPIRED, approval, now, actor=_KEEPER, outcome="deny", body={"was": was})


def voided(approval: Approval, now: int, was: str) -> Event:
    body = {"was": was, "because": approval.because}
    return _event(_VOIDED, approval, now, actor=_KEEPER, outcome="deny", body=body)


def _event(
    kind: str,
    approval: Approval,
    now: int,
    *,
    actor: str,
    outcome: str,
    body: dict[str, Any],
    key: tuple[str, ...] = (),
) -> Event:
    about = {
        "approval": approval.id,
        "binding": approval.binding,
        "principal": approval.principal,
        "method": approval.method,
        "rules": approval.rules,
        "definition": approval.definition,
        "policy": approval.policy,
    }
    return Event(
        v=VERSION,
        id=derived_id(kind, approval.tenant, approval.id, *key),
        time=now,
        kind=kind,
        tenant=approval.tenant,
        actor=actor,
        server=approval.server,
        target=approval.target[:512],
        outcome=outcome,
        severity=Severity.LOW,
        body=about | body,
    )
