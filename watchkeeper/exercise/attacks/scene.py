"""Where an attack plays: the hostile server's strings, a client's connection, and the bare wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

import httpx2
import msgspec

from watchkeeper.core.files import write_private
from watchkeeper.exercise.agent import LEGACY, MODERN, Agent, Answer, connect
from watchkeeper.exercise.ports import Estate
from watchkeeper.exercise.stage import CLIENT, TIME, TRAINING, training_state

__all__ = ["LEGACY", "MODERN", "TIME", "TRAINING", "Reply", "Scene"]
_TIMEOUT = httpx2.Timeout(10.0)
_JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
VERSION = "2025-06-18"
"""Of the older era."""


class Reply(msgspec.Struct, frozen=True):
    """What came back over the wire."""

    status: int
    text: str
    headers: dict[str, str]


class Scene:
    """One estate, as an attacker has it."""

    def __init__(self, estate: Estate, server: str = TRAINING) -> None:
        self.estate = estate
        self.server = server
        """Where it plays."""
        self.mark = token_hex(2)
        """In names that have to be new: what an earlier run showed is pinned."""
        self.said: dict[str, Any] = {}
        """How the training server behaves now."""
        self._state = training_state(estate.data_dir)

    def behave(self, **said: Any) -> None:
        """From now on the training server does this, and nothing else; without arguments it is harmless."""
        self.said = said
        self._state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._state, json.dumps(said).encode())

    @asynccontextmanager
    async def agent(self, server: str = "", era: str = MODERN, *, obeys: bool = False) -> AsyncIterator[Agent]:
        """The exercise's client at a server."""
        async with connect(self.estate.url(server or self.server), await self.token(), era, obeys=obeys) as agent:
            yield agent

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """One call of the training server."""
        async with self.agent() as agent:
            return await agent.call(tool, arguments)

    async def token(self, client: str = CLIENT) -> str:
        """A bearer token of a client."""
        return await asyncio.to_thread(self.estate.token, client)

    async def send(self, body: Any, headers: Mapping[str, str], *, verb: str = "POST") -> Reply:
        """Bytes to the training server's route, with these headers beside the usual ones; an empty one is left out."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        together = {name: value for name, value in (_JSON | dict(headers)).items() if value}
        async with httpx2.AsyncClient(timeout=_TIMEOUT, trust_env=False) as http:
            request = http.build_request(verb, self.estate.url(TRAINING), content=content, headers=together)
            got = await http.send(request)
        return Reply(got.status_code, got.text[:2000], dict(got.headers))

    async def bearer(self, client: str = CLIENT) -> dict[str, str]:
        """The header that lets a client in."""
        return {"Authorization": f"Bearer {await self.token(client)}"}


def request(method: str, number: int = 1, **params: Any) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def handshake() -> dict[str, Any]:
    """The first message of the older era."""
    client = {"name": "stranger", "version": "1"}
    return request("initialize", protocolVersion=VERSION, capabilities={}, clientInfo=client)
