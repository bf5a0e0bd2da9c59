"""Votes in any order, by anybody: the outcome is what an independent count says."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.approvals.wanted import wanted
from watchkeeper.core.errors import Conflict, Denied
from watchkeeper.gateway.approvals import Approval, Choice, State, Vote
from watchkeeper.gateway.approvals.model import Requirement
from watchkeeper.gateway.approvals.roles import RankedRoles
from watchkeeper.gateway.approvals.voting import missing, voted

ROLES = ("viewer", "auditor", "analyst", "responder", "admin")
RANK = {"analyst": 1, "responder": 2, "admin": 3}
VOTES = st.lists(
    st.builds(
        Vote,
        operator=st.sampled_from(
            ["operator:ada", "operator:bob", "operator:Ada", "operator:eve", "operator:ad\u200ba", "agent:claude"]
        ),
        role=st.sampled_from(ROLES),
        choice=st.sampled_from([Choice.APPROVE, Choice.APPROVE, Choice.APPROVE, Choice.DENY]),
        at=st.just(7),
    ),
    max_size=8,
)
DEMANDS = st.lists(
    st.builds(Requirement, st.sampled_from("abc"), st.sampled_from(list(RANK)), st.integers(1, 3)),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one.policy,
)


def asked(demands: list[Requirement]) -> Approval:
    fields = msgspec.structs.asdict(wanted(requirements=tuple(demands)))
    return Approval(**fields, id="ask-1", state=State.PENDING, count=1, requested_at=0, last_at=0, expires_at=10)


def counted(demands: list[Requirement], votes: list[Vote]) -> State:
    """The outcome by a plain count, until the first no that counts."""
    said: dict[str, str] = {}
    least = min(RANK[one.role] for one in demands)
    state = State.PENDING
    for vote in votes:
        if (
            vote.operator not in ("operator:ada", "operator:Ada", "operator:bob", "operator:eve")
            or RANK.get(vote.role, 0) < least
        ):
            continue
        if vote.choice is Choice.DENY:
            return State.DENIED
        if state is State.PENDING:
            said.setdefault(vote.operator.lower(), vote.role)
        if all(sum(RANK[role] >= RANK[one.role] for role in said.values()) >= one.quorum for one in demands):
            state = State.GRANTED
    return state


@pytest.mark.behaviour("approvals.quorum", "approvals.role", "approvals.operators-decide", "approvals.one-no")
@settings(max_examples=500, deadline=None)
@given(DEMANDS, VOTES)
def test_the_outcome_is_what_a_plain_count_says(demands: list[Requirement], votes: list[Vote]) -> None:
    approval, roles = asked(demands), RankedRoles()
    for vote in votes:
        try:
            approval = voted(approval, vote, roles)
        except (Denied, Conflict):
            continue
    assert approval.state is counted(demands, votes)
    assert (approval.state is State.GRANTED) <= (missing(approval, roles) == {})
    assert len({vote.operator for vote in approval.votes}) == len(approval.votes)
