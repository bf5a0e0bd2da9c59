"""A real gateway with a policy that asks for a person, between a raw client and a raw server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import WAIT, Got, RawServer, call, mirrors, plain, post, read_message
from watchkeeper.app.approving import Approving
from watchkeeper.app.gateway import fit_out
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.renewal import Fitted
from watchkeeper.app.settings import Loaded, PolicySettings, Settings
from watchkeeper.events import Event, JournalReader
from watchkeeper.gateway.aggregate.settings import EndpointSettings
from watchkeeper.gateway.approvals import ApprovalSettings, Choice
from watchkeeper.gateway.identity import Terms
from watchkeeper.gateway.limits.settings import LimitSettings
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.settings import GatewaySettings

POLICY = """
@id("mine.pay")
@reason("A person decides about payments.")
@effect("ask") @quorum("1") @role("responder") @expires("15m")
forbid (principal, action == Action::"call_tool", resource == Tool::"bank/pay");

@id("mine.read")
@reason("A person decides what is read.")
@effect("ask")
forbid (principal, action == Action::"read_resource", resource);
"""
PAY = b'{"name":"pay","description":"Pays.","inputSchema":{"type":"object"}}'
OTHER_PAY = b'{"name":"pay","description":"Pays at once.","inputSchema":{"type":"object"}}'
ADA = "operator:ada"


class Office:
    """The gateway, the server behind it, and who decides."""

    def __init__(self, platform: Platform, fitted: Fitted, server: RawServer, token: bytes) -> None:
        self.platform = platform
        self.fitted = fitted
        self.server = server
        self.token = token
        self.tools = PAY
        self.door = "bank"
        """The route or endpoint that clients come to."""
        server.answer = self._answer

    @property
    def port(self) -> int:
        return self.fitted.gateway.ports[self.door]

    async def _answer(self, got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = msgspec.json.decode(got.body)
        result: Any = {"content": [{"type": "text", "text": "paid"}]}
        head = "Content-Type: application/json\r\n"
        if asked["method"] == "tools/list":
            result = {"tools": [msgspec.Raw(self.tools)]}
        elif asked["method"] == "initialize":
            server = {"serverInfo": {"name": "bank", "version": "1"}, "capabilities": {"tools": {}}}
            result, head = {"protocolVersion": "2025-11-25", **server}, head + "Mcp-Session-Id: s-1\r\n"
        elif asked["method"] == "server/discover":
            result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "resultType": "complete"}
        elif asked["method"] == "resources/read":
            result = {"contents": []}
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": asked.get("id"), "result": result})
        await plain(body, headers=head)(got, reader, writer)

    def calls(self) -> list[bytes]:
        """What reached the server of what a person decides about."""
        sent = [got.body for got in self.server.got]
        return [body for body in sent if b'"tools/call"' in body or b'"resources/read"' in body]

    async def send(self, body: bytes, *headers: tuple[str, str]) -> Got:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(post(body, *headers, port=self.port, token=self.token))
            return await asyncio.wait_for(read_message(reader, is_answer=True), 2 * WAIT)
        finally:
            writer.close()

    async def pay(
        self, *, modern: bool = False, id: int = 1, session: str = "", tool: str = "pay", **arguments: Any
    ) -> Got:
        body = call(id=id, modern=modern, name=tool, arguments=arguments or {"to": "ada", "sum": 10})
        headers = mirrors(name=tool) if modern else [("Mcp-Session-Id", session)] if session else []
        return await self.send(body, *headers)

    async def begin(self) -> str:
        """A session of the older era."""
        got = await self.send(call("initialize"))
        return got.header("mcp-session-id") or ""

    async def waiting(self, most: int = 1) -> list[dict[str, Any]]:
        """What waits for a person, once so many calls are held."""
        async with asyncio.timeout(WAIT):
            while len(self.fitted.desk.waits.ids()) < most:
                await asyncio.sleep(0.005)
        return self.listed("pending")

    def listed(self, state: str = "") -> list[dict[str, Any]]:
        return Approving(self.platform).list({"state": state})

    async def decide(self, approval: str, choice: Choice = Choice.APPROVE, **more: Any) -> dict[str, Any]:
        asked = {"approval": approval, "by": ADA, "choice": choice} | more
        return await asyncio.to_thread(Approving(self.platform).decide, asked)

    def events(self, prefix: str) -> list[Event]:
        last = self.platform.journal.append(Event(v=1, id="last", time=0, kind="gateway.process.started"))
        self.platform.journal.wait(last)
        records = JournalReader(self.platform.data_dir).read({}, 10_000)
        return [r.event for r in records if r.event is not None and r.event.kind.startswith(prefix)]


Open = Callable[..., Awaitable[Office]]


@pytest.fixture
async def open_office(tmp_path: Path, server: RawServer) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def make(
            *,
            policy: str = POLICY,
            shadow: bool = False,
            limits: dict[str, LimitSettings] | None = None,
            terms: Terms | None = None,
            tool_scopes: dict[str, tuple[str, ...]] | None = None,
            **settings: Any,
        ) -> Office:
            folder = tmp_path / "policies"
            folder.mkdir(exist_ok=True)
            (folder / "mine.cedar").write_text(policy)
            approvals = ApprovalSettings(**{"wait_seconds": 10.0} | settings)
            loaded = Loaded(
                Settings(
                    gateway=GatewaySettings(port=0),
                    endpoints={"all": EndpointSettings(servers=("bank",))},
                    policy=PolicySettings((str(folder),)),
                    approvals=approvals,
                    limits=limits or {},
                ),
                tmp_path / "data",
            )
            platform = stack.enter_context(opened(loaded.data_dir, "gateway"))
            token = f"Bearer {platform.clients.mint('claude', ADA, (), terms or Terms())}".encode()
            upstream = HttpUpstream(f"http://127.0.0.1:{server.port}/mcp", loaded.settings.gateway)
            route = Route(name="bank", upstream=upstream, shadow=shadow, tool_scopes=tool_scopes or {})
            fitted = fit_out(loaded, [route], platform)
            await fitted.control.start()
            stack.push_async_callback(fitted.control.close)
            await fitted.gateway.start()
            stack.push_async_callback(fitted.gateway.drain, 0)
            return Office(platform, fitted, server, token)

        yield make


@pytest.fixture
async def office(open_office: Open) -> Office:
    return await open_office()
