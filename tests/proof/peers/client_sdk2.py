"""A client made with the Python SDK 2.x: `client_sdk2.py URL TOKEN legacy|auto` prints what it got."""

import asyncio
import json
import sys

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, token: str, mode: str) -> None:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        tools = await client.list_tools()
        sum_ = await client.call_tool("add", {"a": 2, "b": 3})
        read = await client.read_resource("res://one")
        said = await client.get_prompt("greet", {"name": "Ada"})
        print(json.dumps({
            "version": client.protocol_version, "tools": [tool.name for tool in tools.tools],
            "sum": sum_.content[0].text, "read": read.contents[0].text, "said": said.messages[0].content.text,
        }))  # fmt: skip


asyncio.run(main(*sys.argv[1:]))
