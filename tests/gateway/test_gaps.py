"""A full disk on a route where allowed calls pass: they are counted, denials are refused, and the gap gets recorded."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import House, call, plain, stream
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.events import Event, Journal
from watchkeeper.gateway.gaps import _ROOM, Gaps
from watchkeeper.gateway.settings import ServerSettings, check_server

RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
SUSPENDED = "watchkeeper-recording"
Make = Callable[..., Awaitable[House]]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system under the data folder's name: a real ENOSPC."""
    folder = tmp_path
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a file system here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def journal(disk: Path) -> Iterator[Journal]:
    journal = Journal.open(disk, "gateway")
    yield journal
    journal.close()


@pytest.fixture
def gaps(disk: Path, journal: Journal) -> Iterator[Gaps]:
    gaps = Gaps.at(disk, "gateway", journal, SystemClock())
    yield gaps
    gaps.close()


async def fill(disk: Path, house: House) -> None:
    """No room any more; the journal knows, and keeps what it has."""
    with (disk / "filler").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                break
    for number in range(2000):
        if not house.journal.healthy:
            return
        await house.post(call(arguments={"x": os.urandom(200).hex(), "n": number}))
    raise AssertionError("the disk is not full")


async def make_room(disk: Path, journal: Journal) -> None:
    (disk / "filler").unlink()
    async with asyncio.timeout(10):
        while not journal.healthy:
            await asyncio.sleep(0.01)


@pytest.mark.behaviour("gateway.pass-counts-exactly")
async def test_allowed_calls_pass_are_counted_and_the_gap_is_recorded(
    make_house: Make, disk: Path, journal: Journal, gaps: Gaps
) -> None:
    house = await make_house(route={"gaps": gaps})
    house.server.answer = plain(RESULT)
    assert (await house.post(call())).header(SUSPENDED) is None
    await fill(disk, house)
    before = len(house.server.got)
    known = gaps.standing().get("unrecorded", 0)
    for _ in range(7):
        got = await house.post(call())
        assert (got.status, got.body, got.header(SUSPENDED)) == (200, RESULT, "suspended")
    house.server.answer = stream(b"data: " + RESULT + b"\n\n")
    assert RESULT in (await house.post(call())).body
    assert len(house.server.got) == before + 8
    standing = gaps.standing()
    assert standing["unrecorded"] - known == 8
    assert "full" in standing["why"] or "no space" in standing["why"]
    gaps.look()
    assert gaps.standing()["unrecorded"] == known + 8, "there is no room yet"
    await make_room(disk, journal)
    gaps.look()
    assert gaps.standing() == {}
    suspended, resumed = house.events("gateway.recording")
    assert (suspended.kind, resumed.kind) == ("gateway.recording.suspended", "gateway.recording.resumed")
    assert resumed.body["by_server"] == {"srv": {"allow": known + 8}}
    assert resumed.body["unrecorded"] == known + 8
    assert suspended.time == resumed.body["since"] <= resumed.body["until"] <= resumed.time
    house.server.answer = plain(RESULT)
    assert (await house.post(call())).header(SUSPENDED) is None
    assert len(house.events()) >= 2


@pytest.mark.behaviour("gateway.pass-never-a-denial")
async def test_a_denial_is_refused_and_never_let_through(make_house: Make, disk: Path, gaps: Gaps) -> None:
    house = await make_house(route={"gaps": gaps})
    house.server.answer = plain(RESULT)
    await fill(disk, house)
    house.guard.denied_methods.add("tools/call")
    before = len(house.server.got)
    got = await house.post(call())
    assert (got.status, len(house.server.got)) == (503, before)
    assert gaps.standing()["unrecorded"] >= 1
    house.guard.denied_methods.clear()
    house.guard.denied_words.add(b"secret")
    house.server.answer = plain(b'{"jsonrpc":"2.0","id":1,"result":{"a":"secret"}}')
    got = await house.post(call())
    assert (got.status, b"secret" in got.body) == (503, False)


