"""The same raw client and raw server, with everything between them real: inspectors, policy, pins, orders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import House, Nobody, RawServer
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.events import Journal
from watchkeeper.gateway.containment import OrdersInForce
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.service import Gateway
from watchkeeper.gateway.settings import GatewaySettings
from watchkeeper.gateway.sightings import observing
from watchkeeper.inspection import Inspection
from watchkeeper.policy import PolicyEngine
from watchkeeper.registry import Pins

MakeGuarded = Callable[..., Awaitable[House]]


@pytest.fixture(scope="module")
def inspection() -> Inspection:
    return Inspection.from_plugins()


@pytest.fixture(scope="module")
def policy() -> PolicyEngine:
    return PolicyEngine.load()


@pytest.fixture
def orders() -> OrdersInForce:
    return OrdersInForce()


@pytest.fixture
def pins(database: Database, journal: Journal) -> Pins:
    return Pins(database, journal, SystemClock())


@pytest.fixture
async def make_guarded(
    server: RawServer,
    journal: Journal,
    tmp_path: Path,
    inspection: Inspection,
    policy: PolicyEngine,
    orders: OrdersInForce,
    pins: Pins,
) -> AsyncIterator[MakeGuarded]:
    gateways: list[Gateway] = []

    async def make(**route: Any) -> House:
        settings = GatewaySettings()
        upstream = HttpUpstream(f"http://127.0.0.1:{server.port}/mcp", settings)
        guard = Guard(
            orders=orders,
            pins=pins,
            inspection=inspection,
            policy=policy,
            observe=observing(pins),
            groups_of=lambda _: (),
        )
        gateway = Gateway(
            [Route(name="srv", upstream=upstream, **route)],
            guard=guard,
            identities=Nobody(),
            journal=journal,
            clock=SystemClock(),
            settings=settings,
        )
        await gateway.start()
        gateways.append(gateway)
        return House(gateway, server, guard, journal, tmp_path)  # type: ignore[arg-type]  # a guard all the same

    yield make
    for gateway in gateways:
        await gateway.drain(0)


@pytest.fixture
async def guarded(make_guarded: MakeGuarded) -> House:
    return await make_guarded()
