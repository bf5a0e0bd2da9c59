"""Fixtures of `house`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.gateway.measures.house import House, build_house
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.events import Journal
from watchkeeper.inspection.inspection import Inspection


@pytest.fixture(scope="module")
def inspection() -> Inspection:
    return Inspection.from_plugins()


@pytest.fixture
def make_house(
    tmp_path: Path, database: Database, journal: Journal, clock: ManualClock, inspection: Inspection
) -> Callable[..., House]:
    return partial(build_house, tmp_path, database, journal, clock, inspection)


@pytest.fixture
async def house(make_house: Callable[..., House]) -> AsyncIterator[House]:
    house = make_house()
    await house.control.start()
    yield house
    await house.control.close()