@pytest.mark.behaviour("gateway.pass-never-a-denial")
async def test_a_route_that_does_not_say_pass_stops(make_house: Make, disk: Path, gaps: Gaps) -> None:
    house = await make_house()
    house.server.answer = plain(RESULT)
    await fill(disk, house)
    before = len(house.server.got)
    assert (await house.post(call())).status == 503
    assert len(house.server.got) == before
    assert gaps.standing() == {}


@pytest.mark.behaviour("gateway.pass-counts-exactly")
async def test_a_strict_route_that_may_pass_does_not_wait_for_a_full_disk(
    make_house: Make, disk: Path, gaps: Gaps
) -> None:
    house = await make_house(durability="strict", route={"gaps": gaps})
    house.server.answer = plain(RESULT)
    await fill(disk, house)
    assert (await house.post(call())).status == 200


async def test_a_sync_that_fails_lets_calls_pass_and_the_next_process_tells(
    make_house: Make, disk: Path, journal: Journal, gaps: Gaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await make_house(route={"gaps": gaps})
    house.server.answer = plain(RESULT)

    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("watchkeeper.events.journal.segments.sync_file", fails)
        with pytest.raises(Unavailable):
            journal.record(Event(v=1, id="x", time=0, kind="gateway.process.started"))
    for _ in range(3):
        assert (await house.post(call())).status == 200
    gaps.look()
    assert gaps.standing()["unrecorded"] == 3, "it stays closed until the process is restarted"
    journal.close()
    gaps.close()
    again = Journal.open(disk, "gateway")
    following = Gaps.at(disk, "gateway", again, SystemClock())
    following.look()
    following.close()
    house.journal = again
    resumed = house.events("gateway.recording.resumed")[0]
    again.close()
    assert (resumed.body["by_server"], resumed.body["process_ended"]) == ({"srv": {"allow": 3}}, True)


class Records:
    """A journal that refuses until told otherwise."""

    def __init__(self) -> None:
        self.healthy = True
        self.refuses = False
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        if self.refuses and len(self.events) % 2:
            raise Unavailable("no room")
        self.events.append(event)


def test_what_could_be_told_by_half_is_told_again_with_the_same_ids(tmp_path: Path) -> None:
    records = Records()
    gaps = Gaps.at(tmp_path, "gateway", records, SystemClock())
    gaps.count("files", "allow", "full")
    records.refuses = True
    gaps.look()
    gaps.count("files", "modify", "full")
    assert gaps.standing()["unrecorded"] == 2
    records.refuses = False
    gaps.look()
    first, suspended, resumed = records.events
    assert first.id == suspended.id != resumed.id
    assert resumed.body["by_server"] == {"files": {"allow": 1, "modify": 1}}
    gaps.look()
    assert len(records.events) == 3
    gaps.close()


def test_counts_are_bounded_exact_and_survive_whatever_the_file_holds(tmp_path: Path) -> None:
    records = Records()
    gaps = Gaps.at(tmp_path, "gateway", records, SystemClock())
    for number in range(2000):
        gaps.count(f"server-{number}", "allow", "full")
    path = tmp_path / "run" / "unrecorded-gateway"
    assert path.stat().st_size == _ROOM
    gaps.close()
    following = Gaps.at(tmp_path, "gateway", records, SystemClock())
    following.look()
    assert records.events[-1].body["by_server"] == {"(others)": {"allow": 2000}}
    following.close()
    path.write_bytes(b"{broken\n")
    damaged = Gaps.at(tmp_path, "gateway", records, SystemClock())
    damaged.look()
    assert records.events[-1].body["why"] == "the count was damaged"
    damaged.close()


def test_an_unknown_choice_is_said() -> None:
    with pytest.raises(Misconfigured, match="on_journal_failure"):
        check_server("files", ServerSettings(url="http://127.0.0.1:1/mcp", on_journal_failure="ignore"))
