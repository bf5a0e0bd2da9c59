"""The history of a name: addressed by content, bounded, told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.events import Event
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.registry import Observation, Pins
from watchkeeper.registry.history import told
from watchkeeper.registry.settings import PinSettings, PinTerms

Listing = Callable[..., list[Definition]]
See = Callable[..., Observation]


@pytest.mark.behaviour("registry.history-by-content")
def test_a_content_that_many_names_and_servers_show_is_kept_once(
    pins: Pins, see: See, tools: Listing, database: Database
) -> None:
    shown = tools(("read", "Reads."))
    see(shown)
    pins.observe("mail", shown, {shown[0].fingerprint: ()})
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM registry_contents")).scalar() == 1
        assert session.execute(text("SELECT count(*) FROM registry_definitions")).scalar() == 2


@pytest.mark.behaviour("registry.history-bounded")
def test_beyond_the_bound_the_oldest_go_but_the_first_and_the_pinned_stay(
    pins: Pins, see: See, tools: Listing, clock: ManualClock, database: Database, recorded: Callable[[], list[Event]]
) -> None:
    pins.terms = PinTerms(PinSettings(history=4))
    see(tools(("read", "v0")))
    for n in range(1, 12):
        clock.advance(1_000)
        see(tools(("read", f"v{n}")))
        if n == 2:
            pins.approve("files", "tool", "read", "operator:ada")
    kept = [shown.canonical for shown in pins.history("files", "tool", "read")]
    expected = [tools(("read", f"v{n}"))[0].canonical for n in (0, 2, 10, 11)]
    assert kept == expected
    assert pins.get("files", "read").pruned == 8
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM registry_contents")).scalar() == 4
    assert sum(event.kind == "registry.definition.seen" for event in recorded()) == 12, "the journal has them all"


def test_a_content_that_is_pruned_of_one_name_stays_for_another(
    pins: Pins, see: See, tools: Listing, clock: ManualClock
) -> None:
    pins.terms = PinTerms(PinSettings(history=4))
    shared = tools(("read", "v1"))
    pins.observe("mail", shared, {shared[0].fingerprint: ()})
    for n in range(8):
        clock.advance(1_000)
        see(tools(("read", f"v{n}")))
    assert [s.fingerprint for s in pins.history("mail", "tool", "read")] == [shared[0].fingerprint]
    assert shared[0].fingerprint not in [s.fingerprint for s in pins.history("files", "tool", "read")]


@pytest.mark.behaviour("registry.change-in-words")
def test_a_history_is_told_with_what_each_definition_changed(
    pins: Pins, see: See, tools: Listing, clock: ManualClock
) -> None:
    for words in ("Reads.", "Reads", "Sends."):
        see(tools(("read", words)))
        clock.advance(1_000)
    first, second, third = told(pins.snapshot("files", "read"))
    assert (first.change, first.marks, first.summary) == ("", ("pinned",), ())
    assert (second.change, second.marks) == ("cosmetic", ())
    assert (third.change, third.marks, third.summary) == ("semantic", ("seen",), ("description: “Reads” → “Sends.”",))
