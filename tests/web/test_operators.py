"""Operators enter by a link that works once, and leave nothing behind that opens a door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Denied, Invalid, NotFound, Unavailable
from watchkeeper.core.ids import new_token
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.operators import Roster
from watchkeeper.web.operators import ENROLMENT_LIFE, Operators, TooMany


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.at(tmp_path / "state.db")) as database:
        database.create_missing_tables()
        yield database


@pytest.fixture
def roster(tmp_path: Path, database: Database, clock: ManualClock) -> Iterator[Roster]:
    with closing(Journal.open(tmp_path, "watch", clock)) as journal:
        yield Roster(database, journal, clock)


@pytest.fixture
def operators(tmp_path: Path, database: Database, clock: ManualClock) -> Iterator[Operators]:
    with closing(Journal.open(tmp_path, "console", clock)) as journal:
        yield Operators(database, journal, clock, Roster(database, journal, clock))


def recorded(folder: Path) -> list[tuple[str, str]]:
    records = JournalReader(folder).read({})
    return [(r.event.kind, r.event.actor) for r in records if r.event and r.event.kind.startswith("web.")]


@pytest.mark.behaviour("web.link-works-once")
def test_a_link_lets_one_browser_in_once(operators: Operators, tmp_path: Path) -> None:
    token = operators.issue_link("ada", "operator:ada")
    secret, operator = operators.redeem(token)
    assert operators.who(secret) == operator
    with pytest.raises(Denied):
        operators.redeem(token)
    assert recorded(tmp_path) == [
        ("web.link.issued", "operator:ada"),
        ("web.operator.entered", "operator:ada"),
        ("web.operator.refused", ""),
    ]


@pytest.mark.behaviour("web.link-expires")
def test_a_link_is_dead_after_fifteen_minutes(operators: Operators, clock: ManualClock) -> None:
    token = operators.issue_link("ada", "operator:ada")
    clock.advance(15 * 60 * SECOND)
    with pytest.raises(Denied):
        operators.redeem(token)


@pytest.mark.behaviour("web.session-ends")
def test_a_session_ends_idle_old_or_left(operators: Operators, clock: ManualClock) -> None:
    idle, _ = operators.redeem(operators.issue_link("ada", "operator:ada"))
    clock.advance(2 * 3600 * SECOND)
    assert operators.who(idle) is None

    busy, _ = operators.redeem(operators.issue_link("ada", "operator:ada"))
    for _ in range(11):
        clock.advance(3600 * SECOND)
        assert operators.who(busy) is not None
    clock.advance(3600 * SECOND)
    assert operators.who(busy) is None

    left, _ = operators.redeem(operators.issue_link("ada", "operator:ada"))
    operators.leave(left)
    assert operators.who(left) is None


@pytest.mark.behaviour("web.secrets-only-as-hashes")
def test_no_secret_lies_in_the_database_or_the_journal(operators: Operators, tmp_path: Path) -> None:
    token = operators.issue_link("ada", "operator:ada")
    secret, _ = operators.redeem(token)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    said = b"".join(record.record for record in JournalReader(tmp_path).read({}))
    assert token.encode() not in kept + said
    assert secret.encode() not in kept + said


@pytest.mark.behaviour("web.agents-token-opens-nothing")
def test_an_agents_token_is_neither_a_link_nor_a_session(operators: Operators) -> None:
    token = new_token("wk")
    assert operators.who(token) is None
    with pytest.raises(Denied):
        operators.redeem(token)


@pytest.mark.behaviour("web.guessing-is-slowed")
def test_many_bad_links_are_turned_away_unrecorded_and_a_good_one_still_works(
    operators: Operators, tmp_path: Path, clock: ManualClock
) -> None:
    good = operators.issue_link("ada", "operator:ada")
    for _ in range(10):
        with pytest.raises(Denied):
            operators.redeem("guess")
    for _ in range(5):
        with pytest.raises(TooMany):
            operators.redeem("guess")
    for _ in range(30):
        operators.refuse_cookie()
    assert [kind for kind, _ in recorded(tmp_path)].count("web.operator.refused") == 20
    assert operators.redeem(good)[1].name == "ada"
    clock.advance(61 * SECOND)
    with pytest.raises(Denied):
        operators.redeem("guess")


@pytest.mark.behaviour("web.nobody-enters-unrecorded")
def test_who_cannot_be_recorded_does_not_enter(database: Database, operators: Operators, clock: ManualClock) -> None:
    class FullDisk:
        def record(self, event: Event) -> None:
            raise Unavailable("the disk is full")

    token = operators.issue_link("ada", "operator:ada")
    with pytest.raises(Unavailable):
        Operators(database, FullDisk(), clock, Roster(database, FullDisk(), clock)).redeem(token)
    assert operators.redeem(token)[1].name == "ada"


@pytest.mark.parametrize("name", ["", "a b", "<b>", "\u202ea", "x" * 65, "-x"])
def test_a_name_that_is_none_is_refused(operators: Operators, name: str) -> None:
    with pytest.raises(Invalid):
        operators.issue_link(name, "operator:ada")


@pytest.mark.behaviour("operators.enrolment")
def test_a_link_is_for_who_makes_it_or_for_somebody_on_the_roster(
    database: Database, operators: Operators, roster: Roster
) -> None:
    assert operators.redeem(operators.issue_link("root", "operator:root"))[1].role == "admin"
    with pytest.raises(NotFound):
        operators.issue_link("bob", "operator:root")
    roster.invite("bob", "analyst", "operator:root")
    _, bob = operators.redeem(operators.issue_link("bob", "operator:root", ENROLMENT_LIFE))
    assert (bob.actor, bob.role) == ("operator:bob", "analyst")


@pytest.mark.behaviour("operators.revoked-at-once")
def test_a_session_follows_its_owners_role_and_ends_with_it(
    operators: Operators, roster: Roster, clock: ManualClock
) -> None:
    roster.invite("bob", "admin", "operator:root")
    secret, _ = operators.redeem(operators.issue_link("bob", "operator:root"))
    waiting = operators.issue_link("bob", "operator:root")
    roster.change("bob", "viewer", "operator:root")
    found = operators.who(secret)
    assert found is not None
    assert found.role == "viewer"
    roster.revoke("bob", "operator:root")
    assert operators.who(secret) is None
    clock.advance(SECOND)
    roster.invite("bob", "admin", "operator:root")
    assert operators.who(secret) is None
    with pytest.raises(Denied):
        operators.redeem(waiting)


def test_on_the_roster_the_roster_says_the_role_also_for_somebody_of_the_host(
    operators: Operators, roster: Roster, clock: ManualClock
) -> None:
    secret, _ = operators.redeem(operators.issue_link("ada", "operator:ada"))
    clock.advance(SECOND)
    roster.invite("ada", "viewer", "operator:root")
    assert operators.who(secret) is None
    assert operators.redeem(operators.issue_link("ada", "operator:ada"))[1].role == "viewer"
