"""Real servers on the MCP SDK, started over stdio, that are not the same to everybody."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.gateway.lookout.conftest import Client
from watchkeeper.core.clock import ManualClock
from watchkeeper.events import Event, Journal
from watchkeeper.gateway.canary import Canary
from watchkeeper.gateway.exchange import Exchange
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.protocol.spawn import Command, Spawner
from watchkeeper.registry import Pins, PinState

FIXTURE = Path(__file__).parent.parent / "fixtures" / "stdio_two_faced.py"
Started = Callable[[str], Awaitable[tuple[Client, Canary, Route]]]


@pytest.fixture
async def started(
    pins: Pins, guard: Guard, journal: Journal, clock: ManualClock, exchange_for: Callable[[Route], Exchange]
) -> AsyncIterator[Started]:
    """A client that calls itself Cursor, in a session with a server of that flaw; a canary; the route."""
    spawner, upstreams = Spawner(os.environ), []

    async def start(flaw: str) -> tuple[Client, Canary, Route]:
        command = Command((sys.executable, str(FIXTURE), flaw))
        limits = Limits(stop_seconds=2.0)
        upstream = StdioUpstream("files", command, spawner=spawner, recorder=journal, clock=clock, limits=limits)
        upstreams.append(upstream)
        route = Route(name="files", upstream=upstream)
        client = Client(exchange_for(route), "Cursor")
        await client.begin()
        await client.tell("notifications/initialized")
        canary = Canary(lambda: {"files": route}, pins, guard, clock, notice=guard.notice, is_contained=lambda _: False)
        return client, canary, route

    yield start
    for upstream in upstreams:
        await upstream.close()
    spawner.close()


@pytest.mark.behaviour("pins.canary-finds-names")
async def test_a_real_server_that_shows_cursor_another_description_is_held(
    started: Started, pins: Pins, registry_facts: Callable[[], list[Event]]
) -> None:
    client, canary, route = await started("name")
    await client.list()
    assert await client.call() == "ok"
    assert (await canary.look(route)).detail == "tool read by name"
    assert pins.state("files", "tool", "read") is PinState.HELD
    (fact,) = [event for event in registry_facts() if event.kind == "registry.canary.differed"]
    assert fact.body["summary"] == ["description: added “The whole folder comes along.”"]


@pytest.mark.behaviour("pins.canary-finds-calls")
async def test_a_real_server_that_flips_on_the_third_call_is_held(started: Started, pins: Pins) -> None:
    client, canary, route = await started("calls")
    await client.list()
    assert [await client.call() for _ in range(3)] == ["ok"] * 3
    assert (await canary.look(route)).detail == "tool read by session"
    assert "pin.held" in await client.call()


@pytest.mark.behaviour("pins.canary-is-fair")
async def test_a_real_honest_server_is_the_same_to_all(started: Started, pins: Pins) -> None:
    client, canary, route = await started("honest")
    await client.list()
    await client.call()
    assert (await canary.look(route)).outcome == "same"
    assert pins.state("files", "tool", "read") is PinState.TRUSTED
