"""A real client of either era for the conformance suite: lists what there is, and uses each of it once.

`client.py URL` talks to URL. With `WATCHKEEPER_TEST_BEHIND=observe|enforce` it starts a gateway in front of URL first
and talks to that.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import mcp_types as types
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.proof.gateway import gateway_before

SAMPLES: dict[str, Any] = {"string": "test", "number": 2.5, "integer": 3, "boolean": True, "array": [], "object": {}}


def sample(schema: dict[str, Any]) -> Any:
    """A value of that schema."""
    if "default" in schema or "enum" in schema:
        return schema.get("default", schema.get("enum", [None])[0])
    if schema.get("type") == "object" or "properties" in schema:
        return {name: sample(one) for name, one in schema.get("properties", {}).items()}
    kind = schema.get("type", "string")
    return SAMPLES.get(kind[0] if isinstance(kind, list) else kind, "test")


async def elicited(context: Any, params: Any) -> types.ElicitResult:
    """The user takes the defaults and confirms."""
    properties = getattr(params, "requested_schema", {}).get("properties", {})
    return types.ElicitResult(action="accept", content={name: sample(one) for name, one in properties.items()})


async def sampled(context: Any, params: Any) -> types.CreateMessageResult:
    """A model that says one thing."""
    return types.CreateMessageResult(role="assistant", content=types.TextContent(text="Paris"), model="m")


async def roots(context: Any) -> types.ListRootsResult:
    """One root."""
    return types.ListRootsResult(roots=[types.Root(uri="file:///x")])


async def use(client: Client) -> None:
    """Each tool once, as the scenario says or with made-up arguments; then a resource and a prompt."""
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    tools = (await client.list_tools()).tools
    schemas = {tool.name: tool.input_schema for tool in tools}
    rich = {"schema": schemas.get("json_schema_2020_12_tool")}
    made_up = [
        {"name": name, "arguments": rich if "echo" in name and rich["schema"] else sample(schema)}
        for name, schema in schemas.items()
    ]
    calls = context.get("toolCalls") or made_up
    for one in calls:
        try:
            await client.call_tool(one["name"], one.get("arguments") or {})
        except (MCPError, ValueError) as error:  # a scenario may answer nonsense, and then go on
            print(f"{one['name']}: {error}")
    if client.server_capabilities.resources is not None:
        for resource in (await client.list_resources()).resources[:1]:
            await client.read_resource(str(resource.uri))
    if client.server_capabilities.prompts is not None:
        for prompt in (await client.list_prompts()).prompts[:1]:
            given = {argument.name: "test" for argument in prompt.arguments or []}
            await client.get_prompt(prompt.name, given)


async def main(url: str) -> None:
    """Connect and use."""
    behind = os.environ.get("WATCHKEEPER_TEST_BEHIND")
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
    async with AsyncExitStack() as stack:
        headers = {}
        if behind:
            url, token = stack.enter_context(gateway_before(url, observe=behind == "observe"))
            headers = {"Authorization": f"Bearer {token}"}
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=30, follow_redirects=True))
        client = Client(
            streamable_http_client(url, http_client=http),
            mode="auto" if version >= "2026" else "legacy",
            elicitation_callback=elicited,
            sampling_callback=sampled,
            list_roots_callback=roots,
        )
        async with client:
            await use(client)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
