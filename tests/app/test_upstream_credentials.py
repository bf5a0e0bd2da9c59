"""A gateway process as the settings describe it, with a real authorization server on both sides of it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import environment
from tests.app.gateway_process import WITHIN, Client, until
from tests.app.test_grants import free_port, issuer, server
from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.conftest import RawServer
from tests.gateway.credentials.browser import Browser
from watchkeeper.app.administration import Administration
from watchkeeper.app.grants import add_grant, end_grant
from watchkeeper.app.platform import prepare
from watchkeeper.app.settings import load
from watchkeeper.events import JournalReader

__all__ = ["free_port", "issuer", "server"]
SECRET = "canary-of-the-environment"


@contextmanager
def gateway(settings: Path, data: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """The service; its servers' addresses and its log."""
    log = data.parent / "gateway.log"
    words = [sys.executable, "-m", "watchkeeper", "service", "gateway", "--config", str(settings), "--data", str(data)]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=stderr, env=environment() | {"OUR_SECRET": SECRET}
        )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], WITHIN)[0], log.read_text()
        said = process.stdout.readline()
        assert said, log.read_text()
        ready = json.loads(said)
        yield ready["servers"] | ready.get("endpoints", {}), log
    finally:
        process.terminate()
        process.communicate(timeout=WITHIN)


@pytest.mark.slow
@pytest.mark.behaviour("credentials.as-set")
def test_a_running_gateway_gives_each_server_what_its_settings_say_and_tells_no_secret(
    issuer: AuthorizationServer, server: RawServer, free_port: int, tmp_path: Path
) -> None:
    data, url = tmp_path / "data", f"http://127.0.0.1:{server.port}/mcp"
    named = f'url = "{url}"\ncredential'
    oauth = f'issuer = "{issuer.issuer}"\nclient_id = "gateway"\nclient_secret = "env:OUR_SECRET"\n'
    settings = tmp_path / "watchkeeper.toml"
    settings.write_text(
        f'[gateway]\nport = 0\n[fetch]\nallow_hosts = ["127.0.0.1:{issuer.port}"]\n'
        f'[issuers.as]\nurl = "{issuer.issuer}"\n'
        f'[servers.own]\n{named} = "client_credentials"\n[servers.own.oauth]\n{oauth}'
        f'[servers.user]\n{named} = "token_exchange"\n[servers.user.oauth]\n{oauth}'
        f'[servers.notes]\n{named} = "user_grant"\n'
        f'[servers.notes.oauth]\nissuer = "{issuer.issuer}"\nredirect_port = {free_port}\n'
        '[endpoints.both]\nservers = ["own", "user"]\n'
    )
    issuer.add_client("gateway", SECRET)
    prepare(data)
    laptop = str(Administration(data).call("clients.add", name="laptop")["token"])
    checking: Any = server.answer
    with gateway(settings, data) as (urls, log):
        clients = {name: Client(address, laptop) for name, address in urls.items()}
        assert clients["own"].ask("tools/list").status == 200
        assert clients["user"].ask("tools/list").json["error"]["code"] == 40302  # a token of ours is not exchanged
        inbound = issuer.mint(audience=urls["user"], sub="ada")
        clients["user"].token = inbound
        for _ in range(2):
            assert clients["user"].ask("tools/list").status == 200
        seen = len(checking.claims)
        clients["both"].token = issuer.mint(audience=urls["both"], sub="ada")
        session = clients["both"].initialize()
        assert clients["both"].ask("tools/list", session).status == 200
        assert {claims["sub"] for claims in checking.claims[seen:]} == {"ada", "gateway"}
        assert clients["both"].token not in checking.tokens
        assert clients["notes"].ask("tools/list").json["error"]["code"] == 40302
        issuer.user.id = "grace"  # type: ignore[union-attr]
        browser = Browser()
        add_grant(load(settings, data), "notes", "laptop", browser)
        browser.join()
        until(lambda: "result" in clients["notes"].ask("tools/list").json)
        end_grant(load(settings, data), "notes", "laptop")
        until(lambda: "error" in clients["notes"].ask("tools/list").json)
        for client in clients.values():
            client.close()
    assert {claims["sub"] for claims in checking.claims} == {"gateway", "ada", "grace"}
    assert inbound not in checking.tokens
    assert laptop not in checking.tokens
    events = repr([record.event for record in JournalReader(data).read({}, 10_000)])
    stored = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    told = events + log.read_text()
    secrets = [SECRET, inbound, *checking.tokens, *(one.access_token for one in issuer.issued)]
    secrets += [one.refresh_token for one in issuer.issued if one.refresh_token]
    assert [secret for secret in secrets if secret and (secret in told or secret.encode() in stored)] == []
    assert "gateway.grant.added" in events
    assert os.stat(data / "keys" / "grants.key").st_mode & 0o777 == 0o600
