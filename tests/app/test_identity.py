"""`watchkeeper gateway` with an issuer and TLS in its settings file: what the settings say is what the process does."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.app.conftest import command
from tests.app.gateway_process import WITHIN, Client, GatewayProcess, gateway_process
from tests.app.mcp_server import small_server
from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.certificates import Authority, Pair
from watchkeeper.events import JournalReader


@pytest.fixture(scope="module")
def issuer() -> Iterator[AuthorizationServer]:
    with AuthorizationServer.running() as one:
        yield one


def settings(folder: Path, server: str, issuer: AuthorizationServer, authority: Authority) -> Path:
    pair = authority.issue("port", dns=["localhost"], ips=["127.0.0.1"])
    file = folder / "watchkeeper.toml"
    file.write_text(
        f"""
        [gateway]
        port = 0
        tls_certificate = "{pair.certificate}"
        tls_key = "{pair.key}"
        tls_client_ca = "{authority.path}"
        client_certificates = "optional"
        certificate_clients = {{ "dns:agent.test" = "acme:robot" }}
        [servers.small]
        url = "{server}"
        scopes = ["use"]
        tool_scopes = {{ "echo" = ["echo"] }}
        [issuers.corp]
        url = "{issuer.issuer}"
        tenant_claim = "tid"
        [fetch]
        allow_hosts = ["127.0.0.1:{issuer.port}"]
        """,
        encoding="utf-8",
    )
    return file


class Secured(Client):
    """The same client over TLS, with a certificate if it is given one."""

    def __init__(self, running: GatewayProcess, token: str, authority: Authority, pair: Pair | None = None) -> None:
        super().__init__(running.url, token)
        parts = urlsplit(running.url)
        tls = authority.trusting(pair)
        self.link = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=WITHIN, context=tls)


@pytest.mark.slow
@pytest.mark.behaviour("oauth.by-settings")
def test_issuers_scopes_tenants_and_certificates_of_the_settings_are_in_force(
    tmp_path: Path, issuer: AuthorizationServer
) -> None:
    authority = Authority(tmp_path / "ca")
    with small_server() as server:
        file = settings(tmp_path, server.url, issuer, authority)
        with gateway_process(tmp_path, "--config", str(file)) as running:
            assert running.url.startswith("https://127.0.0.1:")
            for claims, status in (
                ({"scope": "use echo", "tid": "acme"}, 200),
                ({"scope": "use", "tid": "acme"}, 403),
                ({"scope": "echo", "tid": "acme"}, 403),
                ({"scope": "use echo"}, 401),
                ({"scope": "use echo", "tid": "acme", "aud": server.url}, 401),
            ):
                client = Secured(running, issuer.mint(**{"audience": running.url} | claims), authority)
                assert client.call().status == status, claims
                client.close()
            added = command("clients", "add", "robot", "--tenant", "acme", "--data", str(running.data), "--json")
            assert added.returncode == 0, added.stderr
            robot = Secured(running, "", authority, authority.issue("robot", dns=["agent.test"], is_client=True))
            answer = robot.send("POST", b"{}", Authorization="")
            assert answer.status == 401  # an empty token is not no token
            robot.close()
            got = _call_without_token(robot)
            assert got == 200
        found = [r.event for r in JournalReader(running.data).read({}, 10_000) if r.event is not None]
        decided = [(e.tenant, e.actor, e.outcome) for e in found if e.kind == "gateway.request.decided"]
        assert decided[0] == ("acme", "agent:acme:corp/ada", "allow")
        assert decided[-1] == ("acme", "agent:acme:robot", "allow")
        searched = command("events", "search", "--tenant", "acme", "--data", str(running.data), "--json")
        assert "agent:acme:robot" in searched.stdout
        assert all(message["method"] in ("tools/list", "tools/call") for message in server.got)


def _call_without_token(client: Client) -> int:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {}}})
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    client.link.request("POST", client.path, body, headers)
    status = client.link.getresponse().status
    client.close()
    return status
