"""What the settings say of pins."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.events import Event
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.model import HIDDEN_INSTRUCTION, Finding
from watchkeeper.registry import Observation, Pins, PinState
from watchkeeper.registry.settings import OwnPinSettings, PinSettings, PinTerms, check_pins

Listing = Callable[..., list[Definition]]
See = Callable[..., Observation]
READ = ("tool", "read")


def test_a_server_differs_only_where_it_says_so() -> None:
    terms = PinTerms(PinSettings(recheck_seconds=60), {"files": OwnPinSettings(cosmetic="pass", canary_seconds=5)})
    assert terms.of("files") == PinSettings(cosmetic="pass", recheck_seconds=60, canary_seconds=5)
    assert terms.of("mail") == PinSettings(recheck_seconds=60)


@pytest.mark.parametrize("wrong", [PinSettings(cosmetic="maybe"), OwnPinSettings(doubt="ask")])
def test_an_unknown_word_is_refused(wrong: PinSettings | OwnPinSettings) -> None:
    with pytest.raises(Misconfigured):
        check_pins("pins", wrong)


@pytest.fixture
def lenient(pins: Pins) -> Pins:
    pins.terms = PinTerms(PinSettings(cosmetic="pass"))
    return pins


@pytest.mark.behaviour("registry.cosmetic-held-by-default")
def test_a_cosmetic_change_is_held_unless_the_settings_say_otherwise(
    pins: Pins, see: See, tools: Listing, recorded: Callable[[], list[Event]]
) -> None:
    see(tools(("read", "Reads a file."), ("send", "Sends it.")))
    pins.approve_all("files", "operator:ada")
    assert see(tools(("read", "Reads a file"), ("send", "Sends all."))).held == {READ, ("tool", "send")}
    assert [(event.body["class"], int(event.severity)) for event in recorded()[-3::2]] == [
        ("cosmetic", 3),
        ("semantic", 4),
    ]
    assert [pin.name for pin in pins.approve_all("files", "operator:ada", cosmetic_only=True)] == ["read"]
    assert pins.get("files", "read").change == ""
    assert pins.state("files", "tool", "send") is PinState.HELD


@pytest.mark.behaviour("registry.cosmetic-may-pass")
def test_a_cosmetic_change_takes_the_pinned_ones_place_where_the_settings_say_so(
    lenient: Pins, see: See, tools: Listing, recorded: Callable[[], list[Event]]
) -> None:
    old, new = tools(("read", "Reads a file.")), tools(("read", "Reads a  file"))
    see(old)
    lenient.approve("files", "tool", "read", "operator:ada")
    assert see(new) == Observation()
    pin = lenient.get("files", "read")
    assert (pin.state, pin.pinned, pin.approved_by) == (PinState.APPROVED, new[0].fingerprint, "operator:ada")
    event = recorded()[-1]
    assert (event.kind, event.body["class"]) == ("registry.pin.adopted", "cosmetic")
    assert (event.body["old"], event.body["new"]) == (old[0].fingerprint, new[0].fingerprint)
    assert see(tools(("read", "Reads all files."))).held == {READ}


@pytest.mark.behaviour("registry.cosmetic-may-pass")
def test_a_cosmetic_change_with_a_finding_or_of_a_hold_by_hand_does_not_pass(
    lenient: Pins, see: See, tools: Listing
) -> None:
    see(tools(("read", "Reads a file.")))
    assert see(tools(("read", "Reads a file")), Finding("x", "x.y", HIDDEN_INSTRUCTION, 4)).held == {READ}
    see(tools(("read", "Reads a file.")))
    lenient.hold("files", "tool", "read", "looked at", "operator:ada")
    assert see(tools(("read", "Reads  a file"))).held == {READ}
