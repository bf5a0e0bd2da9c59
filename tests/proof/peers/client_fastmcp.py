"""FastMCP's client: `client_fastmcp.py URL TOKEN` uses one of each and prints what it got."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def main(url: str, token: str) -> None:
    async with Client(StreamableHttpTransport(url, headers={"Authorization": f"Bearer {token}"})) as client:
        tools = await client.list_tools()
        sum_ = await client.call_tool("add", {"a": 2, "b": 3})
        read = await client.read_resource("res://one")
        said = await client.get_prompt("greet", {"name": "Ada"})
        print(json.dumps({
            "version": "", "tools": [tool.name for tool in tools], "sum": sum_.content[0].text,
            "read": read[0].text, "said": said.messages[0].content.text,
        }))  # fmt: skip


asyncio.run(main(*sys.argv[1:]))
