"""TLS on both sides: real handshakes with certificates of a test's own authority."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import ssl
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.certificates import Authority, Pair
from tests.gateway.conftest import Got, House, RawServer, call, post, read_message
from tests.gateway.test_oauth import issuers_of
from watchkeeper.core.clock import SECOND, ManualClock, SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events import Journal
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.callers import Callers
from watchkeeper.gateway.fitting import Terms as Fresh
from watchkeeper.gateway.identity import Identities, Terms
from watchkeeper.gateway.model import Refusal
from watchkeeper.gateway.oauth.elevation import Elevations
from watchkeeper.gateway.oauth.resource import Resource
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.settings import GatewaySettings, ServerSettings, check_gateway, check_server
from watchkeeper.gateway.tls import contexts
from watchkeeper.gateway.tls.peer import Peer

Make = Callable[..., Awaitable[House]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def files(authority: Authority) -> dict[str, str]:
    pair = authority.issue("port", dns=["localhost"], ips=["127.0.0.1"])
    return {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}


@pytest.fixture
def identities(database: Database, journal: Journal) -> Identities:
    return Identities(database, journal, SystemClock())


async def try_post(house: House, tls: ssl.SSLContext, token: bytes | None = None) -> Got | None:
    """The answer; None when the handshake or what follows it fails."""
    house.tls = tls
    try:
        return await house.post(call(), token=token)
    except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
        return None


# -- our ports


@pytest.mark.behaviour("tls.served")
async def test_a_port_with_a_certificate_speaks_tls_and_nothing_else(
    make_house: Make, authority: Authority, files: dict[str, str]
) -> None:
    house = await make_house(**files)
    with pytest.raises(asyncio.IncompleteReadError):
        await house.post(call())
    assert house.server.got == []
    house.tls = authority.trusting()
    assert (await house.post(call())).status == 200
    async with house.connect() as (_, writer):
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"


@pytest.mark.behaviour("tls.no-weak-versions")
async def test_tls_before_1_2_is_refused(make_house: Make, authority: Authority, files: dict[str, str]) -> None:
    house = await make_house(**files)
    for version, is_served in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)):
        context = authority.trusting()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        got = await try_post(house, context, b"Bearer token-of-alice")
        assert (got is not None) == is_served
    assert len(house.server.got) == 1


@pytest.mark.behaviour("tls.renewed")
async def test_a_renewed_certificate_is_shown_without_dropping_a_connection(
    make_house: Make, authority: Authority, files: dict[str, str]
) -> None:
    house = await make_house(**files)
    house.tls = authority.trusting()
    async with house.connect() as (reader, writer):
        before = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        renewed = authority.issue("renewed", dns=["localhost"], ips=["127.0.0.1"])
        replace(files, renewed)
        renew(house)
        async with house.connect() as (_, other):
            assert other.get_extra_info("ssl_object").getpeercert(binary_form=True) == renewed.der != before
        writer.write(post(call(), port=house.port))
        assert (await read_message(reader, is_answer=True)).status == 200
    assert [e.outcome for e in house.events("gateway.certificate.renewed")] == ["success"]


@pytest.mark.behaviour("tls.renewal-that-fails")
async def test_a_renewal_that_cannot_be_used_leaves_the_old_one_in_use(
    make_house: Make, authority: Authority, files: dict[str, str]
) -> None:
    house = await make_house(**files)
    Path(files["tls_key"]).write_text("half a key")
    renew(house)
    renew(house)
    house.tls = authority.trusting()
    assert (await house.post(call())).status == 200
    [event] = house.events("gateway.certificate.refused")
    assert "cannot be used" in event.body["reason"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"tls_certificate": "a.pem"}, "go together"),
        ({"client_certificates": "maybe"}, "unknown"),
        ({"client_certificates": "required"}, "needs TLS"),
        ({"certificate_clients": {"dns:a": "b"}}, "no certificate is asked for"),
        ({"tls_certificate": "a", "tls_key": "b", "tls_client_ca": "c", "client_certificates": "optional",
          "certificate_clients": {"CN=a": "b"}}, "no name of a certificate"),
    ],
)  # fmt: skip
@pytest.mark.behaviour("tls.bad-settings")
def test_settings_that_cannot_work_are_named(said: dict[str, Any], why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        check_gateway(GatewaySettings(**said))


@pytest.mark.behaviour("tls.bad-settings")
async def test_files_that_cannot_be_used_stop_the_start(make_house: Make, authority: Authority, tmp_path: Path) -> None:
    one, other = authority.issue("one"), authority.issue("other")
    key = serialization.load_pem_private_key(one.key.read_bytes(), None)
    sealed = tmp_path / "sealed.key"
    sealed.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    for certificate, keyfile in (
        (one.certificate, other.key),
        (one.certificate, sealed),
        (tmp_path / "none.pem", one.key),
        (one.key, one.key),
    ):
        with pytest.raises(Misconfigured, match=r"gateway\.tls_certificate"):
            await make_house(tls_certificate=str(certificate), tls_key=str(keyfile))
    for said in ({"tls_ca": "a"}, {"tls_certificate": "a", "tls_key": "b"}):
        with pytest.raises(Misconfigured, match="TLS is for a server at https"):
            check_server("one", ServerSettings(url="http://127.0.0.1:1/mcp", **said))
    with pytest.raises(Misconfigured, match="go together"):
        check_server("one", ServerSettings(url="https://127.0.0.1:1/mcp", tls_key="a"))


# -- clients' certificates


def asking(files: dict[str, str], authority: Authority, how: str, **clients: str) -> dict[str, Any]:
    more = {"tls_client_ca": str(authority.path), "client_certificates": how}
    return files | more | {"certificate_clients": {name.replace("_", ":", 1): who for name, who in clients.items()}}


SPIFFE = {"uri_spiffe://acme/claude": "claude"}


@pytest.mark.behaviour("tls.client-certificates")
async def test_a_certificate_stands_for_the_client_it_is_mapped_to(
    make_house: Make, authority: Authority, files: dict[str, str], identities: Identities
) -> None:
    named = authority.issue("agent", uris=["spiffe://acme/claude"], dns=["agent.test"], is_client=True)
    house = await make_house(identities=identities, **asking(files, authority, "required", **SPIFFE))
    tls = authority.trusting(named)
    assert status(await try_post(house, tls)) == 401  # nobody is called claude yet
    token = identities.mint("claude", "operator:ada", ["devs"])
    assert status(await try_post(house, tls)) == 200
    assert house.events("gateway.request.decided")[-1].actor == "agent:claude"
    assert house.guard.marks == [("devs",)]
    identities.revoke("claude", "operator:ada")
    assert status(await try_post(house, tls)) == 401
    assert token not in str(house.events(""))


@pytest.mark.behaviour("tls.client-certificates")
async def test_names_of_every_kind_are_understood_and_others_are_nobody(
    make_house: Make, authority: Authority, files: dict[str, str], identities: Identities
) -> None:
    for name in ("one", "two"):
        identities.mint(name, "operator:ada")
    identities.mint("three", "operator:ada", terms=Terms(servers=("other",), tenant="acme"))
    clients = {"dns_agent.test": "one", "subject_CN=two": "two", "uri_spiffe://x": "acme:three"}
    house = await make_house(identities=identities, **asking(files, authority, "optional", **clients))
    for pair, expected in (
        (authority.issue("a", dns=["agent.test"], is_client=True), 200),
        (authority.issue("two", is_client=True), 200),
        (authority.issue("c", uris=["spiffe://x"], is_client=True), 403),  # its terms name another server
        (authority.issue("d", dns=["agent.test.evil"], is_client=True), 401),
        (authority.issue("one", is_client=True), 401),  # a common name by itself is nobody
        (None, 401),
    ):
        assert status(await try_post(house, authority.trusting(pair))) == expected
    assert [e.actor for e in house.events("gateway.request.decided")] == ["agent:one", "agent:two"]


@pytest.mark.behaviour("tls.client-certificates")
async def test_a_certificate_that_does_not_verify_gets_no_further_than_the_handshake(
    make_house: Make, authority: Authority, files: dict[str, str], identities: Identities, tmp_path: Path
) -> None:
    identities.mint("claude", "operator:ada")
    token = b"Bearer " + identities.mint("other", "operator:ada").encode()
    for how in ("required", "optional"):
        house = await make_house(identities=identities, **asking(files, authority, how, **SPIFFE))
        stranger = Authority(tmp_path / f"stranger-{how}").issue("x", uris=["spiffe://acme/claude"], is_client=True)
        stale = authority.issue(f"stale-{how}", uris=["spiffe://acme/claude"], is_client=True, days=-1)
        server = authority.issue(f"server-{how}", uris=["spiffe://acme/claude"])  # made for servers, not for clients
        for pair in (stranger, stale, server):
            assert await try_post(house, authority.trusting(pair), token) is None
        got = await try_post(house, authority.trusting(), token)
        assert (got is None) == (how == "required")
    assert len(house.server.got) == 1


@pytest.mark.behaviour("tls.authorities-renewed")
async def test_an_authority_that_was_taken_out_counts_no_more(
    make_house: Make, authority: Authority, files: dict[str, str], identities: Identities, tmp_path: Path
) -> None:
    identities.mint("claude", "operator:ada")
    newer = Authority(tmp_path / "newer", "newer")
    trusted = tmp_path / "clients.pem"
    shutil.copy(authority.path, trusted)
    house = await make_house(
        identities=identities, **asking(files, authority, "required", **SPIFFE) | {"tls_client_ca": str(trusted)}
    )
    old, new = (one.issue("x", uris=["spiffe://acme/claude"], is_client=True) for one in (authority, newer))
    old_tls, new_tls = authority.trusting(old), authority.trusting(new)
    assert status(await try_post(house, old_tls)) == 200
    assert await try_post(house, new_tls) is None
    trusted.unlink()
    shutil.copy(newer.path, trusted)
    renew(house)
    assert await try_post(house, old_tls) is None
    assert status(await try_post(house, new_tls)) == 200


@pytest.mark.behaviour("tls.changed")
async def test_certificates_are_asked_for_as_soon_as_the_settings_say_so(
    make_house: Make, authority: Authority, files: dict[str, str], identities: Identities
) -> None:
    identities.mint("claude", "operator:ada")
    token = b"Bearer " + identities.mint("other", "operator:ada").encode()
    house = await make_house(identities=identities, **files)
    route = house.gateway.doors[0].route
    assert status(await try_post(house, authority.trusting(), token)) == 200
    settings = GatewaySettings(**asking(files, authority, "required", **SPIFFE))
    await house.gateway.change([route], Fresh(settings))
    assert await try_post(house, authority.trusting(), token) is None
    named = authority.issue("agent", uris=["spiffe://acme/claude"], is_client=True)
    assert status(await try_post(house, authority.trusting(named))) == 200
    for broken in (GatewaySettings(), GatewaySettings(**files | {"tls_certificate": "none.pem"})):
        with pytest.raises(Misconfigured):
            await house.gateway.change([route], Fresh(broken))
    assert status(await try_post(house, authority.trusting(named))) == 200


@pytest.mark.behaviour("tls.bound-tokens")
async def test_a_bound_token_counts_only_with_its_certificate(
    make_house: Make,
    authority: Authority,
    files: dict[str, str],
    identities: Identities,
    authorization_server: AuthorizationServer,
) -> None:
    house = await make_house(
        identities=identities, issuers=issuers_of(authorization_server), **asking(files, authority, "optional")
    )
    mine, other = (authority.issue(name, is_client=True) for name in ("mine", "other"))
    url = f"https://127.0.0.1:{house.port}/mcp"
    token = b"Bearer " + authorization_server.mint(audience=url, cnf=bound_to(mine)).encode()
    for _ in range(2):
        assert status(await try_post(house, authority.trusting(mine), token)) == 200
        assert status(await try_post(house, authority.trusting(other), token)) == 401
        assert status(await try_post(house, authority.trusting(), token)) == 401
    assert len(house.server.got) == 2
    plain = b"Bearer " + authorization_server.mint(audience=url.replace("https", "http")).encode()
    assert status(await try_post(house, authority.trusting(mine), plain)) == 401  # issued for another address


@pytest.mark.behaviour("tls.client-certificates")
def test_a_certificate_that_expires_while_its_connection_stands_counts_no_more(
    database: Database, journal: Journal, clock: ManualClock
) -> None:
    identities = Identities(database, journal, clock)
    identities.mint("claude", "operator:ada")
    callers = Callers(
        Resource(name="srv"),
        clients=identities,
        issuers=None,
        clock=clock,
        elevations=Elevations(journal, clock),
        certificates={"dns:a": "claude"},
    )
    peer = Peer(b"x", ("dns:a",), clock.now() + SECOND)
    assert isinstance(callers.identify(None, "here", peer), Caller)
    clock.advance(SECOND)
    assert isinstance(callers.identify(None, "here", peer), Refusal)


# -- servers behind us


@pytest.mark.behaviour("tls.upstream")
async def test_a_server_is_reached_by_its_own_authority_and_with_our_certificate(
    make_house: Make, authority: Authority, tmp_path: Path
) -> None:
    ours = authority.issue("gateway", is_client=True)
    serving = authority.serving("upstream")
    serving.load_verify_locations(cafile=str(authority.path))
    serving.verify_mode = ssl.CERT_REQUIRED
    raw = RawServer()
    await raw.start(serving)
    url = f"https://127.0.0.1:{raw.port}/mcp"
    stranger = Authority(tmp_path / "stranger")
    try:
        for ca, pair, expected in (
            (authority, ours, 200),
            (authority, None, 502),
            (stranger, ours, 502),
            (None, ours, 502),
        ):
            shown = (str(pair.certificate), str(pair.key)) if pair is not None else ("", "")
            tls = contexts.for_server("servers.srv", str(ca.path) if ca is not None else "", *shown)
            upstream = HttpUpstream(url, GatewaySettings(), tls=tls)
            house = await make_house(wrap=lambda _, one=upstream: one)
            assert (await house.post(call())).status == expected
        assert len(raw.got) == 1
    finally:
        await raw.stop()


def status(got: Got | None) -> int | None:
    return got.status if got is not None else None


def bound_to(pair: Pair) -> dict[str, str]:
    return {"x5t#S256": base64.urlsafe_b64encode(hashlib.sha256(pair.der).digest()).rstrip(b"=").decode()}


def replace(files: dict[str, str], pair: Pair) -> None:
    shutil.copy(pair.certificate, files["tls_certificate"])
    shutil.copy(pair.key, files["tls_key"])


def renew(house: House) -> None:
    """What the gateway does by itself every two seconds."""
    assert house.gateway._handshakes is not None
    house.gateway._handshakes.renew(house.gateway._tell)
