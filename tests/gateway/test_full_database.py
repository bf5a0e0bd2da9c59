"""The control state on a full disk: an order that cannot be kept is refused with the reason; what was in force is."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable
from watchkeeper.events import Journal
from watchkeeper.gateway.containment import OrderKind
from watchkeeper.gateway.orders import OrderBook


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte: a real ENOSPC."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a file system here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                if file.write(bytes(4096)) < 4096:
                    return filler
            except OSError:
                return filler


def refusal_of(act: Callable[[], None]) -> Unavailable | None:
    """Why it was refused; None when it was not."""
    try:
        act()
    except Unavailable as error:
        return error
    return None


@pytest.mark.behaviour("orders.full-disk-refused")
def test_an_order_that_cannot_be_kept_is_refused_and_says_why(disk: Path, journal: Journal) -> None:
    database = Database.at(disk / "state.db")
    database.create_missing_tables()
    book = OrderBook(database, journal, ManualClock())

    def issue(number: int) -> None:
        target, why = f"server-{number}", "rug pull " * 60
        book.issue(OrderKind.QUARANTINE_SERVER, target, reason=why, by="operator:root", key=f"k{number}")

    issue(0)
    filler = fill(disk)
    given = 1
    while (refused := refusal_of(partial(issue, given))) is None:
        given += 1
        assert given < 2000
    assert "disk" in refused.reason
    assert "space" in refused.hint
    assert len(book.in_force()) == given, "what was given stands, what was refused does not"
    filler.unlink()
    issue(given)
    assert len(book.in_force()) == given + 1
    database.close()
