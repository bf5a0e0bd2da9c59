"""How a pin moves, over every order of events."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.inspection.model import HIDDEN_INSTRUCTION, Finding
from watchkeeper.registry import transitions
from watchkeeper.registry.model import Pin, PinState
from watchkeeper.registry.transitions import representative

POISON = Finding("instructions", "instructions.imperative", HIDDEN_INSTRUCTION, 4)
shown = st.sampled_from("abc")
moves = st.lists(st.one_of(shown, st.sampled_from(["approve", "hold"])), max_size=12)


def first(fingerprint: str, *findings: Finding) -> Pin:
    return transitions.first_sight("files", "tool", "read", fingerprint, 1, findings=findings).pin


def play(pin: Pin, what: list[str]) -> Pin:
    for move in what:
        if move == "approve":
            pin = transitions.approved(pin, "operator:ada", 2).pin
        elif move == "hold":
            pin = transitions.held(pin, "because", "operator:ada", 2).pin
        else:
            pin = transitions.sighted(pin, move, 2).pin
    return pin


@settings(deadline=None)
@given(shown, st.booleans(), moves)
def test_only_what_was_trusted_or_approved_is_ever_usable(start: str, poisoned: bool, what: list[str]) -> None:
    pin = play(first(start, *((POISON,) if poisoned else ())), what)
    if pin.state is not PinState.HELD:
        assert pin.seen == pin.pinned
        assert pin.state is pin.pinned_as
        assert not pin.held_by
    if poisoned and "approve" not in what:
        assert pin.state is PinState.HELD
    if pin.state is PinState.APPROVED:
        assert "approve" in what


@settings(deadline=None)
@given(shown, moves)
def test_a_hold_by_hand_ends_only_by_approval(start: str, what: list[str]) -> None:
    pin = transitions.held(first(start), "because", "operator:ada", 2).pin
    after = play(pin, [move for move in what if move != "approve"])
    assert (after.state, after.held_by) == (PinState.HELD, "operator:ada")


@settings(deadline=None)
@given(shown, moves, shown)
def test_seeing_the_same_again_changes_nothing(start: str, what: list[str], last: str) -> None:
    pin = transitions.sighted(play(first(start), what), last, 3).pin
    assert transitions.sighted(pin, last, 4) == transitions.Step(pin)


@settings(deadline=None)
@given(shown, moves, st.lists(shown, min_size=2, max_size=3, unique=True))
def test_several_definitions_under_one_name_never_pass_as_the_pinned_one(
    start: str, what: list[str], group: list[str]
) -> None:
    pin = play(first(start), what)
    chosen = representative(pin, group)
    assert chosen in group
    assert chosen != pin.pinned
