"""Who falls under which limit, and that a message draws on all of them or on none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.gateway.limits import counters
from watchkeeper.gateway.limits.gate import Gate, Held
from watchkeeper.gateway.limits.meters import SECOND
from watchkeeper.gateway.limits.model import Caller, Refused
from watchkeeper.gateway.limits.settings import LimitSettings, LoopSettings


def caller(principal: str = "alice", tool: str = "echo", server: str = "srv", method: str = "tools/call") -> Caller:
    return Caller(principal, server, method, tool)


def passes(gate: Gate, who: Caller, now: int = 0, size: int = 10) -> bool:
    entry = gate.enter(who, size, now)
    if isinstance(entry, Held):
        entry.release()
    return not isinstance(entry, Refused)


@pytest.mark.behaviour("limits.per-whom")
@pytest.mark.parametrize(
    ("per", "others"),
    [
        ((), []),
        (("principal",), ["bob"]),
        (("server",), ["server"]),
        (("tool",), ["server", "tool"]),
        (("principal", "tool"), ["bob", "server", "tool"]),
        (("tenant",), ["tenant"]),
    ],
)
def test_each_has_an_allowance_of_its_own_and_no_other(per: tuple[str, ...], others: list[str]) -> None:
    who = {
        "bob": caller("bob"),
        "server": caller(server="other"),
        "tool": caller(tool="add"),
        "tenant": caller()._replace(tenant="b"),
    }
    gate = Gate({"one": LimitSettings(per=per, calls=1)})
    assert passes(gate, caller())
    assert [name for name, other in who.items() if passes(gate, other)] == others


@pytest.mark.parametrize(
    ("limit", "matches"),
    [
        (LimitSettings(calls=1), True),
        (LimitSettings(calls=1, principals=("al*",)), True),
        (LimitSettings(calls=1, principals=("bob",)), False),
        (LimitSettings(calls=1, groups=("dev",)), True),
        (LimitSettings(calls=1, groups=("ops",)), False),
        (LimitSettings(calls=1, servers=("s?v",)), True),
        (LimitSettings(calls=1, servers=("git",)), False),
        (LimitSettings(calls=1, tools=("*/echo",)), True),
        (LimitSettings(calls=1, tools=("srv/add",)), False),
        (LimitSettings(calls=1, tenants=("default",)), True),
        (LimitSettings(calls=1, tenants=("acme",)), False),
        (LimitSettings(calls=1, methods=("resources/*",)), False),
    ],
)
def test_a_limit_speaks_of_whom_every_list_of_it_matches(limit: LimitSettings, matches: bool) -> None:
    gate = Gate({"one": limit}, groups_of=lambda name: ("dev",) if name == "alice" else ())
    assert (gate.enter(caller(), 10, 0) is not None) is matches
    assert gate.explain(caller(), 0)[0]["matches"] is matches


@pytest.mark.behaviour("limits.all-or-none")
def test_a_refused_message_has_used_nothing_of_any_limit() -> None:
    limits = {"wide": LimitSettings(calls=5, concurrent=5), "narrow": LimitSettings(per=("principal",), calls=1)}
    gate = Gate(limits)
    assert passes(gate, caller())
    assert not passes(gate, caller())
    assert [passes(gate, caller(str(n))) for n in range(5)] == [True] * 4 + [False]


@pytest.mark.behaviour("limits.concurrency")
@given(st.lists(st.one_of(st.just("enter"), st.integers(0, 9)), max_size=60))
def test_calls_under_way_are_never_more_than_allowed_whatever_the_order(steps: list[str | int]) -> None:
    gate, under_way = Gate({"one": LimitSettings(concurrent=3)}), []
    for step in steps:
        if step == "enter":
            entry = gate.enter(caller(), 1, 0)
            assert isinstance(entry, Refused) is (len(under_way) == 3)
            if isinstance(entry, Held):
                under_way.append(entry)
        elif under_way:
            held = under_way.pop(int(step) % len(under_way))
            held.release()
            held.release()  # twice is once


@pytest.mark.behaviour("limits.late-amounts")
def test_bytes_of_an_answer_are_counted_against_the_next_call() -> None:
    gate = Gate({"out": LimitSettings(bytes_out=100)})
    first = gate.enter(caller(), 10, 0)
    assert isinstance(first, Held)
    assert passes(gate, caller(), 1)
    first.answered(150, 2)
    refused = gate.enter(caller(), 10, 3)
    assert isinstance(refused, Refused)
    assert refused.retry_after == 61
    assert passes(gate, caller(), 62 * SECOND)


@pytest.mark.behaviour("limits.cost-budget")
def test_a_budget_is_spent_by_what_each_tool_costs() -> None:
    limit = LimitSettings(cost=1.0, cost_per_call=0.1, costs={"srv/deep*": 0.7, "*/free": 0.0})
    gate = Gate({"budget": limit})
    assert passes(gate, caller(tool="deep-search"))
    assert not passes(gate, caller(tool="deep-search"))
    assert [passes(gate, caller()) for _ in range(4)] == [True, True, True, False]
    assert passes(gate, caller(tool="free"))


def test_tenths_of_a_budget_add_up_exactly() -> None:
    gate = Gate({"budget": LimitSettings(cost=100.0, cost_per_call=0.1)})
    assert sum(passes(gate, caller()) for _ in range(1100)) == 1000


def test_what_an_answer_costs_by_its_size_is_settled_late() -> None:
    gate = Gate({"budget": LimitSettings(cost=1.0, cost_per_call=0.0, cost_per_kb=0.5)})
    held = gate.enter(caller(), 1024, 0)
    assert isinstance(held, Held)
    held.answered(1024, 0)
    assert not passes(gate, caller())


def test_a_message_that_is_larger_than_its_limit_is_told_so() -> None:
    refused = Gate({"in": LimitSettings(bytes_in=100)}).enter(caller(), 101, 0)
    assert isinstance(refused, Refused)
    assert refused.retry_after is None
    assert "Do not send it again as it is" in refused.reason


@pytest.mark.behaviour("limits.bounded-memory")
def test_names_made_up_by_a_client_share_one_counter_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MOST_COUNTERS", 3)
    gate = Gate({"one": LimitSettings(per=("tool",), calls=1)})
    assert [passes(gate, caller(tool=f"t{n}"), 2 * SECOND) for n in range(6)] == [True] * 4 + [False] * 2
    assert passes(gate, caller(tool="t9"), 100 * SECOND)
    assert len(gate.standing(100 * SECOND)) == 1


@given(st.lists(st.tuples(st.integers(0, 30 * SECOND), st.integers(0, 2), st.integers(0, 200)), max_size=60))
def test_a_gate_that_forgets_never_lets_more_pass(steps: list[tuple[int, int, int]]) -> None:
    gate, now, passed = Gate({"one": LimitSettings(per=("tool",), calls=2)}), 0, []
    before = counters.MOST_COUNTERS, counters.MOST_REMEMBERED
    counters.MOST_COUNTERS, counters.MOST_REMEMBERED = 2, 3
    try:
        for pause, tool, size in steps:
            now += pause
            if passes(gate, caller(tool=str(tool)), now, size):
                passed.append((now, tool))
    finally:
        counters.MOST_COUNTERS, counters.MOST_REMEMBERED = before
    for begin, tool in passed:
        assert sum(1 for at, other in passed if other == tool and begin <= at < begin + 60 * SECOND) <= 2


def test_standing_says_what_is_used_of_what() -> None:
    gate = Gate({"one": LimitSettings(per=("principal",), calls=4, concurrent=2, cost=8.0)})
    held = gate.enter(caller(), 10, 0)
    assert isinstance(held, Held)
    assert gate.standing(0) == [
        {
            "limit": "one",
            "for": {"principal": "alice"},
            "seconds": 60.0,
            "share": 0.5,
            "amounts": {
                "calls": {"used": 1, "limit": 4},
                "cost": {"used": 1.0, "limit": 8.0},
                "concurrent": {"used": 1, "limit": 2},
            },
        }
    ]


@pytest.mark.behaviour("limits.given-back")
def test_what_is_lost_without_a_word_is_given_back() -> None:
    gate = Gate({"one": LimitSettings(concurrent=1)})
    entry = gate.enter(caller(), 1, 0)
    assert isinstance(gate.enter(caller(), 1, 0), Refused)
    del entry
    assert isinstance(gate.enter(caller(), 1, 0), Held)


@pytest.mark.behaviour("limits.survive-a-change")
def test_a_limit_that_stays_as_it_was_goes_on_counting_over_a_change_of_settings() -> None:
    same, other = LimitSettings(calls=2), LimitSettings(concurrent=1)
    before = Gate({"same": same, "other": other})
    held = before.enter(caller(), 10, 0)
    assert isinstance(held, Held)
    after = Gate({"same": same, "other": LimitSettings(concurrent=2)}, former=before)
    assert [passes(after, caller()) for _ in range(3)] == [True, False, False]
    held.release()


def test_a_memory_of_repetitions_survives_a_change_of_other_settings() -> None:
    loops_of = LoopSettings(refuse=3)
    before = Gate({}, loops_of)
    after = Gate({"x": LimitSettings(calls=1)}, loops_of, former=before)
    assert after.repeats is before.repeats
    assert Gate({}, LoopSettings(refuse=4), former=before).repeats is not before.repeats
