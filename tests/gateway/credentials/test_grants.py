"""Persons' grants: kept sealed, used for their principal only, renewed by one at a time, ended at once."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.authorization_grants import Answer, User
from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.conftest import House, RawServer, call
from tests.gateway.credentials.browser import Browser
from tests.gateway.credentials.conftest import CANARY, Checking, Make, everything_told
from tests.gateway.credentials.test_login import browser, login
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound, Untrusted
from watchkeeper.core.ids import observed_id
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Journal
from watchkeeper.gateway.credentials.accredited import Accredited
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.granted import UserGrant
from watchkeeper.gateway.credentials.grants import LEASE, Grant, Grants
from watchkeeper.gateway.credentials.issued import Minutes, Purpose
from watchkeeper.gateway.credentials.model import OAuthClient, new_token
from watchkeeper.gateway.credentials.signin.login import Login
from watchkeeper.gateway.credentials.vault import Vault

__all__ = ["browser", "login"]
LISTING = call("tools/list")
BOB = b"Bearer token-of-bob"
NOBODY = OAuthClient("", "")
"""The settings name no client: each grant has one of its own."""


@pytest.fixture
def grants(database: Database, journal: Journal, clock: ManualClock) -> Grants:
    return Grants(database, journal, clock)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.of(tmp_path)


@pytest.fixture
def make_credential(
    grants: Grants, vault: Vault, endpoint: TokenEndpoint, minutes: Minutes, clock: ManualClock, resource: str
) -> Callable[..., UserGrant]:
    def make(issuer: str = "", url: str = "") -> UserGrant:
        purpose = Purpose("srv", OAuthClient(issuer, ""), url or resource)
        return UserGrant(
            purpose, url or resource, grants=grants, vault=vault, endpoint=endpoint, minutes=minutes, clock=clock
        )

    return make


@pytest.fixture
async def granting(make_house: Make, make_credential: Callable[..., UserGrant], checking: Checking) -> House:
    """A gateway that comes with its clients' persons' grants."""
    credential = make_credential()
    return await make_house(wrap=lambda upstream: Accredited("srv", upstream, credential))


@pytest.fixture
def grant_to(
    login: Callable[..., Login],
    browser: Browser,
    grants: Grants,
    vault: Vault,
    authorization_server: AuthorizationServer,
) -> Callable[..., Any]:
    """Have a person sign in for a principal."""

    async def to(principal: str, person: str = "ada") -> Grant:
        authorization_server.user = User(person)
        authorization_server.clients.clear()
        got = await login().run(browser)
        await asyncio.to_thread(browser.join)
        grant = Grant(
            id=observed_id(),
            principal=principal,
            server="srv",
            issuer=got.client.issuer,
            resource=got.resource,
            client=got.client.id,
            scope=got.token.scope,
        )
        sealed = vault.seal(grant, got.token, got.client, NOBODY)
        return grants.put(msgspec.structs.replace(grant, sealed=sealed), "operator:test")

    return to


def renewals(issuer: AuthorizationServer) -> int:
    return sum(1 for seen in issuer.asked if seen.fields.get("grant_type") == "refresh_token")


@pytest.mark.behaviour("grants.per-principal")
async def test_a_grant_is_used_for_its_principal_and_for_nobody_else(
    granting: House, grant_to: Callable[..., Any], checking: Checking, server: RawServer, clock: ManualClock
) -> None:
    await grant_to("agent:alice", "ada")
    assert (await granting.post(call())).status == 200
    asked = len(server.got)
    refused = await granting.post(call(), token=BOB)
    assert (refused.status, refused.json["error"]["code"]) == (200, 40302)
    assert "watchkeeper grants add srv --client bob" in refused.json["error"]["message"]
    assert len(server.got) == asked
    await grant_to("agent:bob", "bert")
    clock.advance(SECOND)
    assert (await granting.post(call(), token=BOB)).status == 200
    assert [claims["sub"] for claims in checking.claims] == ["ada", "bert"]


@pytest.mark.behaviour("grants.sealed")
async def test_no_token_or_secret_can_be_read_from_the_database(
    granting: House, grant_to: Callable[..., Any], authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    await grant_to("agent:alice")
    await granting.post(call())
    with sqlite3.connect(tmp_path / "state.db") as state:
        rows = "\n".join(state.iterdump())
    state.close()
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
    for issued in authorization_server.issued:
        for secret in (issued.access_token, issued.refresh_token, "s3cret"):
            assert secret not in rows
            assert secret.encode() not in raw


@pytest.mark.behaviour("grants.bound")
async def test_a_grants_secrets_do_not_open_under_another_principal_server_issuer_or_client(
    grant_to: Callable[..., Any], vault: Vault
) -> None:
    grant = await grant_to("agent:alice")
    vault.open(grant, NOBODY)
    for field in ("tenant", "id", "principal", "server", "issuer", "resource", "client"):
        with pytest.raises(Untrusted):
            vault.open(msgspec.structs.replace(grant, **{field: "another"}), NOBODY)


@pytest.mark.behaviour("grants.per-issuer")
async def test_a_grant_of_another_issuer_or_for_another_address_is_none(
    make_house: Make,
    make_credential: Callable[..., UserGrant],
    grant_to: Callable[..., Any],
    checking: Checking,
    server: RawServer,
) -> None:
    await grant_to("agent:alice")
    for credential in (make_credential("https://other.example"), make_credential(url="http://127.0.0.1:1/mcp")):
        house = await make_house(wrap=lambda upstream, one=credential: Accredited("srv", upstream, one))
        assert (await house.post(call())).json["error"]["code"] == 40302
    assert checking.tokens == []


@pytest.mark.behaviour("grants.renewed")
async def test_a_grant_is_renewed_shortly_before_its_end_and_its_rotated_token_kept(
    granting: House,
    grant_to: Callable[..., Any],
    authorization_server: AuthorizationServer,
    clock: ManualClock,
    grants: Grants,
    vault: Vault,
) -> None:
    await grant_to("agent:alice")
    for _ in range(2):
        clock.advance(280 * SECOND)
        assert (await granting.post(call())).status == 200
    assert renewals(authorization_server) == 2
    now = grants.of("agent:alice", "srv")
    assert now is not None
    assert vault.open(now, NOBODY)[0].refresh.reveal() == authorization_server.issued[-1].refresh_token
    assert [event.body["way"] for event in granting.events("gateway.credential")] == ["user_grant"] * 2


@pytest.mark.behaviour("grants.one-renews")
async def test_of_several_gateways_one_renews_and_the_others_take_what_it_brought(
    make_credential: Callable[..., UserGrant],
    grant_to: Callable[..., Any],
    authorization_server: AuthorizationServer,
    clock: ManualClock,
    checking: Checking,
    make_house: Make,
) -> None:
    await grant_to("agent:alice")
    clock.advance(280 * SECOND)
    arrived, released = threading.Event(), threading.Event()
    answer = authorization_server.answer

    def held(method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        if target == "/token":
            arrived.set()
            released.wait(10)
        return answer(method, target, headers, body)

    authorization_server.answer = held  # type: ignore[method-assign]
    credentials = [make_credential() for _ in range(3)]
    houses = [await make_house(wrap=lambda upstream, one=one: Accredited("srv", upstream, one)) for one in credentials]
    waiting = [asyncio.create_task(house.post(call("tools/list", id=n))) for house in houses for n in range(3)]
    assert await asyncio.to_thread(arrived.wait, 10)
    released.set()
    assert {(await task).status for task in waiting} == {200}
    assert renewals(authorization_server) == 1


@pytest.mark.behaviour("grants.one-renews")
async def test_a_gateway_that_died_while_renewing_is_waited_for_no_longer_than_its_lease(
    grants: Grants, grant_to: Callable[..., Any], clock: ManualClock
) -> None:
    await grant_to("agent:alice")
    assert grants.lease("agent:alice", "srv") is not None
    assert grants.lease("agent:alice", "srv") is None
    clock.advance(LEASE)
    assert grants.lease("agent:alice", "srv") is not None


@pytest.mark.behaviour("grants.refused-renewal-ends")
async def test_a_grant_that_the_issuer_does_not_renew_has_ended_and_is_not_tried_again(
    granting: House,
    grant_to: Callable[..., Any],
    authorization_server: AuthorizationServer,
    clock: ManualClock,
    grants: Grants,
) -> None:
    await grant_to("agent:alice")
    authorization_server.issued[-1].revoked = True
    clock.advance(280 * SECOND)
    refused = await granting.post(LISTING)
    assert (refused.json["error"]["code"], "sign in" in refused.json["error"]["message"]) == (40302, True)
    clock.advance(15 * SECOND)
    assert (await granting.post(LISTING)).json["error"]["code"] == 40302
    assert renewals(authorization_server) == 1
    assert grants.of("agent:alice", "srv") is None
    assert [event.kind for event in granting.events("gateway.grant")] == ["gateway.grant.added", "gateway.grant.ended"]


@pytest.mark.behaviour("grants.refused-renewal-ends")
async def test_a_grant_that_took_its_place_while_it_was_refused_stays(
    granting: House,
    grant_to: Callable[..., Any],
    authorization_server: AuthorizationServer,
    clock: ManualClock,
    grants: Grants,
) -> None:
    await grant_to("agent:alice")
    authorization_server.issued[-1].revoked = True
    clock.advance(280 * SECOND)
    arrived, released = threading.Event(), threading.Event()
    answer = authorization_server.answer

    def held(method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        if b"grant_type=refresh_token" in body:
            arrived.set()
            released.wait(10)
        return answer(method, target, headers, body)

    authorization_server.answer = held  # type: ignore[method-assign]
    waiting = asyncio.create_task(granting.post(LISTING))
    assert await asyncio.to_thread(arrived.wait, 10)
    second = await grant_to("agent:alice")
    released.set()
    assert (await waiting).json["error"]["code"] == 40302
    now = grants.of("agent:alice", "srv")
    assert now is not None
    assert now.id == second.id
    clock.advance(2 * SECOND)
    assert (await granting.post(LISTING)).status == 200
    grants.end("agent:alice", "srv", "operator:test")
    grants.end_refused(second, "service:gateway", "it has ended already")


@pytest.mark.behaviour("grants.refused-renewal-ends")
async def test_an_issuer_that_is_down_ends_no_grant(
    granting: House, grant_to: Callable[..., Any], authorization_server: AuthorizationServer, clock: ManualClock
) -> None:
    await grant_to("agent:alice")
    clock.advance(300 * SECOND)
    authorization_server.failing = 503
    assert (await granting.post(LISTING)).status == 502
    authorization_server.failing = 0
    clock.advance(2 * SECOND)
    assert (await granting.post(LISTING)).status == 200


@pytest.mark.behaviour("grants.renewed")
async def test_a_token_that_the_server_refuses_is_replaced_though_it_has_not_run_out(
    granting: House,
    grant_to: Callable[..., Any],
    authorization_server: AuthorizationServer,
    checking: Checking,
    clock: ManualClock,
) -> None:
    await grant_to("agent:alice")
    await granting.post(LISTING)
    clock.advance(15 * SECOND)
    checking.blocked = set(checking.tokens)
    assert (await granting.post(LISTING)).status == 200
    assert renewals(authorization_server) == 1


@pytest.mark.behaviour("grants.ended-at-once")
async def test_an_ended_grant_is_out_of_use_within_a_second_and_its_secrets_are_gone(
    granting: House,
    grant_to: Callable[..., Any],
    clock: ManualClock,
    grants: Grants,
    checking: Checking,
    tmp_path: Path,
) -> None:
    await grant_to("agent:alice")
    assert (await granting.post(call())).status == 200
    sealed = grants.end("agent:alice", "srv", "operator:test").sealed
    clock.advance(SECOND)
    assert (await granting.post(call())).json["error"]["code"] == 40302
    assert len(checking.tokens) == 1
    assert [grant.ended_by for grant in grants.all()] == ["operator:test"]
    with sqlite3.connect(tmp_path / "state.db") as state:
        assert sealed not in "\n".join(state.iterdump())
    state.close()
    with pytest.raises(NotFound):
        grants.end("agent:alice", "srv", "operator:test")


@pytest.mark.behaviour("grants.per-principal")
async def test_a_new_grant_takes_the_old_ones_place(grant_to: Callable[..., Any], grants: Grants) -> None:
    first, second = await grant_to("agent:alice"), await grant_to("agent:alice")
    now = grants.of("agent:alice", "srv")
    assert now is not None
    assert now.id == second.id
    assert [bool(grant.ended_at) for grant in grants.all()] == [True, False]
    grants.end_all("agent:alice", "operator:test", "the client was revoked")
    assert grants.of("agent:alice", "srv") is None
    grants.renewed(first)
    assert grants.of("agent:alice", "srv") is None
    with pytest.raises(Invalid):
        grants.put(msgspec.structs.replace(second, sealed=""), "operator:test")


@pytest.mark.behaviour("grants.key-lost")
async def test_a_grant_that_does_not_open_on_this_host_is_none(
    granting: House, grant_to: Callable[..., Any], grants: Grants, clock: ManualClock, tmp_path: Path
) -> None:
    grant = msgspec.structs.replace(await grant_to("agent:alice"), id=observed_id())
    sealed = Vault.of(tmp_path / "another host").seal(grant, new_token("x", clock.now(), 300), NOBODY, NOBODY)
    grants.put(msgspec.structs.replace(grant, sealed=sealed), "operator:test")
    assert "does not open" in (await granting.post(call())).json["error"]["message"]


@pytest.mark.behaviour("credentials.not-shown")
async def test_no_token_of_a_grant_is_in_any_event_log_or_error(
    granting: House,
    grant_to: Callable[..., Any],
    authorization_server: AuthorizationServer,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    await grant_to("agent:alice")
    clock.advance(280 * SECOND)
    answers = [await granting.post(LISTING)]
    authorization_server.issued[-1].revoked = True
    clock.advance(280 * SECOND)
    answers += [await granting.post(LISTING), await granting.post(call())]
    told = everything_told(granting, caplog) + "".join(got.body.decode() + repr(got.headers) for got in answers)
    secrets = [CANARY, "s3cret"]
    for issued in authorization_server.issued:
        secrets += [issued.access_token, issued.refresh_token]
    assert [secret for secret in secrets if secret in told] == []


@pytest.mark.behaviour("grants.per-tenant")
async def test_a_grant_belongs_to_its_principals_tenant(grant_to: Callable[..., Any], grants: Grants) -> None:
    grant = await grant_to("agent:alice")
    for tenant, principal in (("acme", "agent:alice"), ("default", "agent:acme:alice"), ("other", "agent:acme:alice")):
        moved = msgspec.structs.replace(grant, id=observed_id(), tenant=tenant, principal=principal)
        with pytest.raises(Invalid):
            grants.put(moved, "operator:test")
    theirs = msgspec.structs.replace(grant, id=observed_id(), tenant="acme", principal="agent:acme:alice")
    grants.put(theirs, "operator:test")
    found = [grants.of(principal, "srv") for principal in ("agent:alice", "agent:acme:alice")]
    assert [one.id for one in found if one is not None] == [grant.id, theirs.id]
    grants.end_all("agent:acme:alice", "operator:test")
    assert grants.of("agent:alice", "srv") is not None


@pytest.mark.behaviour("grants.clients-secret-from-settings")
async def test_a_configured_clients_secret_is_not_kept_with_the_grant_and_may_change(
    grant_to: Callable[..., Any], vault: Vault, clock: ManualClock, authorization_server: AuthorizationServer
) -> None:
    grant = await grant_to("agent:alice")
    before = OAuthClient(grant.issuer, grant.client, Secret("old"))
    sealed = vault.seal(grant, new_token("x", clock.now(), 300), before, before)
    kept = msgspec.structs.replace(grant, sealed=sealed)
    after = msgspec.structs.replace(before, secret=Secret("new"))
    assert vault.open(kept, after)[1].secret == Secret("new")
    for other in (NOBODY, OAuthClient(grant.issuer, "another"), OAuthClient("https://other.example", grant.client)):
        with pytest.raises(Untrusted):
            vault.open(kept, other)
