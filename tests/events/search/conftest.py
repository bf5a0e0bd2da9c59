"""Recording into a real journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from watchkeeper.events.journal import Journal
from watchkeeper.events.model import Event


def put(data: Path, events: Sequence[Event], writer: str = "gateway") -> None:
    journal = Journal.open(data, writer)
    try:
        for event in events:
            last = journal.append(event)
        journal.wait(last)
    finally:
        journal.close()


@pytest.fixture(scope="session")
def record() -> Callable[..., None]:
    return put
