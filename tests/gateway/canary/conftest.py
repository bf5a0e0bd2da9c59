"""A canary over the server in memory."""

from __future__ import annotations

import pytest

from tests.gateway.lookout.conftest import (
    client,
    exchange_for,
    guard,
    pins,
    registry_facts,
    route,
    server,
    set_terms,
    until,
)
from watchkeeper.core.clock import ManualClock
from watchkeeper.gateway.canary import Canary
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pipeline import Guard
from watchkeeper.registry import Pins

__all__ = ["client", "exchange_for", "guard", "pins", "registry_facts", "route", "server", "set_terms", "until"]


@pytest.fixture
def contained() -> set[str]:
    """Servers for which an order is in force."""
    return set()


@pytest.fixture
def canary(pins: Pins, guard: Guard, clock: ManualClock, route: Route, contained: set[str]) -> Canary:
    return Canary(
        lambda: {route.name: route},
        pins,
        guard,
        clock,
        notice=guard.notice,
        is_contained=lambda server: server in contained,
    )
