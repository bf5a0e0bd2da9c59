"""Operators' tokens: shown once, scoped, ending, and never an agent's."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.events import Journal, JournalReader
from watchkeeper.gateway.identity import Identities
from watchkeeper.operators import Acting, Roster, Tokens

DAY = 24 * 3600


@pytest.mark.behaviour("operators.token")
def test_a_token_acts_for_its_owner_within_its_scopes_until_its_end(
    roster: Roster, tokens: Tokens, clock: ManualClock
) -> None:
    roster.invite("ada", "responder", "operator:root")
    secret, token = tokens.mint("ada", ["approvals:decide"], 30 * DAY, "operator:root")
    assert tokens.who(secret) == Acting("operator:ada", "responder", ("approvals:decide",), "token")
    assert [(one.id, one.used_at) for one in tokens.list()] == [(token.id, clock.now())]
    roster.change("ada", "viewer", "operator:root")
    assert tokens.who(secret) == Acting("operator:ada", "viewer", ("approvals:decide",), "token")
    clock.advance(30 * DAY * SECOND)
    assert tokens.who(secret) is None


@pytest.mark.behaviour("operators.revoked-at-once")
def test_a_token_ends_when_it_or_its_owner_is_revoked_and_stays_so(roster: Roster, tokens: Tokens) -> None:
    roster.invite("ada", "admin", "operator:root")
    first, token = tokens.mint("ada", ["approvals:read"], DAY, "operator:root")
    second, _ = tokens.mint("ada", ["approvals:read"], DAY, "operator:root")
    tokens.end(token.id, "operator:root")
    assert tokens.who(first) is None
    assert tokens.who(second) is not None
    roster.revoke("ada", "operator:root")
    roster.invite("ada", "admin", "operator:root")
    assert tokens.who(second) is None
    with pytest.raises(NotFound):
        tokens.end(token.id, "operator:root")


@pytest.mark.behaviour("operators.token-kept-as-hash")
def test_no_token_lies_in_the_database_or_the_journal(roster: Roster, tokens: Tokens, tmp_path: Path) -> None:
    roster.invite("ada", "admin", "operator:root")
    secret, _ = tokens.mint("ada", ["approvals:read"], DAY, "operator:root")
    tokens.who(secret)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    kept += repr([record.event for record in JournalReader(tmp_path).read({})]).encode()
    assert secret.encode() not in kept


@pytest.mark.behaviour("operators.no-agent")
def test_an_agents_token_is_no_operators_and_the_other_way_round(
    database: Database, journal: Journal, clock: ManualClock, roster: Roster, tokens: Tokens
) -> None:
    agents = Identities(database, journal, clock)
    of_agent = agents.mint("ada", "operator:root")
    roster.invite("ada", "admin", "operator:root")
    of_operator, _ = tokens.mint("ada", ["approvals:decide"], DAY, "operator:root")
    assert tokens.who(of_agent) is None
    assert agents.principal_of(f"Bearer {of_operator}".encode()) is None
    assert agents.principal_of(f"Bearer {of_agent}".encode()) == "agent:ada"
    assert of_agent.partition("_")[0] != of_operator.partition("_")[0]


@pytest.mark.behaviour("operators.token-refusals")
def test_refusals_are_recorded_without_the_token_and_not_in_floods(tokens: Tokens, tmp_path: Path) -> None:
    for _ in range(50):
        assert tokens.who("wkop_guess") is None
    facts = [record.event for record in JournalReader(tmp_path).read({}) if record.event]
    refused = [fact for fact in facts if fact.kind == "operators.token.refused"]
    assert [fact.body for fact in refused] == [{"reason": "it is unknown"}] * 10


def test_a_token_needs_an_operator_a_known_scope_and_an_end_within_a_year(roster: Roster, tokens: Tokens) -> None:
    with pytest.raises(NotFound):
        tokens.mint("ada", ["approvals:read"], DAY, "operator:root")
    roster.invite("ada", "viewer", "operator:root")
    for scopes, seconds in ((["everything"], DAY), ([], DAY), (["approvals:read"], 0), (["approvals:read"], 400 * DAY)):
        with pytest.raises(Invalid):
            tokens.mint("ada", scopes, seconds, "operator:root")
