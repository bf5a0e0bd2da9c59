"""A legacy server written to the text of 2024-11-05, byte by byte, and a driver in front of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.gateway.conftest import Got, RawServer
from tests.gateway.stdio.conftest import Driver, Remembered
from watchkeeper.gateway.http_sse import SseUpstream
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.stdio.model import Limits

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nAccepted"
INITIALIZED = {"protocolVersion": "2024-11-05", "capabilities": {}, "serverInfo": {"name": "old", "version": "1"}}


def sse_upstream(
    url: str, settings: GatewaySettings, *, headers: dict[str, str] | None = None, limits: Limits | None = None
) -> SseUpstream:
    def reaching(where: str) -> HttpUpstream:
        return HttpUpstream(where, settings, headers=headers)

    return SseUpstream(url, settings, streams=reaching(url), posts_to=reaching, limits=limits)


Reply = Callable[["OldServer", dict[str, Any]], Awaitable[None]]


def event(name: str, data: Any) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return f"event: {name}\ndata: {text}\n\n".encode()


class OldServer(RawServer):
    """`GET /sse` gets a stream, `POST /messages` is answered on it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = event("endpoint", "/messages?session=1")
        self.posted: list[dict[str, Any]] = []
        self.streams: list[asyncio.StreamWriter] = []
        self.accepted = ACCEPTED
        self.reply: Reply = OldServer.echo
        self.answer = self._serve_old

    async def _serve_old(self, got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if got.first.startswith("GET"):
            self.streams.append(writer)
            writer.write(HEAD + self.first)
            await writer.drain()
            await reader.read()  # until the other side closes
            writer.close()
            return
        writer.write(self.accepted)
        await writer.drain()
        message = json.loads(got.body)
        self.posted.append(message)
        await self.reply(self, message)

    async def say(self, data: bytes, stream: int = -1) -> None:
        self.streams[stream].write(data)
        await self.streams[stream].drain()

    async def message(self, message: dict[str, Any], stream: int = -1) -> None:
        await self.say(event("message", {"jsonrpc": "2.0", **message}), stream)

    async def echo(self, message: dict[str, Any]) -> None:
        if "method" in message and "id" in message:
            result = INITIALIZED if message["method"] == "initialize" else {"echo": message["params"]}
            await self.message({"id": message["id"], "result": result})


@pytest.fixture
async def old() -> AsyncIterator[OldServer]:
    server = OldServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def drive(old: OldServer) -> AsyncIterator[Callable[..., Driver]]:
    """`drive(start_seconds=…)` is a client of a new route to the old server."""
    upstreams: list[SseUpstream] = []

    def make(*, headers: dict[str, str] | None = None, **limits: Any) -> Driver:
        bounds = Limits(**{"start_seconds": 5.0, "request_seconds": 5.0} | limits)
        url = f"http://127.0.0.1:{old.port}/sse"
        upstream = sse_upstream(url, GatewaySettings(answer_seconds=5.0), headers=headers, limits=bounds)
        upstreams.append(upstream)
        return Driver(upstream, Remembered())

    yield make
    for upstream in upstreams:
        await upstream.close()
