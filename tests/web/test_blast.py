"""The drawing of a blast radius, as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.web.casing import a_case
from watchkeeper.respond.model import Alert
from watchkeeper.web.blast import MOST, drawn, things_of
from watchkeeper.web.model import IncidentRow, OrderRow

ROW = IncidentRow("INC-1", "t", 4, "open", 1)


def alert(number: int = 0, **members: Any) -> Alert:
    known = {"rule": "r", "server": "files", "target": "read", "principal": "agent:a", "outcome": "allow"}
    return Alert(id=f"a-{number}", time=1, **known | members)


def order(kind: str, target: str) -> OrderRow:
    return OrderRow("o", kind, target, "", "operator:a", 1)


def standing(kind: str, target: str, state: str = "contained", **members: Any) -> dict[tuple[str, str], str]:
    case = a_case(replace(ROW, state=state), [alert(fingerprint="f", **members)])
    return {thing.key: thing.words for thing in drawn(case.file, [order(kind, target)]).things}


@pytest.mark.behaviour("web.blast-radius")
@pytest.mark.parametrize(
    ("kind", "target", "held"),
    [
        ("hold_tool", "files/read", ("tool", "files/read")),
        ("block_tool_hash", "f", ("tool", "files/read")),
        ("block_server", "files", ("server", "files")),
        ("block_version", "files@>=1.0", ("server", "files")),
        ("set_read_only", "files", ("server", "files")),
        ("drain_transport", "files", ("server", "files")),
        ("quarantine_principal", "agent:a", ("principal", "agent:a")),
        ("quarantine_session", "*/principal:agent:a", ("principal", "agent:a")),
        ("quarantine_session", "files/session:s-1", ("session", "files/session:s-1")),
        ("taint_source", "files/read", ("tool", "files/read")),
        ("deny_egress", "files/evil.example", ("server", "files")),
    ],
)
def test_each_kind_of_order_holds_what_it_means(kind: str, target: str, held: tuple[str, str]) -> None:
    assert standing(kind, target)[held] == "order in force"


def test_an_order_is_no_containment_until_it_is_proven_and_a_lifted_one_is_none() -> None:
    key = ("tool", "files/read")
    assert standing("hold_tool", "files/read", "unverified")[key] == "in force, not proven"
    assert standing("hold_tool", "other/read", "open")[key] == "not contained"
    assert standing("hold_tool", "other/read", "open", outcome="deny")[key] == "stopped"
    lifted = drawn(a_case(ROW, [alert()]).file, [replace(order("hold_tool", "files/read"), lifted_at=2)])
    assert all(thing.kind != "order" for thing in lifted.things)


def test_sessions_of_alerts_are_drawn_between_whose_they_are_and_what_was_done_in_them() -> None:
    first, other = "0123456789abcdef0123", "fedcba98765432100000"
    alerts = [alert(1, session=first), alert(2, session=other, principal=""), alert(3)]
    drawing = drawn(
        a_case(replace(ROW, state="open"), alerts).file, [order("quarantine_session", f"files/session:{first}")]
    )
    things = {thing.key: thing for thing in drawing.things if thing.kind == "session"}
    mine, its = things["session", f"files/session:{first}"], things["session", f"files/session:{other}"]
    assert set(mine.ties) == {
        ("principal", "agent:a"), ("tool", "files/read"), ("order", f"quarantine session files/session:{first}"),
    }  # fmt: skip
    assert set(its.ties) == {("rule", "r"), ("tool", "files/read")}
    assert (mine.words, its.words) == ("in force, not proven", "not contained")
    assert (mine.label, mine.address) == ("files 01234567", f"/conversations/{first}")
    assert {box.thing.key for box in drawing.boxes} >= things.keys()


def test_whoever_is_held_has_no_session_that_goes_on() -> None:
    key = ("session", "files/session:0123456789abcdef0123")
    for kind, target in (("quarantine_principal", "a"), ("block_server", "files")):
        assert standing(kind, target, session=key[1][-20:])[key] == "order in force"
    assert standing("hold_tool", "files/read", "open", session=key[1][-20:])[key] == "not contained"


def test_a_lane_draws_a_few_and_says_how_many_more_there_are() -> None:
    alerts = [alert(n, principal=f"agent:{n}") for n in range(300)]
    drawing = drawn(a_case(ROW, alerts).file, [order("quarantine_principal", "agent:299")])
    who = next(lane for lane in drawing.lanes if lane.title == "Who")
    assert who.more == 300 - MOST
    assert sum(box.thing.kind == "principal" for box in drawing.boxes) == MOST
    assert len([thing for thing in drawing.things if thing.kind == "principal"]) == 300
    assert all(0 <= box.x < drawing.width and 0 <= box.y < drawing.height for box in drawing.boxes)


def test_an_incident_with_nothing_is_drawn_alone() -> None:
    drawing = drawn(a_case(ROW).file, [])
    assert [box.thing.name for box in drawing.boxes] == ["INC-1"]
    assert drawing.lines == []


@pytest.mark.behaviour("web.opened-by-hand")
def test_what_a_person_said_an_incident_is_about_is_drawn_though_no_alert_shows_it() -> None:
    file = a_case(replace(ROW, server="files", principal="agent:a")).file
    found = {(thing.kind, thing.name): thing.words for thing in things_of(file, [])}
    assert found[("server", "files")] == found[("principal", "agent:a")] == "not contained"
    held = {(thing.kind, thing.name): thing.words for thing in things_of(file, [order("block_server", "files")])}
    assert "in force" in held[("server", "files")]


def test_a_name_without_end_is_drawn_and_leads_nowhere() -> None:
    drawing = drawn(a_case(ROW, [alert(principal="a" * 200_000)]).file, [])
    addresses = {thing.kind: thing.address for thing in drawing.things}
    assert (addresses["principal"], addresses["server"]) == ("", "/alerts?state=all&server=files")
