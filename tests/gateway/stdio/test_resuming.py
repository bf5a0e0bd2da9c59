"""Streams of a stdio server that a client lost: resumed where they broke, by their owner alone, judged again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.gateway.conftest import Got, Nobody, Scripted, post, read_chunk, read_head
from tests.gateway.stdio.conftest import BOTH, INITIALIZE, Remembered
from watchkeeper.core.clock import SystemClock
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.gateway.stdio.readers import RESUMABLE
from watchkeeper.gateway.stdio.replay import Place, Replay, place_in
from watchkeeper.gateway.upstream import Inbound, Outbound
from watchkeeper.protocol.spawn import Command, Spawner

SCRIPTED = "stdio_scripted.py"
STEPS = """
import json, sys
def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
waiting = None
for line in sys.stdin:
    m = json.loads(line)
    method = m.get("method")
    if method == "initialize":
        say(id=m["id"], result={"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s"}})
    elif method == "steps":
        waiting = m
        for n in (1, 2, 3):
            say(method="notifications/progress", params={"progressToken": m["params"]["_meta"]["progressToken"],
                                                         "progress": n})
    elif method == "notifications/go":
        say(id=waiting["id"], result={"done": m["params"]["words"]})
    elif method == "notifications/tell":
        say(method="notifications/resources/updated", params=m["params"])
    elif "id" in m:
        say(id=m["id"], result={})
