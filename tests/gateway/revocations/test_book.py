"""The list of revoked tokens on a real control state and journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Denied, Invalid, NotFound
from watchkeeper.events import Event, Journal
from watchkeeper.gateway.caller import TokenMark
from watchkeeper.gateway.revocations.book import Revocations
from watchkeeper.gateway.revocations.model import Wanted, What

ADA = "agent:corp/ada"
Recorded = Callable[[], list[Event]]


@pytest.fixture
def book(database: Database, journal: Journal, clock: ManualClock) -> Revocations:
    return Revocations(database, journal, clock)


@pytest.fixture
def shared(state_url: str, tmp_path: Path) -> Iterator[Database]:
    """A control state of each of the two kinds."""
    database = Database(state_url) if state_url else Database.at(tmp_path / "shared.db")
    database.create_missing_tables()
    yield database
    database.close()


def mark(issued: int = 0, *, id: str = "t-1", fingerprint: str = "ab" * 32) -> TokenMark:
    return TokenMark("corp", id, fingerprint, issued)


def revoke(book: Revocations, what: What, name: str, *, key: str = "k", by: str = "operator:eve", **more: int) -> str:
    return book.revoke(Wanted(what, name, **more), by=by, reason="stolen", key=key).id


@pytest.mark.behaviour("revocations.by-name-of-a-token")
@pytest.mark.parametrize(
    ("what", "name", "spared"),
    [
        (What.TOKEN, "ab" * 32, mark(fingerprint="cd" * 32)),
        (What.ID, "corp/t-1", mark(id="t-2")),
        (What.PRINCIPAL, ADA, None),
    ],
)
def test_what_is_named_is_barred_and_nothing_else(
    book: Revocations, clock: ManualClock, what: What, name: str, spared: TokenMark | None
) -> None:
    issued = clock.now()
    assert not book.now
    entry = revoke(book, what, name)
    assert book.now.bars(ADA, mark(issued))
    assert not book.now.bars("agent:other/ada", spared or mark(issued))
    if spared is not None:
        assert not book.now.bars(ADA, spared)
    assert not book.now.bars("agent:corp/bob", TokenMark("other", "t-1", "00" * 32, issued))
    book.lift(entry, by="operator:eve", reason="found again")
    assert not book.now.bars(ADA, mark(issued))


@pytest.mark.behaviour("revocations.not-before")
def test_of_a_principal_what_was_issued_later_is_good_and_what_does_not_say_is_not(
    book: Revocations, clock: ManualClock
) -> None:
    revoke(book, What.PRINCIPAL, "corp/ada")
    now = clock.now()
    assert [book.now.bars(ADA, mark(issued)) for issued in (0, now - 1, now, now + 1)] == [True, True, True, False]
    clock.advance(SECOND)
    revoke(book, What.PRINCIPAL, ADA, key="again")
    assert book.now.bars(ADA, mark(now + 1))
    clock.advance(SECOND)
    revoke(book, What.PRINCIPAL, ADA, key="earlier", before=now)
    assert book.now.bars(ADA, mark(now + SECOND)), "an entry is widened, never narrowed"
    with pytest.raises(Invalid):
        revoke(book, What.PRINCIPAL, ADA, key="to come", before=clock.now() + 1)


@pytest.mark.behaviour("revocations.once-by-key")
def test_the_same_key_is_one_entry_and_one_fact(book: Revocations, clock: ManualClock, recorded: Recorded) -> None:
    first = revoke(book, What.PRINCIPAL, ADA)
    clock.advance(SECOND)
    assert revoke(book, What.PRINCIPAL, ADA) == first
    [entry] = book.in_force()
    assert entry.before == clock.now() - SECOND
    book.lift(first, by="operator:eve", reason="found")
    book.lift(first, by="operator:eve", reason="found")
    revoke(book, What.PRINCIPAL, ADA)  # a step that is taken again after its revocation was lifted by hand
    assert book.in_force() == ()
    told = [(e.kind, e.actor, e.target) for e in recorded() if e.kind.startswith("gateway.token.")]
    assert told == [("gateway.token.revoked", "operator:eve", ADA), ("gateway.token.restored", "operator:eve", ADA)]


@pytest.mark.behaviour("revocations.forgotten-after-expiry")
def test_an_entry_is_forgotten_once_the_token_has_expired_and_not_before(
    book: Revocations, database: Database, journal: Journal, clock: ManualClock
) -> None:
    other = Revocations(database, journal, clock)
    revoke(book, What.TOKEN, "ab" * 32, expires_at=clock.now() + 10 * SECOND)
    assert other.look()
    clock.advance(9 * SECOND)
    assert not other.look()
    assert other.now.bars(ADA, mark())
    clock.advance(SECOND)
    assert other.look()
    assert not other.now
    assert not other.look()
    revoke(book, What.ID, "corp/t-9")
    assert [entry.name for entry in book.all()] == ["corp/t-9"]


@pytest.mark.behaviour("revocations.found-by-every-process")
def test_another_process_finds_it_and_a_new_one_starts_with_it(
    shared: Database, journal: Journal, clock: ManualClock
) -> None:
    book, other = (Revocations(shared, journal, clock) for _ in range(2))
    revoke(book, What.ID, "corp/t-1")
    assert not other.now
    assert other.look()
    assert not other.look()
    assert other.now.bars(ADA, mark())
    assert Revocations(shared, journal, clock).now.bars(ADA, mark())
    entry = revoke(book, What.TOKEN, "ab" * 32, key="k2", expires_at=clock.now() + SECOND)
    assert revoke(other, What.TOKEN, "ab" * 32, key="k2", expires_at=clock.now() + SECOND) == entry
    clock.advance(2 * SECOND)
    book.lift(revoke(book, What.PRINCIPAL, ADA, key="k3"), by="operator:eve", reason="found")
    assert other.look()
    assert [one.name for one in other.in_force()] == ["corp/t-1"]


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (What.TOKEN, "ab"),
        (What.TOKEN, "AB" * 32),
        (What.ID, "t-1"),
        (What.ID, "corp/"),
        (What.PRINCIPAL, "agent:laptop"),
        (What.PRINCIPAL, "agent:/ada"),
        (What.PRINCIPAL, "corp/" + "a" * 600),
        (What.PRINCIPAL, "corp/a\nb"),
        (What.PRINCIPAL, ""),
    ],
)
def test_what_names_nothing_of_an_authorization_server_is_refused(book: Revocations, what: What, name: str) -> None:
    with pytest.raises(Invalid):
        revoke(book, what, name)
    assert book.all() == ()


def test_an_agent_revokes_and_restores_nothing(book: Revocations) -> None:
    with pytest.raises(Denied):
        revoke(book, What.ID, "corp/t-1", by="agent:claude")
    entry = revoke(book, What.ID, "corp/t-1")
    with pytest.raises(Denied):
        book.lift(entry, by="agent:claude", reason="please")
    with pytest.raises(NotFound):
        book.lift("no-such", by="operator:eve", reason="r")
