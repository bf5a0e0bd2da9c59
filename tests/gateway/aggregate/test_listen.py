"""`subscriptions/listen` of several members as one stream."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.gateway.aggregate.conftest import SUBSCRIPTION, Company, Make, Script, event, modern
from tests.gateway.conftest import SSE_HEAD, mirrors, post

LISTEN = "subscriptions/listen"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


class Listener:
    """A member's side of a subscription: it acknowledges what it knows, then tells what the test puts in."""

    script: Script

    def __init__(self, *known: str) -> None:
        self.known = known
        self.asked: dict[str, Any] = {}
        self.open = asyncio.Event()
        self.closed = asyncio.Event()
        self.tell: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def writes(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") != LISTEN:
            return False
        self.asked = message["params"]["notifications"]
        meta = {SUBSCRIPTION: message["id"]}
        agreed = {key: value for key, value in self.asked.items() if key in self.known}
        writer.write(SSE_HEAD + event({"method": ACKNOWLEDGED, "params": {"_meta": meta, "notifications": agreed}}))
        await writer.drain()
        self.open.set()
        telling = asyncio.ensure_future(self._tell(writer))
        gone = asyncio.ensure_future(self.script.reader.read(1))
        await asyncio.wait({telling, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            self.closed.set()
        for task in (telling, gone):
            task.cancel()
        await asyncio.gather(telling, gone, return_exceptions=True)
        writer.write(b"0\r\n\r\n")
        return True

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        while (told := await self.tell.get()) is not None:
            writer.write(event(told))
            await writer.drain()


def changed(what: str, listen_id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"method": f"notifications/{what}", "params": {"_meta": {SUBSCRIPTION: listen_id}, **params}}


async def listening(make_company: Make, **known: tuple[str, ...]) -> tuple[Company, dict[str, Listener]]:
    company = await make_company(**dict.fromkeys(known, "both"))
    listeners = {name: Listener(*words) for name, words in known.items()}
    for name, listener in listeners.items():
        listener.script = company.scripts[name]
        listener.script.writes = listener.writes
    return company, listeners


def listen(**wanted: Any) -> tuple[bytes, list[tuple[str, str]]]:
    return modern(LISTEN, id=1, notifications=wanted), mirrors(LISTEN, None)


@pytest.mark.behaviour("aggregate.listen-merged")
async def test_all_members_are_heard_on_one_stream_and_the_acknowledgement_comes_first(make_company: Make) -> None:
    every = ("toolsListChanged", "resourcesListChanged", "resourceSubscriptions", "taskIds")
    company, told = await listening(make_company, a=every, b=("toolsListChanged",))
    company.a.pages["resources/list"] = [[{"uri": "a://1", "name": "1"}]]
    company.b.pages["resources/list"] = [[{"uri": "b://1", "name": "1"}]]
    body, headers = listen(
        toolsListChanged=True, resourceSubscriptions=["a://1", "z://unknown"], taskIds=["a:t1"], promptsListChanged=True
    )
    async with company.stream(body, *headers) as events:
        first = await events.next()
        assert first == {
            "jsonrpc": "2.0",
            "method": ACKNOWLEDGED,
            "params": {
                "_meta": {SUBSCRIPTION: 1},
                "notifications": {
                    "toolsListChanged": True,
                    "resourceSubscriptions": ["a://1"],
                    "taskIds": ["a:t1"],
                },
            },
        }
        assert told["a"].asked["resourceSubscriptions"] == ["a://1"]
        assert told["a"].asked["taskIds"] == ["t1"]
        assert told["b"].asked == {"toolsListChanged": True, "promptsListChanged": True}
        told["b"].tell.put_nowait(changed("tools/list_changed"))
        assert (await events.next())["method"] == "notifications/tools/list_changed"
        told["a"].tell.put_nowait(changed("tools/list_changed", listen_id=2))  # another subscription's
        told["a"].tell.put_nowait(changed("tasks", taskId="t1", status="working"))
        task = await events.next()
        assert (task["params"]["taskId"], task["params"]["_meta"][SUBSCRIPTION]) == ("a:t1", 1)
    await asyncio.wait_for(told["a"].closed.wait(), 10)
    await asyncio.wait_for(told["b"].closed.wait(), 10)


@pytest.mark.behaviour("aggregate.listen-ends")
async def test_a_subscription_ends_with_a_result_once_every_member_has_ended_it(make_company: Make) -> None:
    company, told = await listening(make_company, a=("toolsListChanged",), b=("toolsListChanged",))
    body, headers = listen(toolsListChanged=True)
    async with company.stream(body, *headers) as events:
        await events.next()
        end = {"id": 1, "result": {"resultType": "complete", "_meta": {SUBSCRIPTION: 1}}}
        told["a"].tell.put_nowait(end)
        told["b"].tell.put_nowait(changed("tools/list_changed"))
        assert (await events.next())["method"] == "notifications/tools/list_changed"
        told["b"].tell.put_nowait(end)
        assert (await events.next())["result"] == {"resultType": "complete", "_meta": {SUBSCRIPTION: 1}}
        assert await events.next() == {}


@pytest.mark.behaviour("aggregate.listen-ends")
async def test_when_one_member_breaks_off_the_stream_ends_without_a_result_and_aloud(make_company: Make) -> None:
    company, told = await listening(make_company, a=("toolsListChanged",), b=("toolsListChanged",))
    body, headers = listen(toolsListChanged=True)
    async with company.stream(body, *headers) as events:
        await events.next()
        told["a"].tell.put_nowait(None)
        assert await events.next() == {}
    await asyncio.wait_for(told["b"].closed.wait(), 10)
    assert [e.body["member"] for e in company.events("gateway.endpoint.narrowed")] == ["a"]


@pytest.mark.behaviour("aggregate.client-gone")
async def test_a_client_that_leaves_before_everybody_has_acknowledged_leaves_nobody_listening(
    make_company: Make,
) -> None:
    company, told = await listening(make_company, a=("toolsListChanged",), b=())
    silent = asyncio.Event()

    async def never(message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if message.get("method") != LISTEN:
            return False
        silent.set()
        await company.b.reader.read(1)
        told["b"].closed.set()
        return True

    company.b.writes = never
    body, headers = listen(toolsListChanged=True)
    _, writer = await asyncio.open_connection("127.0.0.1", company.port)
    writer.write(post(body, *headers, port=company.port))
    async with asyncio.timeout(10):
        await told["a"].open.wait()
        await silent.wait()
        writer.close()
        await told["a"].closed.wait()
        await told["b"].closed.wait()


@pytest.mark.behaviour("aggregate.listen-merged")
async def test_a_member_that_cannot_be_listened_to_is_missing_aloud(make_company: Make) -> None:
    company, _ = await listening(make_company, a=("toolsListChanged",), b=(), c=())
    company.b.writes = None  # it has no such method: nothing is missing
    await company.modern("tools/list")
    await company.c.raw.stop()
    body, headers = listen(toolsListChanged=True)
    async with company.stream(body, *headers) as events:
        first = await events.next()
    assert first["params"]["notifications"] == {"toolsListChanged": True}
    assert first["params"]["_meta"]["watchkeeper/leftOut"] == [{"server": "c", "reason": "it cannot be listened to"}]
    company.a.writes = None
    none = await company.post(body, *headers)
    assert (none.status, none.json["error"]["code"]) == (404, -32601)
