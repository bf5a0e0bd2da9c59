"""Clients and their tokens on a real control state."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Invalid, NotFound, Unavailable
from watchkeeper.events import Event, Journal, encode
from watchkeeper.gateway.identity import Identities

Recorded = Callable[[], list[Event]]


@pytest.fixture
def identities(database: Database, journal: Journal, clock: ManualClock) -> Identities:
    return Identities(database, journal, clock)


def bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()


@pytest.mark.behaviour("gateway.token-is-principal")
def test_a_token_names_its_client(identities: Identities) -> None:
    token = identities.mint("claude", "operator:ada", ["devs", "all", "devs"])
    assert identities.principal_of(bearer(token)) == "agent:claude"
    assert identities.groups_of("agent:claude") == ("all", "devs")
    assert identities.groups_of("agent:nobody") == ()


@pytest.mark.behaviour("gateway.token-scheme")
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {}", "Bearer {} "])
def test_the_scheme_is_read_as_http_reads_it(identities: Identities, form: str) -> None:
    token = identities.mint("claude", "operator:ada")
    assert identities.principal_of(form.format(token).encode()) == "agent:claude"


@pytest.mark.behaviour("gateway.token-refused")
@pytest.mark.parametrize(
    "form", ["{}", "Basic {}", "Bearer", "Bearer ", "", "Bearer {}x", "Bearer x{}", "Bearer {0} {0}", "Bearer\t{}"]
)
def test_anything_else_is_nobody(identities: Identities, form: str) -> None:
    token = identities.mint("claude", "operator:ada")
    assert identities.principal_of(form.format(token).encode()) is None


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_no_header_makes_it_fail(header: bytes) -> None:
    known = Identities.__new__(Identities)
    known._callers = {}
    assert known.principal_of(header) is None
    assert known.principal_of(b"Bearer " + header) is None


@pytest.mark.behaviour("gateway.token-kept-as-hash")
@pytest.mark.state_in_a_file
def test_the_token_is_kept_nowhere(
    identities: Identities, recorded: Recorded, tmp_path: Path, database: Database
) -> None:
    token = identities.mint("claude", "operator:ada")
    assert [(e.kind, e.actor, e.target) for e in recorded()] == [
        ("gateway.principal.minted", "operator:ada", "agent:claude")
    ]
    secret = token.removeprefix("wk_")
    assert secret.encode() not in b"".join(encode(e) for e in recorded())
    with sqlite3.connect(tmp_path / "state.db") as link:
        dump = "\n".join(link.iterdump())
    link.close()
    assert secret not in dump
    assert hashlib.sha256(token.encode()).hexdigest() in dump


@pytest.mark.behaviour("gateway.token-revoked")
def test_a_revoked_token_is_nobodys_and_the_name_is_free_again(identities: Identities, recorded: Recorded) -> None:
    old = identities.mint("claude", "operator:ada")
    identities.revoke("claude", "operator:bob", "lost laptop")
    assert identities.principal_of(bearer(old)) is None
    event = recorded()[-1]
    assert (event.kind, event.actor, event.body["reason"]) == (
        "gateway.principal.revoked",
        "operator:bob",
        "lost laptop",
    )
    new = identities.mint("claude", "operator:ada")
    assert identities.principal_of(bearer(new)) == "agent:claude"
    assert [(c.name, bool(c.revoked_at)) for c in identities.clients()] == [("claude", True), ("claude", False)]
    with pytest.raises(NotFound):
        identities.revoke("other", "operator:ada")


def test_a_name_has_one_token(identities: Identities) -> None:
    identities.mint("claude", "operator:ada")
    with pytest.raises(Conflict):
        identities.mint("claude", "operator:ada")


@pytest.mark.behaviour("gateway.client-names-visible")
@pytest.mark.parametrize(
    "name", ["", " ", "a b", "agent:x", "a/b", "-a", "a" * 64, "a\n", "cla\u200bude", "\u0441laude"]
)
def test_a_name_that_could_be_mistaken_is_refused(identities: Identities, name: str) -> None:
    with pytest.raises(Invalid):
        identities.mint(name, "operator:ada")
    with pytest.raises(Invalid):
        identities.mint("fine", "operator:ada", [name])


@pytest.mark.behaviour("gateway.processes-learn-tokens")
def test_another_process_learns_of_tokens_and_revocations(
    identities: Identities, database: Database, journal: Journal, clock: ManualClock
) -> None:
    other = Identities(database, journal, clock)
    token = identities.mint("claude", "operator:ada")
    assert other.reload()
    assert not other.reload()
    assert other.principal_of(bearer(token)) == "agent:claude"
    identities.revoke("claude", "operator:ada")
    other.reload()
    assert other.principal_of(bearer(token)) is None
    assert other.groups_of("agent:claude") == ()


def test_no_token_without_its_fact(database: Database, closed_journal: Journal, clock: ManualClock) -> None:
    broken = Identities(database, closed_journal, clock)
    with pytest.raises(Unavailable):
        broken.mint("claude", "operator:ada")
    assert broken.clients() == ()
