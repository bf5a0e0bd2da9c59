"""Calls that wait: woken, given up, bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.gateway.approvals.wanted import wanted
from watchkeeper.gateway.approvals import Approval, State
from watchkeeper.gateway.approvals.waiting import MOST, MOST_OF_ONE, Waits


def pending(name: str = "ask-1", **fields: Any) -> Approval:
    shown = msgspec.structs.asdict(wanted(**fields))
    return Approval(**shown, id=name, state=State.PENDING, count=1, requested_at=0, last_at=0, expires_at=10)


def granted(approval: Approval) -> Approval:
    return msgspec.structs.replace(approval, state=State.GRANTED)


async def begun(waits: Waits, approval: Approval, key: object) -> asyncio.Task[Approval]:
    task = asyncio.create_task(waits.outcome(approval, 30, key))
    await asyncio.sleep(0)
    return task


@pytest.mark.behaviour("approvals.held")
async def test_whoever_waits_is_woken_from_any_thread() -> None:
    waits, one = Waits(), pending()
    tasks = [await begun(waits, one, key) for key in (1, 2)]
    assert waits.ids() == ("ask-1",)
    await asyncio.to_thread(waits.tell, [one])
    assert not any(task.done() for task in tasks)
    await asyncio.to_thread(waits.tell, [granted(one)])
    assert [(await task).state for task in tasks] == [State.GRANTED] * 2
    assert waits.ids() == ()


@pytest.mark.behaviour("approvals.told")
async def test_a_wait_is_bounded() -> None:
    waits, one = Waits(), pending()
    assert await waits.outcome(one, 0.01, 1) is one
    assert waits.ids() == ()


@pytest.mark.behaviour("approvals.client-left")
async def test_one_that_gives_up_leaves_the_others_waiting() -> None:
    waits, one = Waits(), pending()
    for key in ("a", "b"):
        waits.expect(key)
    first, second = await begun(waits, one, "a"), await begun(waits, one, "b")
    assert (waits.give_up("a"), waits.give_up("c")) == (True, False)
    assert (await first).state is State.PENDING
    assert not second.done()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert waits.ids() == ()
    assert (waits.let_go("a"), waits.let_go("b"), waits.let_go("a")) == (True, False, False)


@pytest.mark.behaviour("approvals.client-left")
async def test_one_that_is_given_up_before_it_waits_does_not_wait() -> None:
    waits, one = Waits(), pending()
    waits.expect("a")
    assert waits.give_up("a")
    assert await asyncio.wait_for(waits.outcome(one, 30, "a"), 5) is one


@pytest.mark.behaviour("approvals.bounded")
async def test_only_so_many_calls_are_held_of_one_client_and_in_all() -> None:
    waits = Waits()
    mine = [await begun(waits, pending(), number) for number in range(MOST_OF_ONE + 1)]
    assert [task.done() for task in mine] == [False] * MOST_OF_ONE + [True]
    others = [await begun(waits, pending(principal=f"agent:{n}"), ("o", n)) for n in range(MOST - MOST_OF_ONE + 1)]
    assert [task.done() for task in others].count(True) == 1
    waits.close()
    assert {(await task).state for task in (*mine, *others)} == {State.PENDING}
    assert await waits.outcome(pending(), 30, "late") == pending()
