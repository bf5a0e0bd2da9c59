"""The MCP SDK's own OAuth client, a real authorization server, the gateway, and a real MCP server behind it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.conftest import Nobody, Scripted
from tests.gateway.test_oauth import issuers_of
from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.protocol.spawn import Command, Spawner

BACK = "http://127.0.0.1:9/back"


class Memory:
    """What a client keeps of its grant."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Somebody with a browser, who agrees to everything."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self._answer: dict[str, str] = {}

    async def sent_to(self, url: str) -> None:
        self.asked.append(_query(url))
        async with httpx2.AsyncClient(trust_env=False) as browser:
            self._answer = _query((await browser.get(url)).headers["location"])

    async def came_back(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(
            code=self._answer["code"], state=self._answer["state"], iss=self._answer.get("iss")
        )


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
async def gateway(authorization_server: AuthorizationServer, journal: Journal) -> AsyncIterator[Gateway]:
    """In front of the training server, whose `weather` needs a scope of its own."""
    spawner = Spawner(os.environ)
    command = Command((sys.executable, "-m", "watchkeeper.exercise.training_server"))
    limits = Limits(stop_seconds=2.0)
    upstream = StdioUpstream("real", command, spawner=spawner, recorder=journal, clock=SystemClock(), limits=limits)
    scopes: dict[str, Any] = {"scopes": ("mcp.use",), "tool_scopes": {"weather": ("weather.read",)}}
    gateway = Gateway(
        [Route(name="real", upstream=upstream, **scopes)],
        guard=Scripted(),
        identities=Nobody(),
        journal=journal,
        clock=SystemClock(),
        settings=GatewaySettings(),
        issuers=issuers_of(authorization_server),
    )
    await gateway.start()
    yield gateway
    await gateway.drain(0)
    spawner.close()


def events(journal: Journal, folder: Path, prefix: str) -> list[Event]:
    journal.wait(journal.append(Event(v=1, id="last", time=0, kind="gateway.process.started")))
    records = JournalReader(folder).read({}, 10_000)
    return [r.event for r in records if r.event is not None and r.event.kind.startswith(prefix)]


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
@pytest.mark.behaviour("oauth.real-client")
async def test_a_client_finds_its_way_to_a_token_and_to_more_scopes(
    gateway: Gateway, authorization_server: AuthorizationServer, journal: Journal, tmp_path: Path, era: str
) -> None:
    url = f"http://127.0.0.1:{gateway.ports['real']}/mcp"
    person, memory = Person(), Memory()
    registration = OAuthClientMetadata(client_name="test", redirect_uris=[BACK], token_endpoint_auth_method="none")
    auth = OAuthClientProvider(url, registration, memory, person.sent_to, person.came_back)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=era) as client,
    ):
        assert [tool.name for tool in (await client.list_tools()).tools]
        assert [one["scope"] for one in person.asked] == ["mcp.use"]
        result = await client.call_tool("weather", {"city": "Lisbon"})
        assert "Lisbon" in str(result.content)
    assert len(person.asked) == 2
    assert set(person.asked[1]["scope"].split()) == {"mcp.use", "weather.read"}
    assert {one["resource"] for one in person.asked} == {url}
    assert all(one["code_challenge_method"] == "S256" for one in person.asked)
    assert memory.tokens is not None
    assert authorization_server.read_token(memory.tokens.access_token)["aud"] == url
    [elevated] = events(journal, tmp_path, "gateway.scope.elevated")
    assert (elevated.actor, elevated.body["gained"]) == ("agent:corp/ada", ["weather.read"])
    assert {e.actor for e in events(journal, tmp_path, "gateway.request.decided")} == {"agent:corp/ada"}
