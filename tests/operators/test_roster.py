"""Who operates: invited, given another role, revoked; each a fact first."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Invalid, NotFound, Unavailable
from watchkeeper.events import Event, JournalReader
from watchkeeper.operators import Roster, Tokens


@pytest.mark.behaviour("operators.roster")
def test_every_change_of_the_roster_is_recorded_with_who_made_it(roster: Roster, tmp_path: Path) -> None:
    roster.invite("ada", "analyst", "operator:root")
    roster.change("ada", "responder", "operator:root")
    assert [(one.name, one.role, one.revoked_at) for one in roster.list()] == [("ada", "responder", 0)]
    roster.revoke("ada", "operator:eve")
    facts = [record.event for record in JournalReader(tmp_path).read({}) if record.event]
    told = [(fact.kind, fact.actor, fact.target, fact.body) for fact in facts if fact.kind.startswith("operators.")]
    assert told == [
        ("operators.person.invited", "operator:root", "operator:ada", {"role": "analyst"}),
        ("operators.role.changed", "operator:root", "operator:ada", {"role": "responder", "was": "analyst"}),
        ("operators.person.revoked", "operator:eve", "operator:ada", {"role": "responder"}),
    ]


@pytest.mark.behaviour("operators.revoked-at-once")
def test_whoever_was_revoked_has_no_role_and_nothing_from_before_works_again(
    roster: Roster, clock: ManualClock
) -> None:
    roster.invite("ada", "admin", "operator:root")
    entered = clock.now()
    assert roster.role_of("ada", entered) == "admin"
    roster.revoke("ada", "operator:root")
    assert roster.role_of("ada", entered) == ""
    clock.advance(SECOND)
    roster.invite("ada", "viewer", "operator:root")
    assert roster.role_of("ada", entered) == ""
    assert roster.role_of("ada", clock.now()) == "viewer"


@pytest.mark.behaviour("operators.facts-first")
def test_what_cannot_be_recorded_changes_nothing(database: Database, roster: Roster, clock: ManualClock) -> None:
    class FullDisk:
        def record(self, event: Event) -> None:
            raise Unavailable("the disk is full")

    roster.invite("ada", "viewer", "operator:root")
    blind = Roster(database, FullDisk(), clock)
    for attempt in (
        lambda: blind.invite("eve", "admin", "operator:root"),
        lambda: blind.change("ada", "admin", "operator:root"),
        lambda: blind.revoke("ada", "operator:root"),
        lambda: Tokens(database, FullDisk(), clock).mint("ada", ["approvals:read"], 60, "operator:root"),
    ):
        with pytest.raises(Unavailable):
            attempt()
    assert [(one.name, one.role, one.revoked_at) for one in roster.list()] == [("ada", "viewer", 0)]
    assert Tokens(database, FullDisk(), clock).list() == []


def test_what_is_no_name_or_no_role_or_there_already_is_refused(roster: Roster) -> None:
    for name in ("", "a b", "<b>", "\u202ea", "x" * 65, "-x", "agent:x"):
        with pytest.raises(Invalid):
            roster.invite(name, "viewer", "operator:root")
    with pytest.raises(Invalid):
        roster.invite("ada", "root", "operator:root")
    roster.invite("ada", "viewer", "operator:root")
    with pytest.raises(Conflict):
        roster.invite("ada", "admin", "operator:root")
    for attempt in (
        lambda: roster.change("bob", "viewer", "operator:root"),
        lambda: roster.revoke("bob", "operator:root"),
    ):
        with pytest.raises(NotFound):
            attempt()
