"""Names that could be taken for another server's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.events import Event
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.registry import Peer, Pins
from watchkeeper.registry.lookalikes import Names, is_slip, skeleton

Listing = Callable[..., list[Definition]]


@pytest.mark.behaviour("registry.lookalikes-noticed")
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("read_file", "same"),
        ("readFile", "skeleton"),
        ("read-file", "skeleton"),
        ("r\u0435ad_file", "skeleton"),
        ("read_fi1e", "skeleton"),
        ("rea\u0301d_file", "skeleton"),
        ("raed_file", "slip"),
        ("read_fle", "slip"),
        ("read_filez", "slip"),
        ("read_fike", "slip"),
        ("read_files", ""),
        ("write_file", ""),
        ("read_dir", ""),
    ],
)
def test_a_later_name_is_compared_with_older_ones_of_other_servers(name: str, how: str) -> None:
    names = Names()
    names.add("files", "read_file", 1)
    names.add("drive", name, 2)
    found = names.like("drive", name, 2)
    assert (found.how if found else "") == how
    assert names.like("files", "read_file", 1) is None, "the older one imitates nobody"


def test_a_server_does_not_imitate_itself() -> None:
    names = Names()
    names.add("files", "read_file", 1)
    assert names.like("files", "readFile", 2) is None


def test_short_names_and_numbers_are_no_slips() -> None:
    names = Names()
    names.add("a", "get", 1)
    assert names.like("b", "gets", 2) is None
    assert not is_slip("model7", "model8")
    assert not is_slip("abcdef", "abcdefgh")
    assert not is_slip("abcdef", "abdcfe")
    assert skeleton("___") == "___"


@pytest.mark.behaviour("registry.lookalikes-noticed")
def test_a_lookalike_is_a_fact_and_a_label_and_stays_usable(
    pins: Pins, tools: Listing, clock: ManualClock, recorded: Callable[[], list[Event]]
) -> None:
    for server, name in (("files", "read_file"), ("drive", "read_fi1e"), ("mail", "read_file")):
        shown = tools((name, f"Reads for {server}."))
        pins.observe(server, shown, {shown[0].fingerprint: ()})
        clock.advance(1)
    assert pins.labels("files", "tool", "read_file") == ()
    assert pins.labels("drive", "tool", "read_fi1e") == ("lookalike",)
    assert pins.labels("mail", "tool", "read_file") == ("same_name",)
    facts = [event for event in recorded() if event.kind == "registry.lookalike.noticed"]
    assert [(f.server, f.body["other_server"], f.body["likeness"], int(f.severity)) for f in facts] == [
        ("drive", "files", "skeleton", 3),
        ("mail", "files", "same", 1),
    ]
    assert not pins.held("drive")


def test_the_very_same_definition_of_another_server_is_no_news(
    pins: Pins, tools: Listing, clock: ManualClock, recorded: Callable[[], list[Event]]
) -> None:
    shown = tools(("read_file", "Reads."))
    for server in ("one", "two"):
        pins.observe(server, shown, {shown[0].fingerprint: ()})
        clock.advance(1)
    assert not [event for event in recorded() if event.kind == "registry.lookalike.noticed"]
    assert pins.labels("two", "tool", "read_file") == ("same_name",)


@pytest.mark.behaviour("registry.company")
def test_the_company_of_a_server_is_what_a_model_sees_beside_it(pins: Pins, tools: Listing) -> None:
    mail, files = tools(("send", "Sends."), ("spy", "Spies.")), tools(("read", "Reads."))
    pins.observe("mail", mail, {mail[0].fingerprint: ()})
    pins.observe("files", files, {files[0].fingerprint: ()})
    assert pins.company("files") == (Peer("mail", "send", "Sends."),), "what is held is not seen"
    assert pins.company("files") is pins.company("files")
    pins.approve("mail", "tool", "spy", "operator:ada")
    assert pins.company("files") == (Peer("mail", "send", "Sends."), Peer("mail", "spy", "Spies."))
    assert pins.company("other") == (*pins.company("files"), Peer("files", "read", "Reads."))
