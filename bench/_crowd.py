"""Many clients of the gateway at once, for what wrk cannot do: sessions that are held, and a steady pace."""

from __future__ import annotations

import asyncio
import json
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import _peers as peers
from _messages import RESULT, call

GREETING = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "bench", "version": "1"},
        },
    }
)
INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        },
    }
).encode()


def resident_mb(pid: int) -> float:
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * resource.getpagesize() / 1e6


def head(way: peers.Way, length: int, *more: str) -> bytes:
    lines = [
        "POST /mcp HTTP/1.1",
        f"Host: {way.url.split('/')[2]}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"Authorization: Bearer {way.token}",
        *more,
        f"Content-Length: {length}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    said = await reader.readuntil(b"\r\n\r\n")
    length = int(said.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(said.split(b" ", 2)[1]), await reader.readexactly(length)


def idle_sessions(folder: Path, count: int) -> list[dict[str, Any]]:
    """Resident memory with so many sessions of the older era, each on its open connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count * 2 + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        print(f"SKIPPED idle sessions: {hard} open files are allowed, {wanted} are needed", file=sys.stderr)
        return []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    port, home = peers.free_port(), folder / "idle"
    home.mkdir()
    greeting = (
        f"server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; "
        f"add_header Mcp-Session-Id $request_id; return 200 '{GREETING}'; }} }}"
    )
    url = f"http://127.0.0.1:{port}/mcp"
    with peers.nginx(home, "server", greeting, 1), peers.ours(home / "data", url, "crowd") as way:
        before = resident_mb(way.pid)
        after = asyncio.run(_hold(way, count))
    name = f"idle_sessions_{count}"
    return [
        {"metric": f"{name}_mb", "value": round(after, 1), "unit": "MB"},
        {"metric": f"{name}_kb_each", "value": round((after - before) * 1000 / count, 1), "unit": "KB"},
    ]


async def _hold(way: peers.Way, count: int) -> float:
    links = []
    data = head(way, len(INITIALIZE)) + INITIALIZE
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(way.url.split(":")[2].split("/")[0]))
        writer.write(data)
        status, _ = await answered(reader)
        if status != 200:
            raise SystemExit(f"a session was refused: {status}")
        links.append(writer)
    resident = resident_mb(way.pid)
    for writer in links:
        writer.close()
    return resident


def soak(folder: Path, seconds: int, rate: int) -> list[dict[str, Any]]:
    """A steady pace for a long while: errors, the slowest hundredth, and whether memory grows."""
    port, home = peers.free_port(), folder / "soak"
    home.mkdir()
    url = f"http://127.0.0.1:{port}/mcp"
    with peers.nginx(home, "server", peers.answering(port, RESULT, home), 1), peers.ours(home / "data", url) as way:
        return asyncio.run(_pace(way, seconds, rate))


async def _pace(way: peers.Way, seconds: int, rate: int, links: int = 16) -> list[dict[str, Any]]:
    port = int(way.url.split(":")[2].split("/")[0])
    mirrors = ("MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: echo")
    bodies = [call(number=number) for number in range(4096)]
    requests = [head(way, len(body), *mirrors) + body for body in bodies]
    taken: list[float] = []
    state = {"errors": 0, "next": 0}
    began = time.perf_counter()
    marks: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            number = state["next"]
            state["next"] += 1
            due = began + number / rate
            if due > began + seconds:
                break
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            sent = time.perf_counter()
            writer.write(requests[number % len(requests)])
            status, body = await answered(reader)
            taken.append(time.perf_counter() - sent)
            if status != 200 or b'"isError":true' in body:
                state["errors"] += 1
        writer.close()

    async def watch() -> None:
        while True:
            await asyncio.sleep(seconds / 20)
            marks.append(resident_mb(way.pid))

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(one() for _ in range(links)))
    watching.cancel()
    taken.sort()
    p99 = taken[math.ceil(len(taken) * 0.99) - 1] * 1000
    print(f"  soak: {len(taken)} calls in {time.perf_counter() - began:.0f} s; MB: {marks}", file=sys.stderr)
    return [
        {"metric": "soak_errors", "value": state["errors"], "unit": "calls"},
        {"metric": "soak_calls_per_second", "value": round(len(taken) / seconds), "unit": "calls/s"},
        {"metric": "soak_p99_ms", "value": round(p99, 2), "unit": "ms"},
        {"metric": "soak_memory_growth", "value": round(marks[-1] / marks[1], 3), "unit": "ratio"},
    ]
