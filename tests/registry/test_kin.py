"""One definition under two names: renamed, moved, or a hold evaded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from watchkeeper.events import Event
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.model import HIDDEN_INSTRUCTION, Finding
from watchkeeper.registry import Pins, PinState
from watchkeeper.registry.kin import likeness, portrait

Listing = Callable[..., list[Definition]]
Recorded = Callable[[], list[Event]]

READS = "Reads one file of the project and answers with its text, line by line, up to a limit."
NEARLY = "Reads one file of the project and answers with its text, line by line, up to the limit."
SENDS = "Sends a letter to a person whose address is known, with a subject and as many attachments as one likes."
POISON = Finding("instructions", "instructions.imperative", HIDDEN_INSTRUCTION, 4)


@pytest.fixture
def list_all(pins: Pins) -> Callable[..., None]:
    """Observe the whole list of a server."""

    def observe(server: str, definitions: list[Definition], *found: Finding, whole: str = "tool") -> None:
        pins.observe(server, definitions, {d.fingerprint: found for d in definitions}, whole)

    return observe


def akin(events: list[Event]) -> list[tuple[str, str, str]]:
    kinds = ("registry.pin.renamed", "registry.pin.moved")
    return [(e.kind, e.target, f"{e.body['from_server']}/{e.body['from_name']}") for e in events if e.kind in kinds]


@pytest.mark.behaviour("registry.renames-noticed")
@pytest.mark.parametrize("words", [READS, NEARLY])
def test_a_renamed_tool_is_told_and_inherits_no_approval(
    pins: Pins, list_all: Callable[..., None], tools: Listing, recorded: Recorded, words: str
) -> None:
    list_all("files", tools(("read", READS), ("send", SENDS)))
    pins.approve_all("files", "operator:ada")
    list_all("files", tools(("fetch", words), ("send", SENDS)))
    pin = pins.get("files", "fetch")
    assert (pin.state, pin.origin, pin.origin_of) == (PinState.TRUSTED, "renamed", "files/read")
    assert pin.approved_by == ""
    assert pins.labels("files", "tool", "fetch") == ("renamed",)
    assert akin(recorded()) == [("registry.pin.renamed", "fetch", "files/read")]


@pytest.mark.behaviour("registry.renames-noticed")
def test_a_tool_that_is_still_listed_or_on_another_page_was_not_renamed(
    list_all: Callable[..., None], tools: Listing, recorded: Recorded
) -> None:
    list_all("files", tools(("read", READS)))
    list_all("files", tools(("read", READS), ("fetch", READS)))
    list_all("files", tools(("get", READS)), whole="")
    assert akin(recorded()) == []


@pytest.mark.behaviour("registry.renames-noticed")
def test_a_tool_that_went_to_another_server_was_moved(
    pins: Pins, list_all: Callable[..., None], tools: Listing, recorded: Recorded
) -> None:
    list_all("files", tools(("read", READS), ("send", SENDS)))
    list_all("drive", tools(("fetch", READS)))
    assert akin(recorded()) == [], "the same definition at two servers is no move"
    list_all("files", tools(("read", READS)))
    list_all("drive", tools(("fetch", READS), ("post", SENDS)))
    assert akin(recorded()) == [("registry.pin.moved", "post", "files/send")]
    assert pins.get("drive", "post").origin_of == "files/send"


@pytest.mark.behaviour("registry.hold-follows-a-rename")
def test_a_hold_cannot_be_evaded_by_another_name_or_server(
    pins: Pins, list_all: Callable[..., None], tools: Listing
) -> None:
    list_all("files", tools(("read", READS)))
    pins.hold("files", "tool", "read", "under investigation", "operator:ada")
    list_all("files", tools(("fetch", NEARLY)))
    list_all("drive", tools(("read", READS)))
    for server, name in (("files", "fetch"), ("drive", "read")):
        pin = pins.get(server, name)
        assert (pin.state, pin.pinned) == (PinState.HELD, "")
        assert pin.reason == "it is nearly files/read, which is held"
    pins.approve("files", "tool", "fetch", "operator:ada")
    assert pins.state("files", "tool", "fetch") is PinState.APPROVED


def test_definitions_that_say_next_to_nothing_are_never_kin(
    pins: Pins, list_all: Callable[..., None], tools: Listing
) -> None:
    list_all("files", tools(("read", "Reads.")), POISON)
    list_all("files", tools(("fetch", "Reads.")))
    assert pins.get("files", "fetch").origin == ""


def test_likeness_counts_common_pairs_of_words(tools: Listing) -> None:
    read, near, send = (portrait(tools(("x", words))[0].canonical) for words in (READS, NEARLY, SENDS))
    assert likeness(read, read) == 1
    assert 0.8 < likeness(read, near) < 1
    assert likeness(read, send) < 0.4
    assert portrait(b'"Be kind."') == portrait(b"{") == frozenset()
    assert likeness(frozenset(), frozenset()) == 0
