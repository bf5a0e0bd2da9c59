"""Grants as an operator handles them: sign in, look, revoke; and every kind of credential as the settings name it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from tests.app.conftest import environment
from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.conftest import RawServer, call
from tests.gateway.credentials.browser import Browser, visit
from tests.gateway.credentials.conftest import Checking
from watchkeeper.app.administration import Administration
from watchkeeper.app.credentials import Accreditor, keeps_credential
from watchkeeper.app.grants import add_grant, document_of, end_grant
from watchkeeper.app.integrations import tokens_of
from watchkeeper.app.platform import opened, prepare
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.cli import main
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.credentials.grants import Grants
from watchkeeper.gateway.credentials.model import CredentialMissing
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.settings import GatewaySettings, OAuthSettings, ServerSettings
from watchkeeper.gateway.upstream import Inbound
from watchkeeper.protocol.message import parse_message
from watchkeeper.respond.actions.tokens import RevokeToken
from watchkeeper.respond.interface import ActionContext, Services


@pytest.fixture
def issuer() -> Iterator[AuthorizationServer]:
    with AuthorizationServer.running() as one:
        yield one


class Loop:
    """An event loop on a thread, on which a server lives while a command blocks."""

    def __enter__(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        return self._loop

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def server(issuer: AuthorizationServer) -> Iterator[RawServer]:
    """An MCP server that takes the issuer's tokens only."""
    one = RawServer()
    with Loop() as loop:
        asyncio.run_coroutine_threadsafe(one.start(), loop).result(10)
        one.answer = Checking(issuer, f"http://127.0.0.1:{one.port}/mcp")
        yield one
        asyncio.run_coroutine_threadsafe(one.stop(), loop).result(10)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def loaded(issuer: AuthorizationServer, server: RawServer, free_port: int, tmp_path: Path) -> Loaded:
    oauth = OAuthSettings(issuer=issuer.issuer, scopes=("read",), redirect_port=free_port)
    notes = ServerSettings(url=f"http://127.0.0.1:{server.port}/mcp", credential="user_grant", oauth=oauth)
    fetch = FetchSettings(allow_hosts=(f"127.0.0.1:{issuer.port}",))
    prepare(tmp_path)
    Administration(tmp_path).call("clients.add", name="laptop")
    return Loaded(Settings(servers={"notes": notes}, fetch=fetch), tmp_path)


async def asked(loaded: Loaded, name: str, server: ServerSettings, *, principal: str, credential: str = "") -> int:
    """The status of one call through the upstream that the settings describe."""
    message = parse_message(call())
    inbound = Inbound("POST", [(b"Content-Type", b"application/json")], message.raw, message, principal, "legacy")
    inbound.credential = Secret(credential) if credential else None
    with opened(loaded.data_dir, "gateway") as platform:
        upstream = Accreditor(loaded.settings.fetch, platform).accredit(
            name, server, HttpUpstream(server.url, GatewaySettings())
        )
        try:
            return (await upstream.send(inbound)).status
        finally:
            await upstream.close()


@pytest.mark.behaviour("grants.by-command")
def test_a_grant_is_added_used_listed_and_revoked_here_and_at_its_issuer(
    loaded: Loaded, issuer: AuthorizationServer, server: RawServer
) -> None:
    browser = Browser()
    made = add_grant(loaded, "notes", "laptop", browser)
    browser.join()
    assert (made["principal"], made["scope"], made["renews"], made["sealed"]) == ("agent:laptop", "read", True, "")
    notes = loaded.settings.servers["notes"]
    assert asyncio.run(asked(loaded, "notes", notes, principal="agent:laptop")) == 200
    with pytest.raises(CredentialMissing):
        asyncio.run(asked(loaded, "notes", notes, principal="agent:other"))
    listed = CliRunner().invoke(main, ["grants", "list", "--json", "--data", str(loaded.data_dir)])
    [row] = json.loads(listed.stdout)
    assert (row["server"], row["sealed"], row["created_by"].partition(":")[0]) == ("notes", "", "operator")
    ended = end_grant(loaded, "notes", "laptop")
    assert ended["at_issuer"] == "revoked"
    assert all(issued.revoked for issued in issuer.issued)
    with pytest.raises(CredentialMissing):
        asyncio.run(asked(loaded, "notes", notes, principal="agent:laptop"))
    with pytest.raises(NotFound):
        end_grant(loaded, "notes", "laptop")


