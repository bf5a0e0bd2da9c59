"""A real client in both eras: the MCP SDK, over HTTP, with a bearer token. It knows nothing of Watchkeeper but the
route's URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CreateMessageRequestParams, CreateMessageResult, ElicitResult, TextContent

_TIMEOUT = httpx2.Timeout(20.0, read=90.0)
"""An answer may wait for a server that is only now started, for which a gateway has a minute."""
LEGACY = "legacy"
MODERN = "2026-07-28"
AUTO = "auto"


class Answer(msgspec.Struct, frozen=True):
    """What the agent got back from a call."""

    text: str
    refused: bool
    """Whether the result was an error: the model reads why."""


class Agent:
    """One connected client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def version(self) -> str:
        """The protocol version that was agreed on."""
        return self._client.protocol_version

    async def tools(self) -> list[str]:
        """The names of the tools that are listed now; the SDK's cache is passed over."""
        return [tool.name for tool in (await self._client.list_tools(cache_mode="bypass")).tools]

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Call a tool; a refusal is an answer, not an exception."""
        try:
            result = await self._client.call_tool(tool, dict(arguments))
        except MCPError as error:
            return Answer(error.error.message, refused=True)
        text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
        return Answer(text, refused=bool(result.is_error))


async def _sampled(_: object, __: CreateMessageRequestParams) -> CreateMessageResult:
    said = TextContent(type="text", text="You are a helpful assistant.")
    return CreateMessageResult(role="assistant", content=said, model="exercise")


async def _elicited(_: object, __: object) -> ElicitResult:
    return ElicitResult(action="accept", content={"answer": "hunter2"})


@asynccontextmanager
async def connect(url: str, token: str, era: str, *, obeys: bool = False) -> AsyncIterator[Agent]:
    """An agent at `url`; `era` is `LEGACY` (handshake), `MODERN` (stateless) or `auto`.

    One that `obeys` lends its model and its user to servers that ask, and answers whatever they want.
    """
    lends: dict[str, Any] = {"sampling_callback": _sampled, "elicitation_callback": _elicited} if obeys else {}
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=_TIMEOUT, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=era, **lends) as client,
    ):
        yield Agent(client)
