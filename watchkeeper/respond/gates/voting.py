"""How a gate moves when a person says something. Pure.

Obligations, and what each one stops:

1. Only operators decide, never an agent, a playbook or another system (a responder that approves itself).
2. Who decides is among those who are named, and has a role that decides (a bystander).
3. Nobody counts twice, however they are spelt, and whoever had the playbook run is never the only one who approves it
   (one careless person).
4. A yes counts for as long as whoever said it could say it (somebody who was revoked, or has another role now).
5. It is decided once; a second decision, and one about another plan than is shown, is refused (a replay, a stale page).
6. Whoever decides says why (a click without a thought).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watchkeeper.core.errors import Conflict, Denied, Invalid
from watchkeeper.gateway.approvals.ports import Roles, Standing
from watchkeeper.operators.model import OPERATOR, is_operator, voice_of
from watchkeeper.respond.checking import DECIDERS
from watchkeeper.respond.gates.model import Choice, Gate, GateKind, GateState, Vote

MAX_COMMENT = 500
_CHOICES = {
    GateKind.APPROVAL: (Choice.APPROVE, Choice.DECLINE),
    GateKind.MANUAL: (Choice.DONE, Choice.FAILED),
}
_ENDS = {Choice.DECLINE: GateState.DECLINED, Choice.DONE: GateState.DONE, Choice.FAILED: GateState.FAILED}


def voted(gate: Gate, vote: Vote, roles: Roles, binding: str = "") -> Gate:
    """The gate after this vote. Raises `Denied`, `Invalid`, `Conflict`; `binding` is of what the person was shown."""
    if not is_operator(vote.operator):
        raise Denied("only an operator decides what a person must decide", rule="playbooks.operators-decide")
    if vote.choice not in _CHOICES.get(gate.kind, ()):
        raise Invalid(f"{gate.id} is no gate that can be answered with {vote.choice}", hint=_hint(gate))
    if not is_among(gate.voters, vote.operator, vote.role, roles):
        needed = ", ".join(gate.voters)
        raise Denied(
            f"this is for {needed} to decide", rule="playbooks.among", hint="have somebody decide who is named"
        )
    if gate.state is not GateState.OPEN:
        raise Conflict(f"{gate.id} is {gate.state} already", hint="see `watchkeeper playbooks run-show`")
    if binding and binding != gate.binding:
        raise Conflict("this is not the plan that was looked at", hint="look at it again, then decide")
    comment = vote.comment.strip()
    if not comment:
        raise Invalid("say why: a decision needs a comment", hint="add --comment")
    if len(comment) > MAX_COMMENT:
        raise Invalid(f"a comment has at most {MAX_COMMENT} characters", hint="say it shorter")
    vote = msgspec.structs.replace(vote, comment=comment)
    if vote.choice is not Choice.APPROVE:
        others = tuple(one for one in gate.votes if voice_of(one.operator) != voice_of(vote.operator))
        return _ended(gate, (*others, vote), _ENDS[vote.choice], f"{vote.operator}: {comment}", vote.at)
    if any(voice_of(one.operator) == voice_of(vote.operator) for one in gate.votes):
        raise Conflict(f"{vote.operator} has approved it already", hint="another person must approve it")
    after = msgspec.structs.replace(gate, votes=(*gate.votes, vote))
    if lacking(after, roles):
        return after
    named = ", ".join(one.operator for one in after.votes)
    return _ended(after, after.votes, GateState.APPROVED, f"approved by {named}", vote.at)


def lacking(gate: Gate, roles: Roles) -> int:
    """How many more persons must approve; 0 when none."""
    yes = {
        voice_of(vote.operator)
        for vote in gate.votes
        if vote.choice is Choice.APPROVE and is_among(gate.voters, vote.operator, vote.role, roles)
    }
    alone = not yes - {voice_of(gate.asked_by)}
    return max(gate.spec.quorum - len(yes), 1 if alone else 0, 0)


def as_of_now(gate: Gate, standing: Standing) -> Gate:
    """The gate with the votes that still count, each in the role in which it does."""
    said = [(vote, standing.counts_as(vote.operator, vote.role, vote.at)) for vote in gate.votes]
    votes = tuple(msgspec.structs.replace(vote, role=role) for vote, role in said if role)
    return msgspec.structs.replace(gate, votes=votes)


def is_among(voters: Sequence[str], operator: str, role: str, roles: Roles) -> bool:
    """Whether this operator, in this role, may decide what these may."""
    if operator in voters and any(roles.covers(operator, role, one) for one in DECIDERS):
        return True
    return any(roles.covers(operator, role, one) for one in voters if not one.startswith(OPERATOR))


def _ended(gate: Gate, votes: tuple[Vote, ...], state: GateState, said: str, at: int) -> Gate:
    return msgspec.structs.replace(gate, votes=votes, state=state, said=said, decided_at=at)


def _hint(gate: Gate) -> str:
    if gate.kind is GateKind.MANUAL:
        return "say how it went: `watchkeeper playbooks answer`"
    if gate.kind is GateKind.APPROVAL:
        return "`watchkeeper playbooks approve` or `decline`"
    return "it goes on by itself; `watchkeeper playbooks cancel` ends the run"
