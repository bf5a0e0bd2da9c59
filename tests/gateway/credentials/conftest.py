"""A gateway in front of a server that really checks tokens, with a real authorization server beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.request import urlopen

import jwt
import msgspec
import pytest

from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.conftest import Answer, Got, House, RawServer, plain
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Journal
from watchkeeper.gateway.credentials.endpoint import TokenEndpoint
from watchkeeper.gateway.credentials.issued import Minutes, Purpose
from watchkeeper.gateway.credentials.issuer import Issuers
from watchkeeper.gateway.credentials.model import OAuthClient

CANARY = "canary-client-secret"
INITIALIZED = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "checking", "version": "1"},
}
Make = Callable[..., Awaitable[House]]


class Checking:
    """A server's answer: 401 unless the token is the issuer's, for this resource, alive and not revoked."""

    def __init__(self, issuer: AuthorizationServer, resource: str) -> None:
        self.issuer = issuer
        self.resource = resource
        self.claims: list[dict[str, Any]] = []
        """Of each request that was let in."""
        self.tokens: list[str] = []
        """Each that was shown."""
        self.refuses = False
        self.blocked: set[str] = set()
        """Tokens that are refused although they are good."""

    async def __call__(self, got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (await asyncio.to_thread(self._judge, got))(got, reader, writer)

    def _judge(self, got: Got) -> Answer:
        scheme, _, token = (got.header("authorization") or "").partition(" ")
        self.tokens.append(token)
        challenge = "WWW-Authenticate: Bearer\r\nContent-Type: application/json\r\n"
        try:
            claims = self._verify(token)
        except (jwt.PyJWTError, StopIteration, ValueError):
            return plain(b'{"error":"invalid_token"}', status="401 Unauthorized", headers=challenge)
        if self.refuses or token in self.blocked or scheme != "Bearer":
            return plain(b"{}", status="401 Unauthorized", headers=challenge)
        self.claims.append(claims)
        asked = msgspec.json.decode(got.body)
        result = INITIALIZED if asked["method"] == "initialize" else {"tools": []}
        return plain(msgspec.json.encode({"jsonrpc": "2.0", "id": asked.get("id"), "result": result}))

    def _verify(self, token: str) -> dict[str, Any]:
        if not self.issuer.failing:
            with urlopen(f"{self.issuer.issuer}/jwks", timeout=5) as answer:
                self._keys = jwt.PyJWKSet.from_dict(json.load(answer))
        keys = self._keys
        kid = jwt.get_unverified_header(token)["kid"]
        key = next(one for one in keys.keys if one.key_id == kid)
        self.issuer.read_token(token)  # introspection: revoked ones are refused
        return jwt.decode(token, key, algorithms=[self.issuer.alg], audience=self.resource, issuer=self.issuer.issuer)


@pytest.fixture
def resource(server: RawServer) -> str:
    return f"http://127.0.0.1:{server.port}/mcp"


@pytest.fixture
def checking(server: RawServer, authorization_server: AuthorizationServer, resource: str) -> Checking:
    server.answer = check = Checking(authorization_server, resource)
    return check


@pytest.fixture
def fetcher(authorization_server: AuthorizationServer) -> Fetcher:
    return Fetcher(FetchSettings(allow_hosts=(f"127.0.0.1:{authorization_server.port}",), seconds=5))


@pytest.fixture
def endpoint(fetcher: Fetcher, clock: ManualClock) -> TokenEndpoint:
    return TokenEndpoint(fetcher, Issuers(fetcher, clock), clock)


@pytest.fixture
def minutes(journal: Journal, clock: ManualClock) -> Minutes:
    return Minutes(journal, clock)


@pytest.fixture
def purpose(authorization_server: AuthorizationServer, resource: str) -> Purpose:
    authorization_server.add_client("gateway", CANARY)
    client = OAuthClient(authorization_server.issuer, "gateway", Secret(CANARY))
    return Purpose("srv", client, resource, ("read", "write"))


def everything_told(house: House, caplog: pytest.LogCaptureFixture) -> str:
    """Every event and every line of our own log, as text."""
    ours = (record for record in caplog.records if record.name.startswith(("watchkeeper", "asyncio")))
    return repr(house.events("")) + "".join(f"{record.getMessage()}{record.exc_text}" for record in ours)