@pytest.mark.behaviour("grants.by-command")
def test_a_grant_ends_here_even_when_its_issuer_cannot_be_told(loaded: Loaded, issuer: AuthorizationServer) -> None:
    browser = Browser()
    add_grant(loaded, "notes", "laptop", browser)
    browser.join()
    issuer.failing = 503
    assert "not revoked" in end_grant(loaded, "notes", "laptop")["at_issuer"]
    assert Administration(loaded.data_dir).call("grants.list")[0]["ended_at"] > 0


@contextmanager
def revoking(loaded: Loaded) -> Iterator[ActionContext]:
    """What a playbook's action acts upon."""
    with opened(loaded.data_dir, "tester") as on:
        tokens = tokens_of(loaded, on, lambda secret: "seal:" + hashlib.sha256(secret.encode()).hexdigest())
        services = Services(on.pins, on.orders, SimpleNamespace(journal=on.journal), on.clock, tokens=tokens)
        yield ActionContext(services, "run:step:1", {"id": "i", "number": "INC-1", "server": "notes"}, "", lambda: True)


REVOKE = RevokeToken.Parameters(principal="agent:laptop", server="notes", reason="it was stolen")


@pytest.mark.behaviour("tokens.revoked-grant-is-inactive")
@pytest.mark.parametrize("introspects", [True, False])
@pytest.mark.parametrize("killed", ["never", "before the issuer was told"])
def test_a_revoked_grant_is_inactive_at_its_issuer_and_not_renewed(
    loaded: Loaded, issuer: AuthorizationServer, killed: str, introspects: bool
) -> None:
    issuer.introspects = introspects
    browser = Browser()
    add_grant(loaded, "notes", "laptop", browser)
    browser.join()
    with revoking(loaded) as context:
        action = RevokeToken()
        assert not action.verify(REVOKE, context).verified
        if killed != "never":  # what it had done by then is this
            with closing(Database.at(loaded.data_dir / "state.db")) as database:
                grants = Grants(database, context.services.notifier.journal, SystemClock())
                grants.end("agent:laptop", "notes", "system:respond", keeps_sealed=True)
        outcome = action.run(REVOKE, context)
        proof = action.verify(REVOKE, context)
        assert proof.verified, proof.detail
        assert (proof.detail["active"], proof.detail["is_taken"]) == (False if introspects else None, False)
        assert action.run(REVOKE, context).evidence == outcome.evidence
    assert all(issued.revoked for issued in issuer.issued)
    told = json.dumps([outcome.evidence, proof.detail])
    secret = [token for issued in issuer.issued for token in (issued.access_token, issued.refresh_token) if token]
    assert secret
    assert not any(token in told for token in secret)
    notes = loaded.settings.servers["notes"]
    with pytest.raises(CredentialMissing):
        asyncio.run(asked(loaded, "notes", notes, principal="agent:laptop"))


@pytest.mark.behaviour("tokens.revoked-grant-is-inactive")
def test_a_grant_whose_issuer_cannot_be_told_is_ended_here_not_proven_and_told_later(
    loaded: Loaded, issuer: AuthorizationServer
) -> None:
    browser = Browser()
    add_grant(loaded, "notes", "laptop", browser)
    browser.join()
    with revoking(loaded) as context:
        action = RevokeToken()
        issuer.failing = 503
        assert action.run(REVOKE, context).evidence["doubt"]
        assert not action.verify(REVOKE, context).verified
        issuer.failing = 0
        assert not action.run(REVOKE, context).evidence["doubt"]
        assert action.verify(REVOKE, context).verified


@pytest.mark.parametrize(
    "named", [{}, {"principal": "agent:laptop", "issuer": "idp", "token": "env:T"}, {"issuer": "idp"}]
)
def test_a_token_is_named_in_one_way(loaded: Loaded, named: dict[str, str]) -> None:
    with revoking(loaded) as context, pytest.raises(Invalid):
        RevokeToken().run(RevokeToken.Parameters(reason="r", **named), context)


@pytest.mark.behaviour("grants.end-with-client")
def test_a_revoked_clients_grants_end_so_that_the_next_one_of_that_name_has_none(
    loaded: Loaded, issuer: AuthorizationServer
) -> None:
    browser = Browser()
    add_grant(loaded, "notes", "laptop", browser)
    browser.join()
    ask = Administration(loaded.data_dir)
    ask.call("clients.revoke", name="laptop")
    ask.call("clients.add", name="laptop")
    with pytest.raises(CredentialMissing):
        asyncio.run(asked(loaded, "notes", loaded.settings.servers["notes"], principal="agent:laptop"))


