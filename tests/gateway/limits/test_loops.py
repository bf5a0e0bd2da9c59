"""An agent that repeats itself is told so; nobody else is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.conftest import House, call
from watchkeeper.gateway.limits import loops
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.limits.loops import Repeats
from watchkeeper.gateway.limits.meters import SECOND
from watchkeeper.gateway.limits.model import Refused
from watchkeeper.gateway.limits.settings import LoopSettings

THREE = LoopSettings(seconds=10, notice=2, refuse=3)


def look(repeats: Repeats, now: int = 0, who: str = "alice", tool: str = "echo", said: bytes = b"{}") -> Refused | int:
    return repeats.look(who, "srv", tool, said, now)


@pytest.mark.behaviour("loops.repeated-call-refused")
async def test_a_model_that_repeats_itself_is_told_so(
    make_house: Callable[..., Awaitable[House]],
) -> None:
    house = await make_house(gate=Gate({}, THREE))
    for _ in range(3):
        assert (await house.post(call())).json["result"] == {}
    got = await house.post(call())
    text = got.json["result"]["content"][0]["text"]
    assert got.json["result"]["isError"] is True
    assert text.startswith("You are repeating yourself: exactly this call came 3 times within 10 seconds")
    assert "Rules: loop:repeated-call." in text
    assert got.header("retry-after") is not None
    assert len(house.server.got) == 3
    assert house.events()[-1].body["rules"] == ["loop:repeated-call"]
    other = await house.post(call(arguments={"other": 1}))
    assert other.json["result"] == {}


@pytest.mark.behaviour("loops.noticed")
async def test_a_repetition_is_recorded_once_long_before_it_is_refused(
    make_house: Callable[..., Awaitable[House]],
) -> None:
    house = await make_house(gate=Gate({}, THREE))
    for _ in range(5):
        await house.post(call())
    noticed = house.events("gateway.loop")
    assert [(event.kind, event.body["tool"], event.body["count"]) for event in noticed] == [
        ("gateway.loop.noticed", "echo", 2)
    ]


@pytest.mark.behaviour("loops.honest-clients")
def test_polling_at_two_calls_a_second_is_never_refused() -> None:
    repeats = Repeats(LoopSettings())
    assert not any(isinstance(look(repeats, n * SECOND // 2), Refused) for n in range(3600))


@pytest.mark.parametrize("differently", [{"who": "bob"}, {"tool": "add"}, {"said": b'{"a":1}'}])
def test_only_the_same_call_of_the_same_client_counts(differently: dict[str, str]) -> None:
    repeats = Repeats(THREE)
    for _ in range(3):
        look(repeats)
    assert isinstance(look(repeats), Refused)
    assert look(repeats, **differently) == 0  # type: ignore[arg-type]


def test_calls_in_between_hide_no_circle() -> None:
    repeats = Repeats(THREE)
    said = [look(repeats, n, tool="ab"[n % 2]) for n in range(8)]
    assert [isinstance(one, Refused) for one in said] == [False] * 6 + [True] * 2


@given(st.lists(st.integers(0, 8 * SECOND), max_size=80))
def test_what_is_refused_came_so_often_in_that_time_and_passes_again_after_the_wait(pauses: list[int]) -> None:
    repeats, now, passed = Repeats(THREE), 0, []
    for pause in pauses:
        now += pause
        said = look(repeats, now)
        if isinstance(said, Refused):
            assert sum(1 for at in passed if now - at <= 10 * SECOND) >= 3
            now += said.wait
            assert not isinstance(look(repeats, now), Refused)
        passed.append(now)


@pytest.mark.parametrize(("settings", "is_on"), [({"refuse": 0}, True), ({"refuse": 0, "notice": 0}, False)])
def test_it_can_be_turned_off(settings: dict[str, int], is_on: bool) -> None:
    repeats = Gate({}, LoopSettings(**settings)).repeats  # type: ignore[arg-type]
    assert (repeats is not None) is is_on
    if repeats is not None:
        assert [n for n in range(1, 1000) if look(repeats)] == [60]


@pytest.mark.behaviour("loops.bounded-memory")
def test_what_one_client_sends_makes_nobody_forget_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MOST_CALLS", 4)
    monkeypatch.setattr(loops, "MOST_CLIENTS", 2)
    repeats = Repeats(THREE)
    for _ in range(3):
        look(repeats)
    for n in range(100):
        look(repeats, who="bob", said=b"%d" % n)
    assert isinstance(look(repeats), Refused)
    memory = repeats._memories["bob"]
    assert len(memory.now) + len(memory.before) <= 8
    look(repeats, who="carol")
    assert len(repeats._memories) == 2
