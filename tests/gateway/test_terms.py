"""Tokens of our own that are not good for everything: for a time, for some servers, with some scopes, in a tenant."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.gateway.conftest import House, Recorded, begin, call
from watchkeeper.app.platform import opened, prepare
from watchkeeper.cli import main
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Invalid, NotFound
from watchkeeper.events import Journal
from watchkeeper.gateway.identity import Identities, Terms

Make = Callable[..., Awaitable[House]]


@pytest.fixture
def identities(database: Database, journal: Journal, clock: ManualClock) -> Identities:
    return Identities(database, journal, clock)


def bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()


@pytest.mark.behaviour("terms.expire")
async def test_a_token_ends_when_it_was_said_to(make_house: Make, identities: Identities, clock: ManualClock) -> None:
    house = await make_house(identities=identities)
    token = bearer(identities.mint("claude", "operator:ada", terms=Terms(expires_at=clock.now() + 60 * SECOND)))
    for _ in range(2):  # the second time its head is known
        assert (await house.post(call(), token=token)).status == 200
    clock.advance(60 * SECOND)
    assert (await house.post(call(), token=token)).status == 401
    assert len(house.server.got) == 2
    with pytest.raises(Conflict):
        identities.mint("claude", "operator:ada")
    identities.revoke("claude", "operator:ada")
    assert (await house.post(call(), token=bearer(identities.mint("claude", "operator:ada")))).status == 200


@pytest.mark.behaviour("terms.servers")
async def test_a_token_for_another_server_opens_nothing_here(make_house: Make, identities: Identities) -> None:
    house = await make_house(identities=identities)
    here = bearer(identities.mint("one", "operator:ada", terms=Terms(servers=("srv", "files"))))
    there = bearer(identities.mint("two", "operator:ada", terms=Terms(servers=("files",))))
    assert (await house.post(call(), token=here)).status == 200
    for _ in range(2):
        got = await house.post(call(), token=there)
        assert (got.status, got.header("www-authenticate")) == (403, None)
    assert len(house.server.got) == 1
    refused = house.events("gateway.request.refused")[-1]
    assert (refused.actor, refused.body["reason"]) == ("agent:two", "this credential is not for this server")


@pytest.mark.behaviour("terms.scopes")
async def test_a_token_with_scopes_is_held_to_them(make_house: Make, identities: Identities) -> None:
    house = await make_house(identities=identities, route={"scopes": ("files.read",)})
    enough = bearer(identities.mint("one", "operator:ada", ["devs"], Terms(scopes=("files.read", "b"))))
    lacking = bearer(identities.mint("two", "operator:ada", terms=Terms(scopes=("b",))))
    none = bearer(identities.mint("three", "operator:ada", terms=Terms(scopes=())))
    assert (await house.post(call(), token=enough)).status == 200
    assert house.guard.marks == [("devs", "scope:b", "scope:files.read")]
    for token in (lacking, none):
        got = await house.post(call(), token=token)
        assert (got.status, got.header("www-authenticate")) == (403, None)  # no server can give it more scopes
        assert "files.read" in got.json["error"]["message"]


@pytest.mark.behaviour("terms.scopes")
async def test_a_tool_that_needs_more_than_the_token_has_is_denied_in_words(
    make_house: Make, identities: Identities
) -> None:
    house = await make_house(identities=identities, route={"tool_scopes": {"delete_*": ("files.write",)}})
    token = bearer(identities.mint("one", "operator:ada", terms=Terms(scopes=("files.read",))))
    free = bearer(identities.mint("two", "operator:ada"))
    got = await house.post(call(name="delete_one"), token=token)
    assert (got.status, got.header("www-authenticate"), got.json["result"]["isError"]) == (200, None, True)
    assert (await house.post(call(name="delete_one"), token=free)).status == 200
    assert len(house.server.got) == 1


@pytest.mark.behaviour("terms.tenants-apart")
async def test_two_tenants_clients_of_one_name_are_strangers(
    make_house: Make, identities: Identities, recorded: Recorded
) -> None:
    ours = bearer(identities.mint("claude", "operator:ada"))
    theirs = bearer(identities.mint("claude", "operator:ada", terms=Terms(tenant="acme")))
    minted = [(e.tenant, e.target) for e in recorded()]
    assert minted == [("default", "agent:claude"), ("acme", "agent:acme:claude")]
    house = await make_house(identities=identities)
    session = await begin(house, token=theirs)
    assert (await house.post(call(), session, token=ours)).status == 404
    assert (await house.post(call(), session, token=theirs)).status == 200
    decided = house.events("gateway.request.decided")[-1]
    assert (decided.tenant, decided.actor) == ("acme", "agent:acme:claude")
    identities.revoke("claude", "operator:ada", tenant="acme")
    assert (await house.post(call(), token=theirs)).status == 401
    assert (await house.post(call(), token=ours)).status == 200
    with pytest.raises(NotFound):
        identities.revoke("claude", "operator:ada", tenant="other")


@pytest.mark.behaviour("terms.checked")
@pytest.mark.parametrize(
    "terms",
    [Terms(scopes=("a b",)), Terms(scopes=("",)), Terms(scopes=('"',)), Terms(servers=("a/b",)), Terms(tenant="a:b"),
     Terms(expires_at=1)],
)  # fmt: skip
def test_terms_that_cannot_be_are_refused(identities: Identities, terms: Terms) -> None:
    with pytest.raises(Invalid):
        identities.mint("claude", "operator:ada", terms=terms)
    assert identities.clients() == ()


@pytest.mark.behaviour("terms.by-command")
def test_the_command_sets_terms_and_shows_them(tmp_path: Path) -> None:
    prepare(tmp_path)
    runner, data = CliRunner(), ["--data", str(tmp_path)]
    limits = ["--group", "devs", "--scope", "a", "--scope", "b", "--server", "files", "--expires", "30d"]
    added = runner.invoke(main, ["clients", "add", "ci", *limits, "--tenant", "acme", "--json", *data])
    token = json.loads(added.stdout)["token"]
    with opened(tmp_path, "cli") as platform:
        caller = platform.clients.caller_of(bearer(token))
        assert caller is not None
        assert (caller.principal, caller.scopes, caller.servers) == ("agent:acme:ci", {"a", "b"}, {"files"})
        assert 0 < caller.expires - platform.clock.now() <= 30 * 86_400 * SECOND
        assert caller.marks == ("acme:devs", "scope:a", "scope:b", "tenant:acme")
    shown = runner.invoke(main, ["clients", "list", *data]).stdout
    for word in ("acme:ci", "devs", "a b", "files", "active"):
        assert word in shown
    assert token not in shown
    assert runner.invoke(main, ["clients", "add", "x", "--expires", "soon", *data]).exit_code == 65
    assert runner.invoke(main, ["clients", "revoke", "ci", *data]).exit_code == 66
    assert runner.invoke(main, ["clients", "revoke", "ci", "--tenant", "acme", *data]).exit_code == 0