@pytest.mark.behaviour("grants.by-command")
def test_a_grant_is_refused_for_an_unknown_server_client_or_kind(loaded: Loaded) -> None:
    browser = Browser()
    plain = ServerSettings(url="https://a.example/mcp")
    others = Loaded(Settings(servers={"plain": plain}), loaded.data_dir)
    for where, server, client, error in (
        (loaded, "none", "laptop", NotFound),
        (loaded, "notes", "nobody", NotFound),
        (others, "plain", "laptop", Invalid),
    ):
        with pytest.raises(error):
            add_grant(where, server, client, browser)
    with pytest.raises(Invalid):
        document_of(loaded, "notes")
    assert browser.invitations == []


@pytest.mark.behaviour("grants.client-documents-first")
def test_the_client_id_metadata_document_is_printed_for_publishing(tmp_path: Path) -> None:
    settings = tmp_path / "watchkeeper.toml"
    settings.write_text(
        '[servers.notes]\nurl = "https://notes.example/mcp"\ncredential = "user_grant"\n'
        '[servers.notes.oauth]\nclient_id = "https://me.example/watchkeeper.json"\nredirect_port = 7400\n'
    )
    printed = CliRunner().invoke(main, ["grants", "document", "notes", "--config", str(settings)])
    assert json.loads(printed.stdout) == {
        "client_id": "https://me.example/watchkeeper.json",
        "client_name": "Watchkeeper",
        "redirect_uris": ["http://127.0.0.1:7400/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    }


@pytest.mark.behaviour("credentials.as-set")
@pytest.mark.parametrize("kind", ["client_credentials", "token_exchange", "pass_through"])
def test_each_kind_of_credential_is_what_the_settings_say(
    kind: str, loaded: Loaded, issuer: AuthorizationServer, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SECRET", "s3cret")
    issuer.add_client("gateway", "s3cret")
    url = f"http://127.0.0.1:{server.port}/mcp"
    oauth = OAuthSettings(issuer=issuer.issuer, client_id="gateway", client_secret="env:OUR_SECRET")
    settings = ServerSettings(url=url, credential=kind, oauth=oauth if kind != "pass_through" else OAuthSettings())
    audience = url if kind == "pass_through" else "https://gateway.example/mcp"
    inbound = issuer.mint(audience=audience, sub="ada")
    status = asyncio.run(asked(loaded, "x", settings, principal="agent:as/ada", credential=f"Bearer {inbound}"))
    assert status == 200
    assert keeps_credential(settings) == (kind != "client_credentials")
    answer: Any = server.answer
    assert answer.claims[0]["sub"] == ("gateway" if kind == "client_credentials" else "ada")


@pytest.mark.slow
@pytest.mark.behaviour("grants.by-command")
def test_the_command_invites_a_person_and_says_what_came_of_it(
    loaded: Loaded, issuer: AuthorizationServer, tmp_path: Path
) -> None:
    notes = loaded.settings.servers["notes"]
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'[fetch]\nallow_hosts = ["127.0.0.1:{issuer.port}"]\n'
        f'[servers.notes]\nurl = "{notes.url}"\ncredential = "user_grant"\n'
        f'[servers.notes.oauth]\nissuer = "{issuer.issuer}"\nredirect_port = {notes.oauth.redirect_port}\n'
    )
    words = ["grants", "add", "notes", "--client", "laptop", "--config", str(settings), "--data", str(loaded.data_dir)]
    process = subprocess.Popen(
        [sys.executable, "-m", "watchkeeper", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stderr is not None
        invited = ""
        while issuer.issuer + "/authorize" not in invited:
            line = process.stderr.readline()
            assert line, invited
            invited += line
        assert "laptop act for them" in invited
        status, headers, _ = visit(invited.split()[-1])
        assert (status, visit(headers["location"])[0]) == (302, 200)
        printed, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, printed.splitlines()[0]) == (
        0,
        "laptop may now act for you at notes; scopes: none told.",
    )
    secrets = [text for issued in issuer.issued for text in (issued.access_token, issued.refresh_token)]
    assert [secret for secret in secrets if secret in invited + printed + rest] == []
