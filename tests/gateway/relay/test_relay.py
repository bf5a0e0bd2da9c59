"""Two workers in one loop, over real Unix sockets: whose a request is, the way there and back, and what ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.custody.view import EVERYBODY, View
from watchkeeper.gateway.model import Refusal, Request, Route
from watchkeeper.gateway.ports import Begin, UnderWay
from watchkeeper.gateway.relay.ownership import home_of, tagged, untagged
from watchkeeper.gateway.relay.peer import Carried
from watchkeeper.gateway.relay.relay import Relay
from watchkeeper.gateway.upstream import Outbound

ROUTE = Route(name="srv")
WAIT = 10.0
Serve = Callable[[Request], Coroutine[Any, Any, Outbound]]


class Pair:
    def __init__(self, folder: Path) -> None:
        self.served: list[tuple[int, Request]] = []
        self.refusals: list[Refusal] = []
        self.answer: Serve = self.plain
        self.paths = {number: folder / f"{number}.sock" for number in (1, 2)}
        self.relays: dict[int, Relay] = {}
        self.ask: dict[int, Serve] = {}

    async def plain(self, request: Request) -> Outbound:
        return Outbound(200, [(b"X-One", b"1")], request.body)

    async def start(self, route: Route = ROUTE, secrets: tuple[bytes, bytes] = (b"s" * 32, b"s" * 32)) -> None:
        sockets = {}
        for number, path in self.paths.items():
            sockets[number] = socket.socket(socket.AF_UNIX)
            sockets[number].bind(str(path))
            sockets[number].listen()
            sockets[number].setblocking(False)
        for number, secret in zip(self.paths, secrets, strict=True):
            relay = self.relays[number] = Relay(number, self.paths, sockets[number], secret)
            serve = self._serving(number)
            between = relay.between(route, _begin(serve), serve, self.refusals.append)
            relay.serve({route.name: between})
            self.ask[number] = _asking(between.begin)
            await relay.open()

    def _serving(self, number: int) -> Serve:
        async def serve(request: Request) -> Outbound:
            self.served.append((number, request))
            return await self.answer(request)

        return serve


def _begin(serve: Serve) -> Begin:
    return lambda request, answered: serve(request)


def _asking(begin: Begin) -> Serve:
    async def ask(request: Request) -> Outbound:
        begun = begin(request, _never)
        assert not isinstance(begun, Outbound | UnderWay)
        return await begun

    return ask


def _never(answer: object) -> None:
    raise AssertionError(answer)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(tmp_path)
    yield made
    for relay in made.relays.values():
        await relay.close(0)


def request(session: str = "", body: bytes = b"{}", **more: object) -> Request:
    headers = [(b"Accept", b"application/json")]
    if session:
        headers.append((b"Mcp-Session-Id", session.encode()))
    return Request(verb="POST", headers=headers, principal="agent:alice", session=session, body=body, **more)


@pytest.mark.behaviour("workers.sessions-reach-their-owner")
async def test_a_session_goes_to_the_worker_that_its_id_names_and_the_server_sees_its_own_id(pair: Pair) -> None:
    await pair.start()
    came = request(tagged("abc", 2), b"x" * 300_000, mirrors={b"mcp-method": b"ping"}, credential=Secret("Bearer t"))
    out = await pair.ask[1](came)
    assert (out.status, out.headers, out.body) == (200, [(b"X-One", b"1")], b"x" * 300_000)
    ((number, served),) = pair.served
    assert number == 2
    assert (served.session, served.headers[1]) == ("abc", (b"Mcp-Session-Id", b"abc"))
    assert (served.principal, served.mirrors, served.credential) == (
        "agent:alice", {b"mcp-method": b"ping"}, Secret("Bearer t")
    )  # fmt: skip
    await pair.ask[1](request(tagged("abc", 1)))
    await pair.ask[1](request())
    await pair.ask[1](request("of another time"))
    await pair.ask[1](request(tagged("abc", 9)))
    assert [number for number, _ in pair.served[1:]] == [1, 1, 1, 1]


@pytest.mark.behaviour("workers.sessions-reach-their-owner")
async def test_an_answer_that_begins_a_session_names_its_worker(pair: Pair) -> None:
    async def begins(asked: Request) -> Outbound:
        return Outbound(200, [(b"mcp-session-id", b"fresh"), (b"x", b"y")], b"{}")

    pair.answer = begins
    await pair.start()
    for number in (1, 2):
        out = await pair.ask[number](request())
        assert out.headers == [(b"mcp-session-id", tagged("fresh", number).encode()), (b"x", b"y")]
        assert untagged(tagged("fresh", number)) == (number, "fresh")


@pytest.mark.behaviour("workers.one-home-for-started-servers")
async def test_a_started_server_lives_in_one_worker_whoever_is_asked(pair: Pair) -> None:
    await pair.start(Route(name="tools", is_started=True))
    for number in (1, 2, 1, 2):
        assert (await pair.ask[number](request())).status == 200
    assert {number for number, _ in pair.served} == {home_of("tools", 2)}
    assert {home_of(f"route-{at}", 3) for at in range(40)} == {1, 2, 3}


def test_everything_that_admission_found_out_is_carried() -> None:
    left_behind = {
        "survives",
        "detour",
        "origin",
        "passed_on",
    }  # of this process: requests are relayed before an endpoint makes others
    assert {*Carried.__struct_fields__} - {"route"} == {*Request.__struct_fields__} - left_behind


async def test_events_come_one_by_one_and_the_connection_is_used_again(pair: Pair) -> None:
    step = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await asyncio.wait_for(step.wait(), WAIT)
        yield b"data: 2\n\n"

    async def stream(asked: Request) -> Outbound:
        return Outbound(200, [(b"Content-Type", b"text/event-stream")], b"", events())

    pair.answer = stream
    await pair.start()
    for _ in range(3):
        step.clear()
        out = await pair.ask[1](request(tagged("s", 2)))
        assert out.events is not None
        assert await anext(out.events) == b"data: 1\n\n"
        step.set()
        assert [event async for event in out.events] == [b"data: 2\n\n"]
        assert out.cancel is not None
        out.cancel()
    pair.answer = pair.plain
    assert (await pair.ask[1](request(tagged("s", 2)))).body == b"{}"
    (peer,) = pair.relays[1]._peers.values()
    assert len(peer._open) == 1


async def test_a_reader_that_pauses_holds_the_sender_back(pair: Pair) -> None:
    sent = 0

    async def events() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 1
            yield b"data: " + b"x" * 65_536 + b"\n\n"

    async def stream(asked: Request) -> Outbound:
        return Outbound(200, [], b"", events())

    pair.answer = stream
    await pair.start()
    out = await pair.ask[1](request(tagged("s", 2)))
    assert out.events is not None
    await anext(out.events)
    for _ in range(200):
        await asyncio.sleep(0)
    assert sent < 100
    assert len([event async for event in out.events]) == 399


@asynccontextmanager
async def _hanging(pair: Pair, *, survives: bool) -> AsyncIterator[tuple[asyncio.Event, asyncio.Event, asyncio.Event]]:
    began, cancelled, finish = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hang(asked: Request) -> Outbound:
        asked.survives = survives
        began.set()
        try:
            await asyncio.wait_for(finish.wait(), WAIT)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        finally:
            done.set()
        return Outbound(200, [])

    done = asyncio.Event()
    pair.answer = hang
    await pair.start()
    call = asyncio.create_task(pair.ask[1](request(tagged("s", 2))))
    await asyncio.wait_for(began.wait(), WAIT)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    yield cancelled, finish, done


@pytest.mark.behaviour("custody.listed-once")
async def test_a_call_that_is_passed_on_is_listed_by_its_owner_alone(pair: Pair) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def wait(asked: Request) -> Outbound:
        began.set()
        await go_on.wait()
        return Outbound(200, [])

    pair.answer = wait
    await pair.start()
    came = request(tagged("s", 2))
    call = asyncio.create_task(pair.ask[1](came))
    await asyncio.wait_for(began.wait(), WAIT)
    said = [_looking(pair.relays[1], came).live(), _looking(pair.relays[2]).live()]
    assert [[(row.server, row.principal, row.calls) for row in rows] for rows in said] == [
        [], [("srv", "agent:alice", 1)]
    ]  # fmt: skip
    assert len(_looking(pair.relays[1], came).serving(EVERYBODY)) == 1  # an ending still cuts it at both
    go_on.set()
    assert (await call).status == 200


def _looking(relay: Relay, *came: Request) -> View:
    """At a worker to whose door this came."""
    connections = [SimpleNamespace(serving=one, dismiss=_never) for one in came]
    house = SimpleNamespace(sessions=SimpleNamespace(all=lambda: ()), relay=relay)
    door = SimpleNamespace(route=ROUTE, connections=connections)
    gateway: Any = SimpleNamespace(house=house, fittings={}, doors=[door], leaving=[])
    tasks: Any = SimpleNamespace(made_here=lambda server: [])
    return View(gateway, tasks)


@pytest.mark.behaviour("workers.a-relayed-call-ends-as-any-other")
async def test_a_client_that_goes_cancels_at_the_owner(pair: Pair) -> None:
    async with _hanging(pair, survives=False) as (cancelled, _, _):
        await asyncio.wait_for(cancelled.wait(), WAIT)


@pytest.mark.behaviour("workers.a-relayed-call-ends-as-any-other")
async def test_an_older_eras_call_goes_on_without_its_client(pair: Pair) -> None:
    async with _hanging(pair, survives=True) as (cancelled, finish, done):
        for _ in range(20):
            await asyncio.sleep(0)
        finish.set()
        await asyncio.wait_for(done.wait(), WAIT)
        assert not cancelled.is_set()


@pytest.mark.behaviour("workers.a-lost-owner-is-told")
async def test_an_owner_that_ends_in_the_middle_is_told_and_remembered(pair: Pair) -> None:
    began = asyncio.Event()

    async def hang(asked: Request) -> Outbound:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    pair.answer = hang
    await pair.start()
    body = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{}}}'
    call = asyncio.create_task(pair.ask[1](request(tagged("s", 2), body)))
    await asyncio.wait_for(began.wait(), WAIT)
    await pair.relays[2].close(0)
    out = await asyncio.wait_for(call, WAIT)
    assert out.status == 502
    assert b'"id":7' in out.body
    assert [refusal.principal for refusal in pair.refusals] == ["agent:alice"]


@pytest.mark.behaviour("workers.only-workers-may-speak")
async def test_whoever_does_not_know_the_secret_is_sent_away(pair: Pair) -> None:
    await pair.start(secrets=(b"s" * 32, b"t" * 32))
    assert (await pair.ask[1](request(tagged("s", 2)))).status == 502
    reader, writer = await asyncio.open_unix_connection(str(pair.paths[2]))
    writer.write(b"q\x00\x00\x00\x02{}")
    assert await asyncio.wait_for(reader.read(), WAIT) == b""
    writer.close()
    assert pair.served == []


async def test_a_failure_of_the_owner_is_no_answer(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(asked: Request) -> Outbound:
        raise ValueError("unforeseen")

    pair.answer = fail
    await pair.start()
    assert (await pair.ask[1](request(tagged("s", 2)))).status == 502
    assert "unforeseen" in caplog.text
