"""A gateway's live guard behind its control socket, and steps of an incident that act on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.gateway.measures.house import House, build_house
from tests.respond.conftest import CLOCK, Estate
from watchkeeper.inspection.inspection import Inspection
from watchkeeper.respond.interface import ActionContext, Services


class Guarded:
    """An estate whose gateway really guards."""

    def __init__(self, estate: Estate, house: House) -> None:
        self.estate = estate
        self.house = house

    def step(self, *, has_time: bool = True) -> ActionContext:
        """What a step is carried out under; the notifier has nothing to do."""
        services = Services(self.estate.pins, self.estate.orders, SimpleNamespace(), CLOCK)
        about: dict[str, Any] = {"id": "i", "number": "INC-1", "server": "notes"}
        return ActionContext(
            services,
            "run:step:1",
            about,
            "",
            lambda: has_time,
            run="run",
            asked_by=("playbook:p", "operator:ada"),
        )


@pytest.fixture(scope="module")
def inspection() -> Inspection:
    return Inspection.from_plugins()


@pytest.fixture
async def guarded(estate: Estate, inspection: Inspection) -> AsyncIterator[Guarded]:
    house = build_house(estate.data, estate.database, estate.journal, CLOCK, inspection)
    await house.control.start()
    try:
        yield Guarded(estate, house)
    finally:
        await house.control.close()
