"""Limits over several gates, as in several workers, with real sockets between."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from watchkeeper.gateway.limits import bank as module
from watchkeeper.gateway.limits.bank import Bank
from watchkeeper.gateway.limits.gate import Gate, Held, Lacking
from watchkeeper.gateway.limits.ledger import Ledger
from watchkeeper.gateway.limits.lender import LONGEST, Frames, Lender, framed
from watchkeeper.gateway.limits.model import Caller, Refused
from watchkeeper.gateway.limits.settings import LimitSettings

WAIT = 10.0
ALICE = Caller("alice", "srv", "tools/call", "echo")
LIMITS = {
    "calls": LimitSettings(per=("principal",), calls=20),
    "slots": LimitSettings(concurrent=5),
    "budget": LimitSettings(cost=100.0, bytes_out=10_000, bytes_in=100_000),
}


class House:
    """A lender, and gates that borrow from it."""

    def __init__(self, path: Path) -> None:
        self.path = path / "limits.sock"
        self.gates: list[Gate] = []
        self.lender: Lender | None = None

    async def open(self) -> None:
        self.lender = Lender(self.path, Ledger(LIMITS))
        await self.lender.open()

    def gate(self) -> Gate:
        gate = Gate(LIMITS, bank=Bank(self.path))
        self.gates.append(gate)
        return gate

    async def close(self) -> None:
        for gate in self.gates:
            await gate.close()
        if self.lender is not None:
            await self.lender.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    await house.open()
    yield house
    await house.close()


async def enter(gate: Gate, caller: Caller = ALICE) -> Held | Refused:
    entry = gate.enter(caller, 10, time.monotonic_ns())
    if isinstance(entry, Lacking):
        entry = await gate.borrow(entry, time.monotonic_ns)
    assert isinstance(entry, Held | Refused)
    return entry


@pytest.mark.behaviour("limits.workers-never-above")
async def test_many_calls_over_three_workers_pass_exactly_as_often_as_allowed(house: House) -> None:
    gates = itertools.cycle([house.gate() for _ in range(3)])

    async def one() -> bool:
        entry = await enter(next(gates))
        if isinstance(entry, Held):
            await asyncio.sleep(0)
            entry.release()
        return isinstance(entry, Held)

    passed = 0
    for _ in range(20):
        passed += sum(await asyncio.gather(*(one() for _ in range(3))))
    assert 18 <= passed <= 20  # under it by what lies with the others at most
    assert not [row for row in house.lender.ledger.standing(0) if row["amounts"].get("calls", {}).get("used", 0) > 20]


async def test_calls_under_way_are_counted_over_all_workers(house: House) -> None:
    one, other = house.gate(), house.gate()
    held = [await enter(gate) for gate in (one, other, one, other, one)]
    assert all(isinstance(entry, Held) for entry in held)
    refused = await enter(other)
    assert isinstance(refused, Refused)
    assert refused.rule == "limit:slots"
    held[1].release()  # type: ignore[union-attr]
    assert isinstance(await enter(other), Held)


@pytest.mark.behaviour("limits.dead-worker")
async def test_a_worker_whose_connection_ends_leaves_its_calls_under_way_to_others(house: House) -> None:
    one, other = house.gate(), house.gate()
    held = [await enter(one) for _ in range(5)]
    assert all(isinstance(entry, Held) for entry in held)
    assert isinstance(await enter(other), Refused)
    assert one._bank is not None
    assert one._bank._line is not None
    one._bank._line._transport.abort()
    async with asyncio.timeout(WAIT):
        while isinstance(entry := await enter(other), Refused):
            await asyncio.sleep(0)
    assert isinstance(entry, Held)


@pytest.mark.behaviour("limits.lease-returned")
async def test_a_lease_nobody_uses_is_given_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.02)
    one = house.gate()
    entry = await enter(one)
    assert isinstance(entry, Held)
    entry.release()
    ledger = house.lender.ledger
    async with asyncio.timeout(WAIT):
        while any(row["limit"] == "slots" for row in ledger.standing(time.monotonic_ns())):
            await asyncio.sleep(0.01)
    used = {row["limit"]: row["amounts"] for row in ledger.standing(time.monotonic_ns())}
    assert used["calls"]["calls"]["used"] == 1
    assert used["budget"]["cost"]["used"] == 1.0
    assert used["budget"]["bytes_in"]["used"] == 10


@pytest.mark.behaviour("limits.no-ledger")
async def test_without_a_ledger_what_is_limited_waits_and_goes_on_when_it_is_back(house: House) -> None:
    gate = house.gate()
    held = await enter(gate)
    await house.lender.close()
    async with asyncio.timeout(WAIT):
        while gate._bank._line.is_open:
            await asyncio.sleep(0)
    refused = await enter(gate)
    assert isinstance(refused, Refused)
    assert (refused.rule, refused.retry_after) == ("limit:calls", 1)
    assert "does not answer" in refused.reason
    await house.open()
    again = await enter(gate)
    assert isinstance(again, Held)
    rows = {row["limit"]: row["amounts"] for row in house.lender.ledger.standing(time.monotonic_ns())}
    assert rows["slots"]["concurrent"]["used"] >= 2  # the call under way since before is known, too
    for entry in (held, again):
        entry.release()


async def test_one_who_does_not_speak_as_workers_do_is_cut_off(house: House) -> None:
    for rubbish in (b"\xff\xff\xff\xff" + b"x" * 100, framed({"a": 1}), framed([["x"]])):
        reader, writer = await asyncio.open_unix_connection(str(house.path))
        writer.write(rubbish)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), WAIT) == b""
        writer.close()
    assert isinstance(await enter(house.gate()), Held)


def test_frames_come_whole_however_they_are_cut() -> None:
    data = framed([1, 2]) + framed("x" * 300) + framed(None)
    for size in (1, 2, 3, 7, len(data)):
        frames = Frames()
        got = [frame for at in range(0, len(data), size) for frame in frames.feed(data[at : at + size])]
        assert [len(frame) for frame in got] == [3, 303, 1]
    with pytest.raises(ValueError, match="too long"):
        list(Frames().feed((LONGEST + 1).to_bytes(4, "big")))
