"""A small MCP server of both eras for the benchmark's peers: greets, lists one tool, answers it with 2 KB. `PORT`."""

from __future__ import annotations

import asyncio
import json
import sys

from _messages import RESULT

TOOL = {"name": "echo", "description": "Says it again.", "inputSchema": {"type": "object"}}
TEXT = json.loads(RESULT)["result"]


def result_of(method: str) -> dict[str, object]:
    if method == "initialize":
        return {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "bench", "version": "1"},
        }
    if method == "server/discover":
        return {
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "bench", "version": "1"},
            "ttlMs": 60_000,
            "cacheScope": "public",
        }
    if method == "tools/list":
        return {"resultType": "complete", "tools": [TOOL], "ttlMs": 60_000, "cacheScope": "public"}
    return TEXT if method == "tools/call" else {"resultType": "complete"}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"post"):
                writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                continue
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            message = json.loads(await reader.readexactly(length))
            if "id" not in message:
                writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                continue
            said = {"jsonrpc": "2.0", "id": message["id"], "result": result_of(message["method"])}
            body = json.dumps(said).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port: int) -> None:
    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
