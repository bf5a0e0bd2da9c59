"""How a request for approval moves when somebody says something. Pure.

Obligations, and what each one stops:

1. Only operators decide; an agent's principal never does, whatever face it came by (an agent that approves itself).
2. Nobody counts twice, however they are spelt; each policy's quorum is counted by itself (one careless person).
3. One no is enough, also after the quorum was reached, as long as the call has not passed.
4. A yes counts for as long as whoever said it could say it (somebody who was revoked, or has another role now).
"""

from __future__ import annotations

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Conflict, Denied
from watchkeeper.gateway.approvals.model import OPEN, Approval, Choice, State, Vote
from watchkeeper.gateway.approvals.ports import Roles, Standing
from watchkeeper.operators.model import OPERATOR, is_operator, voice_of

BY_OPERATORS = "approval.operators-decide"
LACKS_ROLE = "approval.role"
LOST = "somebody who approved it may not approve it any more"
"""Why a grant is void."""
_DECIDERS = (OPERATOR, "system:", "webhook:")


def refuse_agents(by: str) -> None:
    """Raises `Denied` for whoever is no operator."""
    if not by.startswith(_DECIDERS) or (by.startswith(OPERATOR) and not is_operator(by)):
        raise Denied("only an operator decides what a person must approve", rule=BY_OPERATORS)


def voted(approval: Approval, vote: Vote, roles: Roles) -> Approval:
    """The approval after this vote. Raises `Denied` and `Conflict`."""
    refuse_agents(vote.operator)
    if not any(roles.covers(vote.operator, vote.role, one.role) for one in approval.requirements):
        needed = ", ".join(sorted({one.role for one in approval.requirements}))
        raise Denied(f"this needs the role {needed}", rule=LACKS_ROLE, hint="have somebody decide who has it")
    if approval.state not in OPEN:
        raise Conflict(f"{approval.id} is {approval.state.value} already", hint="see `watchkeeper approvals show`")
    if vote.choice is Choice.DENY:
        votes = (*_without(approval.votes, vote.operator), vote)
        return msgspec.structs.replace(approval, state=State.DENIED, votes=votes, ended_at=vote.at, because=vote.reason)
    if approval.state is State.GRANTED:
        raise Conflict(f"{approval.id} is approved already", hint="the call passes once when it is made again")
    if any(voice_of(one.operator) == voice_of(vote.operator) for one in approval.votes):
        raise Conflict(f"{vote.operator} has approved {approval.id} already", hint="another person must approve it")
    after = msgspec.structs.replace(approval, votes=(*approval.votes, vote))
    if missing(after, roles):
        return after
    until = vote.at + approval.grant_seconds * SECOND
    return msgspec.structs.replace(after, state=State.GRANTED, expires_at=until)


def as_of_now(approval: Approval, standing: Standing) -> Approval:
    """The approval with the votes that still count, each in the role in which it does."""
    roles = [(vote, standing.counts_as(vote.operator, vote.role, vote.at)) for vote in approval.votes]
    votes = tuple(msgspec.structs.replace(vote, role=role) for vote, role in roles if role)
    return msgspec.structs.replace(approval, votes=votes)


def missing(approval: Approval, roles: Roles) -> dict[str, int]:
    """Policy → how many more people must approve; empty when none."""
    yes = [vote for vote in approval.votes if vote.choice is Choice.APPROVE]
    lacking: dict[str, int] = {}
    for one in approval.requirements:
        have = len({voice_of(vote.operator) for vote in yes if roles.covers(vote.operator, vote.role, one.role)})
        if have < one.quorum:
            lacking[one.policy] = one.quorum - have
    return lacking


def _without(votes: tuple[Vote, ...], operator: str) -> tuple[Vote, ...]:
    return tuple(vote for vote in votes if voice_of(vote.operator) != voice_of(operator))
