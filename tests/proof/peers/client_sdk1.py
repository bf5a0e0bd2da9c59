"""A client made with the Python SDK 1.x: `client_sdk1.py URL TOKEN` uses one of each and prints what it got."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def main(url: str, token: str) -> None:
    async with (
        streamablehttp_client(url, headers={"Authorization": f"Bearer {token}"}) as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        hello = await session.initialize()
        await session.send_ping()
        tools = await session.list_tools()
        sum_ = await session.call_tool("add", {"a": 2, "b": 3})
        read = await session.read_resource("res://one")
        said = await session.get_prompt("greet", {"name": "Ada"})
        print(json.dumps({
            "version": hello.protocolVersion, "tools": [tool.name for tool in tools.tools], "sum": sum_.content[0].text,
            "read": read.contents[0].text, "said": said.messages[0].content.text,
        }))  # fmt: skip


asyncio.run(main(*sys.argv[1:]))
