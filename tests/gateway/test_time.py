"""When time is up the client is answered and the server is told to stop, in both eras; progress buys no more of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.gateway.conftest import SSE_HEAD, WAIT, Got, House, as_chunk, begin, call, mirrors, plain
from watchkeeper.app.upstreams import own_times
from watchkeeper.gateway.settings import GatewaySettings, ServerSettings

MakeHouse = Callable[..., Awaitable[House]]
PROGRESS = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}\n\n'


class Hanging:
    """A server that never answers a call: silent, or busy with progress. Knows what was cancelled."""

    def __init__(self, house: House, *, progress: bool) -> None:
        self.cancelled: asyncio.Queue[Any] = asyncio.Queue()
        self._progress = progress
        house.server.answer = self

    async def __call__(self, got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = msgspec.json.decode(got.body)
        if message["method"] == "notifications/cancelled":
            self.cancelled.put_nowait((message["params"]["requestId"], got.header("mcp-session-id")))
            await plain(b"", status="202 Accepted", headers="")(got, reader, writer)
            return
        if not self._progress:
            await reader.read()
            return
        writer.write(SSE_HEAD)
        while True:
            writer.write(as_chunk(PROGRESS))
            await writer.drain()
            await asyncio.sleep(0.02)


def last_of(got: Got) -> Any:
    """The answer, in one piece or at the end of a stream."""
    return msgspec.json.decode(got.body.rsplit(b"data: ", 1)[-1])


@pytest.mark.behaviour("upstream.time-is-up")
@pytest.mark.parametrize("progress", [False, True], ids=["silent", "progress"])
async def test_a_call_of_the_newer_era_ends_at_its_ceiling_by_closing_the_connection(
    make_house: MakeHouse, progress: bool
) -> None:
    house = await make_house(answer_seconds=60, stream_idle_seconds=60, ceiling_seconds=0.3)
    hanging = Hanging(house, progress=progress)
    got = await house.post(call(id="x", modern=True), *mirrors())
    assert (last_of(got)["id"], last_of(got)["error"]["code"]) == ("x", 50400)
    await asyncio.wait_for(house.server.closed.wait(), WAIT)
    assert hanging.cancelled.empty()
    assert house.events()[0].body["ending"] == "upstream_silent"


@pytest.mark.behaviour("upstream.time-is-up")
@pytest.mark.parametrize("progress", [False, True], ids=["silent", "progress"])
async def test_a_call_of_the_older_era_ends_at_its_ceiling_and_its_server_is_told(
    make_house: MakeHouse, progress: bool
) -> None:
    house = await make_house(answer_seconds=60, stream_idle_seconds=60, ceiling_seconds=0.3)
    session = await begin(house)
    hanging = Hanging(house, progress=progress)
    got = await house.post(call(id="x"), session)
    assert (last_of(got)["id"], last_of(got)["error"]["code"]) == ("x", 50400)
    assert await asyncio.wait_for(hanging.cancelled.get(), WAIT) == ("x", "s-1")


@pytest.mark.behaviour("upstream.own-times")
def test_a_server_may_have_times_of_its_own() -> None:
    settings = GatewaySettings(answer_seconds=7, ceiling_seconds=8)
    own = own_times(settings, ServerSettings(url="http://127.0.0.1:1/mcp", ceiling_seconds=2, connect_seconds=1))
    times = (own.connect_seconds, own.answer_seconds, own.stream_idle_seconds, own.ceiling_seconds)
    assert times == (1, 7, settings.stream_idle_seconds, 2)
