"""A full disk silences no dead-man's switch: it pages all the same, once, and what it noted is on disk afterwards."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.disks import Disk
from tests.respond.webhooks.conftest import SECRET, Elsewhere, another_system
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.respond.deadman.outbox import SwitchBox
from watchkeeper.respond.deadman.sending import Sending, body_of, senders
from watchkeeper.respond.deadman.settings import DeadmanPage
from watchkeeper.respond.deadman.watching import Change

OTHERS = [Change(f"sink:{n}", f"alarm-{n}", is_silent=True, why="it is silent", seconds=21.0) for n in range(2, 400)]
SILENT = Change("gateway", "alarm-1", is_silent=True, why="it does not answer", seconds=21.0)
BACK = Change("gateway", "alarm-1", is_silent=False, why="it does not answer", seconds=90.0)


@pytest.fixture
def pager() -> Iterator[Elsewhere]:
    with another_system() as elsewhere:
        yield elsewhere


@pytest.mark.behaviour("deadman.full-disk")
@pytest.mark.parametrize("began", ["before", "while"])
def test_a_full_disk_keeps_no_page_back_and_sends_none_twice(
    disk: Disk, pager: Elsewhere, caplog: pytest.LogCaptureFixture, began: str
) -> None:
    clock = ManualClock()
    page = {"ops": DeadmanPage(url=pager.url, secret="x")}
    ways = senders(page, lambda *_: Secret(SECRET), FetchSettings(), clock)
    path = disk.folder / "deadman.db"
    box = SwitchBox(path) if began == "before" else None
    disk.fill()
    box = box or SwitchBox(path)
    for change in (SILENT, *OTHERS):  # more than the pages of the file that are there already can take
        box.note(change, {"ops": body_of(change, "main", clock.now())} if change is SILENT else {}, clock.now())
    for _ in range(3):
        sending = Sending(box, ways, clock)
        sending.round()
        sending.close()
        clock.advance(100 * SECOND)
    assert [told["data"]["source"] for told in pager.bodies()] == ["gateway"]
    with pytest.raises(Unavailable, match="disk"):
        box.advance("ping of " + "x" * 100_000, 1)
    box.note(BACK, {}, clock.now())
    told = [r.getMessage() for r in caplog.records if "switch's file" in r.getMessage()]
    assert len(told) == 1, "a trouble that lasts is told once"
    disk.empty()
    assert len(box.open_alarms()) == len(OTHERS)
    assert [r.levelno for r in caplog.records if "over after" in r.getMessage()] == [logging.ERROR]
    box.close()
    again = SwitchBox(path)
    assert {one.source for one in again.open_alarms()} == {one.source for one in OTHERS}
    assert again.waiting() == 0, "what was sent from memory is not sent again by the next life"
    again.close()
