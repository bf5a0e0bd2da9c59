"""How `status` words what waits, what is in force and what was looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from watchkeeper.cli.status import said_of

SILENT = {"known": False, "why": "no gateway runs"}
ROW = {"gateway": "7", "policies": "f" * 64, "count": 9, "shadow": 0, "packs": [], "note": "", "trouble": ""}


def said(**parts: Any) -> list[str]:
    known = {
        "approvals": SILENT,
        "policies": SILENT,
        "canary": SILENT,
        "sinks": SILENT,
        "integrations": SILENT,
        "intelligence": SILENT,
        "anchors": SILENT,
        "capture": SILENT,
        "deadman": SILENT | {"is_on": False},
    } | parts
    return [f"{name} {text}" for name, text in said_of(known) if name in parts]


def sets(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"known": True, "why": "", "gateways": list(rows)}


def test_on_a_folder_where_nothing_runs_nothing_is_called_good(run: Command, empty: Path) -> None:
    told = run("status", "--data", empty)
    assert told.exit_code == 1
    assert told.stdout.count("not known:") == 7
    assert "none waits" not in told.stdout
    assert "same" not in told.stdout
    as_json = json.loads(run("status", "--data", empty, "--json").stdout)
    assert as_json["well"] is False
    assert as_json["approvals"]["pending"] is None


@pytest.mark.behaviour("cli.status-approvals")
def test_what_waits_is_told_with_the_age_of_the_oldest() -> None:
    found = {"known": True, "why": "", "pending": 2, "more": False, "oldest_at": 1, "oldest_seconds": 7_300}
    assert said(approvals=found) == ["approvals 2 waiting, the oldest for 2 h; see `watchkeeper approvals list`"]
    assert said(approvals={**found, "pending": 0, "oldest_seconds": None}) == ["approvals none waits"]
    cut = {**found, "pending": 1000, "more": True, "oldest_seconds": None}
    assert said(approvals=cut) == ["approvals 1000 or more waiting; see `watchkeeper approvals list`"]


@pytest.mark.behaviour("cli.status-policies")
def test_gateways_that_have_the_same_in_force_are_one_line_and_others_are_named() -> None:
    one = "policies set ffffffffffff, 9 policies, 0 in shadow; packs: none"
    assert said(policies=sets(ROW, {**ROW, "gateway": "8"})) == [one]
    late = {"gateway": "8", "trouble": "does not answer"}
    assert said(policies=sets(ROW, late)) == [f"{one} (gateway 7)", "policies not known: does not answer (gateway 8)"]


@pytest.mark.behaviour("cli.status-policies")
def test_a_gateway_that_tells_no_packs_is_not_said_to_have_none() -> None:
    older = {name: value for name, value in ROW.items() if name not in ("shadow", "packs")}
    assert said(policies=sets(older)) == [
        "policies set ffffffffffff, 9 policies, not known how many in shadow; packs: not known"
    ]


@pytest.mark.behaviour("cli.status-canary")
def test_each_server_has_its_line_and_a_silent_gateway_another() -> None:
    rows = [
        {"server": "git", "outcome": "same", "at": 1_790_000_000_000_000, "detail": "", "looked": 1, "of": 2},
        {"server": "time", "outcome": "not_looked", "at": None, "detail": "no round", "looked": 0, "of": 2},
    ]
    assert said(canary={"known": True, "why": "it hangs", "servers": rows}) == [
        "canary git same 2026-09-21T14:13:20.000Z (looked at by 1 of 2 gateways)",
        "canary time not looked at: no round",
        "canary a gateway did not answer: it hangs",
    ]


@pytest.mark.behaviour("cli.status-anchors")
def test_each_place_for_copies_is_told_and_none_is_said_too() -> None:
    at = 1_790_000_000_000_000
    well = {"place": "vault", "contradictions": 0, "failing_since": 0, "why": "", "copied_at": at, "compared_at": at}
    rows = [well, {**well, "failing_since": at, "why": "no answer"}, {**well, "contradictions": 1}]
    assert said(anchors={"known": True, "why": "", "places": rows}) == [
        "anchors vault copied 2026-09-21T14:13:20.000Z, compared 2026-09-21T14:13:20.000Z",
        "anchors vault not reached since 2026-09-21T14:13:20.000Z: no answer",
        "anchors vault CONTRADICTS the journal; see `watchkeeper journal verify --anchors`",
    ]
    none = ["anchors none: no copy of the journal's checkpoints leaves this host"]
    assert said(anchors={"known": True, "why": "", "places": []}) == none


@pytest.mark.behaviour("capture.reload")
def test_servers_whose_texts_are_kept_in_full_are_named() -> None:
    known = {"known": True, "why": "", "servers": {"git": {"results": "full, 9 bytes"}}, "full": ["git"], "blinded": []}
    assert said(capture=known) == ["capture IN FULL, secrets apart: git; see `watchkeeper config capture`"]
    assert said(capture={**known, "full": []}) == ["capture nothing in full; see `watchkeeper config capture`"]
    assert said(capture=SILENT) == ["capture not known: no gateway runs"]


@pytest.mark.behaviour("cli.status-sinks")
def test_each_sink_has_its_line_with_what_waits_and_what_was_lost() -> None:
    well = {
        "name": "siem", "state": "idle", "tally": {"sent": 7, "dropped": {}}, "waiting": 0, "oldest_seconds": 0.0,
        "put_aside": 0, "error": "",
    }  # fmt: skip
    ill = well | {
        "name": "lake", "state": "failing", "tally": {"sent": 2, "dropped": {"queue_events": 3}}, "waiting": 9,
        "oldest_seconds": 130.0, "put_aside": 1, "error": "503: busy",
    }  # fmt: skip
    assert said(sinks={"known": True, "why": "", "sinks": [well, ill]}) == [
        "sinks siem idle: 7 sent, 0 waiting",
        "sinks lake failing: 2 sent, 9 waiting, the oldest for 2 min, 3 DROPPED, 1 put aside, 503: busy",
    ]
    assert said(sinks={"known": True, "why": "", "sinks": []}) == ["sinks none: events stay here"]
    assert said(sinks={"known": False, "why": "the watch does not run"}) == ["sinks not known: the watch does not run"]


@pytest.mark.behaviour("deadman.laptop")
def test_the_switch_is_one_line_whether_it_is_off_dead_or_has_found_something() -> None:
    assert said(deadman=SILENT | {"is_on": False}) == [
        "deadman off: nobody outside is told when all this is silent; see `watchkeeper deadman status`"
    ]
    (dead,) = said(deadman=SILENT | {"is_on": True, "why": "the switch does not run"})
    assert "NOT RUNNING" in dead
    running = {
        "known": True,
        "why": "",
        "is_on": True,
        "sources": [
            {"name": "gateway", "state": "silent", "why": "no gateway runs"},
            {"name": "watch", "state": "well", "why": ""},
        ],
        "paused": {"ends_at": 1_790_000_000_000_000, "reason": "a new disk"},
        "unsent": 2,
        "failure": "",
        "ping": {"sent_at": 0, "failure": "it answers 503"},
    }
    (line,) = said(deadman=running)
    assert line.startswith("deadman gateway is SILENT (no gateway runs); PAUSED until 2026-")
    assert "2 pages NOT TAKEN yet" in line
    assert line.endswith("the heartbeat is NOT TAKEN outside: it answers 503")
