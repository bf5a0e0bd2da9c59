from __future__ import annotations

import pytest

from tests.gateway.flow.conftest import AGENT, Agent, Make, request, text
from watchkeeper.core.clock import ManualClock
from watchkeeper.gateway.flow.counters import SLICES, Counters
from watchkeeper.gateway.model import Route
from watchkeeper.policy import Effect

HOUR = 3_600 * 1_000_000


def over(name: str, limit: int) -> str:
    return (
        f'@id("{name}") @reason("Too many.") forbid (principal, action == Action::"call_tool", resource) '
        f'when {{ context.counts.contains("{name}_over_{limit}") }};'
    )


def test_a_count_is_of_the_last_stretch_of_time() -> None:
    counters = Counters()
    for step in range(SLICES):
        counters.add("calls", 1, step * HOUR // SLICES, HOUR)
    assert counters.exceeded({"calls": (11, 12)}, HOUR - 1, HOUR) == ("calls_over_11",)
    assert counters.exceeded({"calls": (10, 11)}, HOUR, HOUR) == ("calls_over_10",)
    assert counters.exceeded({"calls": (0,)}, 3 * HOUR, HOUR) == ()


def test_a_clock_that_goes_back_changes_nothing() -> None:
    counters = Counters()
    counters.add("calls", 2, 5 * HOUR, HOUR)
    counters.add("calls", 1, HOUR, HOUR)
    assert counters.exceeded({"calls": (2,)}, 5 * HOUR, HOUR) == ("calls_over_2",)


@pytest.mark.behaviour("flow.counters")
def test_the_call_beyond_a_threshold_is_the_first_that_sees_it(make: Make, clock: ManualClock) -> None:
    agent = Agent(make(over("calls", 3), counted_minutes=60))
    effects = [agent.calls("files", "read_file", path="a").verdict.effect for _ in range(5)]
    assert effects == [Effect.ALLOW] * 3 + [Effect.DENY] * 2
    assert agent.calls("files", "read_file", path="a").told == {"counts": ("calls_over_3",)}
    assert Agent(agent.guard, "agent:other").calls("files", "read_file", path="a").verdict.effect is Effect.ALLOW
    clock.advance(2 * HOUR)
    assert agent.calls("files", "read_file", path="a").verdict.effect is Effect.ALLOW


@pytest.mark.behaviour("flow.counters")
def test_sends_are_counted_by_what_a_tool_can_do(make: Make) -> None:
    agent = Agent(make(over("sends", 1)))
    for _ in range(5):
        assert agent.calls("files", "read_file", path="a").verdict.effect is Effect.ALLOW
    assert agent.calls("mail", "send_message", body="a").verdict.effect is Effect.ALLOW
    assert agent.calls("mail", "send_message", body="a").verdict.effect is Effect.DENY


@pytest.mark.behaviour("flow.counters")
def test_bytes_denials_and_errors_are_counted(make: Make) -> None:
    agent = Agent(make(over("bytes_in", 1_000) + over("bytes_out", 1_000) + over("denials", 1) + over("errors", 0)))
    agent.gets("files", "read_file", text("x" * 2_000), path="a")
    assert agent.calls("files", "read_file", path="a").verdict.rules == ("bytes_in",)
    assert agent.calls("files", "read_file", path="a" * 2_000).verdict.rules == ("bytes_in", "bytes_out")
    assert agent.calls("files", "read_file", path="a").verdict.rules == ("bytes_in", "bytes_out", "denials")
    agent.gets("files", "read_file", {"content": [], "isError": True}, path="a")
    assert "errors" in agent.calls("files", "read_file", path="a").verdict.rules


@pytest.mark.behaviour("flow.counters")
def test_a_session_of_the_older_era_has_counters_of_its_own(make: Make) -> None:
    guard = make(over("session_calls", 1))
    route, message = Route(name="files"), [request("tools/call", name="read_file", arguments={}) for _ in range(5)]
    effects = [
        guard.on_request(route, AGENT, one, None, session).verdict.effect
        for one, session in zip(message, ["s-1", "s-1", "s-2", "", ""], strict=True)
    ]
    assert effects == [Effect.ALLOW, Effect.DENY, Effect.ALLOW, Effect.ALLOW, Effect.ALLOW]


@pytest.mark.behaviour("flow.counters")
def test_a_call_that_a_person_is_asked_about_is_judged_again_and_counted_once(make: Make) -> None:
    ask = over("calls", 0).replace("forbid", '@effect("ask") forbid') + over("sends", 1)
    agent = Agent(make(ask))
    message = request("tools/call", name="send_message", arguments={})
    assert agent.asks("mail", message).verdict.effect is Effect.ASK
    assert agent.asks("mail", message).verdict.effect is Effect.ASK
    assert agent.calls("mail", "send_message").verdict.effect is Effect.DENY