"""
STEP = {"_meta": {"progressToken": "t"}}


async def resume(driver: Any, session: str, last: str, who: str = "agent:a") -> Outbound:
    headers = [BOTH, (b"Last-Event-ID", last.encode())]
    out: Outbound = await driver.upstream.send(Inbound("GET", headers, b"", None, who, "legacy", session))
    return out


async def take(out: Outbound, count: int) -> list[tuple[str, Any]]:
    """So many events: their ids and what they say."""
    taken: list[tuple[str, Any]] = []
    assert out.events is not None
    async with asyncio.timeout(20):
        while len(taken) < count:
            lines = (await anext(out.events)).decode().splitlines()
            said = dict(line.split(": ", 1) for line in lines if line)
            message = json.loads(said["data"])
            taken.append((said["id"], message.get("params") or message.get("result") or message))
    return taken


async def rest(out: Outbound) -> int:
    assert out.events is not None
    async with asyncio.timeout(20):
        return len([event async for event in out.events])


async def go(driver: Any, session: str, words: str = "all") -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/go", "params": {"words": words}}
    assert (await driver.post(note, session=session)).status == 202


@pytest.fixture
def steps(route: Any) -> Any:
    return lambda **limits: route("-c", STEPS, **limits)


@pytest.mark.behaviour("stdio.resumed-where-it-broke")
async def test_a_lost_stream_goes_on_after_the_last_event(steps: Any) -> None:
    driver = steps()
    session = await driver.initialize()
    out = await driver.call(session, "steps", STEP)
    (first, one), *_ = await take(out, 2)
    assert one["progress"] == 1
    out.cancel()
    await go(driver, session)
    again = await resume(driver, session, first)
    events = await take(again, 3)
    assert [said.get("progress", said.get("done")) for _, said in events] == [2, 3, "all"]
    assert len({event_id for event_id, _ in events} | {first}) == 4
    assert await rest(again) == 0
    later = await resume(driver, session, events[0][0])
    assert [said for _, said in await take(later, 2)] == [said for _, said in events[1:]], "also once it has ended"
    assert await rest(later) == 0
    assert await rest(await resume(driver, session, events[-1][0])) == 0


@pytest.mark.behaviour("stdio.resumed-where-it-broke")
async def test_whoever_resumes_takes_over_from_a_connection_that_still_hangs(steps: Any) -> None:
    driver = steps()
    session = await driver.initialize()
    out = await driver.call(session, "steps", STEP)
    ((last, _),) = (await take(out, 3))[-1:]
    hanging = asyncio.create_task(anext(out.events))
    again = await resume(driver, session, last)
    with pytest.raises(StopAsyncIteration):
        await hanging
    out.cancel()
    await go(driver, session)
    assert (await take(again, 1))[0][1] == {"done": "all"}


@pytest.mark.behaviour("stdio.resumed-by-its-owner")
async def test_nobody_else_resumes_a_stream_and_no_other_session_has_it(steps: Any) -> None:
    driver = steps()
    session, other = await driver.initialize(), await driver.initialize("agent:b")
    out = await driver.call(session, "steps", STEP)
    ((last, _),) = await take(out, 1)
    assert (await resume(driver, session, last, "agent:b")).status == 404
    assert (await resume(driver, other, last, "agent:b")).status == 400
    out.cancel()


@pytest.mark.behaviour("stdio.resumed-where-it-broke")
async def test_a_message_is_never_replayed_on_another_stream(steps: Any) -> None:
    driver = steps()
    session = await driver.initialize()
    first = await driver.call(session, "steps", STEP)
    ((lost, _),) = await take(first, 1)
    first.cancel()
    standing = await driver.bare("GET", session=session)
    tell = {"jsonrpc": "2.0", "method": "notifications/tell", "params": {"uri": "x"}}
    await driver.post(tell, session=session)
    ((seen, said),) = await take(standing, 1)
    assert said == {"uri": "x"}
    assert seen.split("-")[0] != lost.split("-")[0]
    standing.cancel()
    await driver.post(tell | {"params": {"uri": "y"}}, session=session)
    again = await resume(driver, session, seen)
    assert [said for _, said in await take(again, 1)] == [{"uri": "y"}]
    again.cancel()


async def test_the_standing_stream_replays_what_may_have_been_lost_on_the_way(steps: Any) -> None:
    driver = steps()
    session = await driver.initialize()
    standing = await driver.bare("GET", session=session)
    for uri in "abc":
        tell = {"jsonrpc": "2.0", "method": "notifications/tell", "params": {"uri": uri}}
        await driver.post(tell, session=session)
    events = await take(standing, 3)
    standing.cancel()
    again = await resume(driver, session, events[0][0])
    assert await take(again, 2) == events[1:]
    again.cancel()


@pytest.mark.behaviour("stdio.resuming-is-bounded")
async def test_what_is_forgotten_cannot_be_resumed_and_is_not_passed_over_in_silence(steps: Any) -> None:
    driver = steps()
    session = await driver.initialize()
    streams = [await driver.call(session, "steps", STEP, id=n) for n in range(RESUMABLE + 1)]
    ids = [(await take(stream, 1))[0][0] for stream in streams]
    for stream in streams:
        stream.cancel()
    assert await rest(await resume(driver, session, ids[0])) == 0, "the oldest was given up for the newest"
    for last in ("", "1", "x-1", "999-1", f"{ids[1]}0", "-1", "1-1-1", "1" * 400):
        said = await resume(driver, session, last)
        assert said.status == (200 if not last else 400), last
        if said.cancel is not None:
            said.cancel()
    again = await resume(driver, session, ids[-1])
    assert [said["progress"] for _, said in await take(again, 2)] == [2, 3]


async def test_events_of_the_modern_era_have_no_ids(route: Any) -> None:
    driver = route("stdio_sdk.py")
    params = {"name": "report", "arguments": {}, "_meta": {"progressToken": "t"}}
    out = await driver.modern("tools/call", params=params)
    async for event in out.events:
        assert b"id: " not in event


def test_a_memory_forgets_the_oldest_and_says_so() -> None:
    replay = Replay(max_events=3, max_bytes=100)
    places = [replay.note(7, b"x%d" % n) for n in range(4)]
    assert places == [Place(7, n) for n in range(1, 5)]
    assert replay.after(places[0]) == [(Place(7, n), b"x%d" % (n - 1)) for n in (2, 3, 4)]
    assert replay.after(Place(7, 0)) is None
    assert replay.after(places[3]) == []
    assert replay.after(Place(7, 5)) is None
    assert replay.after(Place(8, 0)) is None
    replay.note(8, b"y" * 200)
    assert replay.after(places[2]) is None
    assert replay.after(Place(8, 0)) is None
    assert place_in("7-3") == Place(7, 3)
    assert place_in("\u0667-3") is None, "digits are ASCII"


# -- through a gateway


@pytest.fixture
async def gateway(events: Remembered) -> AsyncIterator[Callable[..., Any]]:
    spawner = Spawner(os.environ)
    guard = Scripted()
    upstream = StdioUpstream(
        "srv",
        Command((sys.executable, "-c", STEPS)),
        spawner=spawner,
        recorder=events,
        clock=SystemClock(),
        limits=Limits(stop_seconds=1.0),
    )
    gateway = Gateway(
        [Route(name="srv", upstream=upstream)],
        guard=guard,
        identities=Nobody(),
        journal=events,
        clock=SystemClock(),
        settings=GatewaySettings(),
    )
    await gateway.start()
    yield lambda: (gateway.ports["srv"], guard)
    await gateway.drain(0)
    spawner.close()


class Wire:
    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Wire:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def send(self, message: Any, *extra: tuple[str, str], verb: str = "POST", token: str = "alice") -> Got:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode() if message else b""
        self.writer.write(post(body, *extra, port=self.port, verb=verb, token=f"Bearer token-of-{token}".encode()))
        got = await read_head(self.reader)
        if (length := got.header("content-length")) is not None:
            got.body = await self.reader.readexactly(int(length))
        return got


@pytest.mark.behaviour("stdio.resumed-by-its-owner")
async def test_a_replayed_event_is_judged_again_and_goes_to_its_owner_only(gateway: Any) -> None:
    port, guard = gateway()
    async with Wire(port) as one, Wire(port) as two:
        begun = await one.send({"id": 0, "method": "initialize", "params": INITIALIZE})
        session = ("Mcp-Session-Id", begun.header("mcp-session-id"))
        await two.send({"id": 1, "method": "steps", "params": STEP}, session)
        first = await read_chunk(two.reader)
        last = ("Last-Event-ID", first.decode().split("\n")[0].removeprefix("id: "))
    guard.denied_words = {b"poison", b'"progress": 2'}
    async with Wire(port) as one:
        await one.send({"method": "notifications/go", "params": {"words": "poison"}}, session)
    async with Wire(port) as other:
        assert (await other.send(None, session, last, verb="GET", token="bob")).status == 404
    async with Wire(port) as again:
        assert (await again.send(None, session, last, verb="GET")).status == 200
        events = [await read_chunk(again.reader) for _ in range(3)]
    assert events[0].startswith(b"id: ")
    assert b"progress" not in events[0], "withheld, and no gap is left"
    assert b'"progress": 3' in events[1]
    assert b"40301" in events[2]
    assert b"poison" not in b"".join(events)
