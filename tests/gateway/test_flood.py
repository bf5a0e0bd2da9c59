"""What of a server's notifications a client gets: what it can follow, and nothing after the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.conftest import House, begin, call, mirrors, stream
from watchkeeper.gateway.flood import Flood, FloodSettings

MakeHouse = Callable[..., Awaitable[House]]
ANSWER = b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
PROGRESS = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}\n\n'
LOG = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}\n\n'
FEW = FloodSettings(progress_per_second=0.001, log_per_second=0.001, burst_seconds=3000)


@pytest.mark.behaviour("floods.progress-and-log-apart")
async def test_a_flood_of_log_messages_drowns_no_progress_and_is_counted_in_the_calls_event(
    make_house: MakeHouse,
) -> None:
    house = await make_house(route={"floods": FEW})
    house.server.answer = stream(LOG * 50, PROGRESS * 2, LOG * 50, PROGRESS * 3, ANSWER)
    got = await house.post(call())
    assert (got.body.count(LOG), got.body.count(PROGRESS)) == (3, 3)
    assert got.body.endswith(ANSWER)
    decided = next(event for event in house.events() if event.kind == "gateway.request.decided")
    assert decided.body["dropped"] == {"log": 97, "progress": 2}


@pytest.mark.behaviour("floods.configurable")
async def test_a_kind_of_notification_can_be_kept_out_altogether(make_house: MakeHouse) -> None:
    house = await make_house(route={"floods": FloodSettings(log_per_second=0)})
    house.server.answer = stream(LOG, PROGRESS, ANSWER)
    assert (await house.post(call())).body == PROGRESS + ANSWER


@pytest.mark.behaviour("floods.nothing-after-completion")
@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_nothing_follows_the_answer_on_its_stream(make_house: MakeHouse, era: str) -> None:
    house = await make_house()
    house.server.answer = stream(PROGRESS, ANSWER, PROGRESS, LOG, PROGRESS)
    extra = mirrors() if era == "modern" else [await begin(house)]
    got = await house.post(call(modern=era == "modern"), *extra)
    assert got.body == PROGRESS + ANSWER
    told = [event.body["reason"] for event in house.events("gateway.request.refused")]
    assert told == ["a server's message was withheld: it came after its request was answered"]


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from(["notifications/progress", "notifications/message", "x"]))))
def test_no_kind_ever_passes_more_often_than_its_burst_and_rate(steps: list[tuple[float, str]]) -> None:
    flood, now, passed = Flood(0.0, FloodSettings(progress_per_second=2, log_per_second=1, burst_seconds=3)), 0.0, []
    for pause, method in steps:
        now += pause
        if flood.takes(now, method):
            passed.append((now, method))
    for method, rate in (("notifications/progress", 2), ("notifications/message", 1)):
        times = [at for at, what in passed if what == method]
        assert all(
            sum(1 for at in times if begin <= at <= end) <= 3 * rate + (end - begin) * rate + 1e-6
            for begin in times
            for end in times
            if end >= begin
        )
    assert flood.dropped + len(passed) == len(steps)
