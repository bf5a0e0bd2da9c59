"""Hunts that are run by themselves: what is new is told once, what fails is said, and a stranger's row is only data."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from watchkeeper.app.hunting import Hunting
from watchkeeper.app.platform import Platform, opened
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.errors import Conflict, Invalid, NotFound
from watchkeeper.detect.hunts.loading import load_hunt
from watchkeeper.detect.hunts.model import Hunt
from watchkeeper.detect.hunts.own import judge, keep, known_hunts, remove
from watchkeeper.detect.hunts.pivots import ids_of, pivots, timeline
from watchkeeper.detect.hunts.standing.book import Book
from watchkeeper.detect.hunts.standing.changes import compare, digest
from watchkeeper.detect.hunts.standing.keeper import Keeper
from watchkeeper.detect.hunts.standing.model import Schedule, period
from watchkeeper.events import new_event
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.sql.running import Lake
from watchkeeper.events.query import read

T = 1_790_000_000_000_000
HUNT = """
title: Who was denied
why: Being denied is how one learns what is there.
techniques: [SAFE-T1602, T1087, AML.T0084]
range: 7d
sql: |
  SELECT actor, server, count(*) AS denials, max(time) AS last FROM events
  WHERE kind = 'gateway.request.decided' AND outcome = 'deny' GROUP BY actor, server ORDER BY actor, server
tests:
  - given: [{at: 0, actor: "agent:a", server: s, outcome: deny}]
    expected: [{actor: "agent:a", denials: 1}]
"""
HOSTILE = 'x\' OR "1":$(reboot) -label:exercise\u202e'


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(T)


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Platform]:
    file = tmp_path / "who_denied.yaml"
    file.write_text(HUNT)
    saved(tmp_path / "data", file)
    with opened(tmp_path / "data", "watch") as platform:
        yield platform


def saved(data: Path, file: Path) -> Hunt:
    hunt = load_hunt(file)
    judge(data, hunt)
    return keep(data, hunt.name, file.read_bytes())


def keeper(on: Platform, clock: ManualClock) -> Keeper:
    folder = on.data_dir
    return Keeper(
        Book(on.database, on.journal, clock), on.journal, clock,
        lambda: known_hunts(folder), lambda tenant: Lake(folder, tenant, clock),
    )  # fmt: skip


def denied(on: Platform, at: int, actor: str) -> None:
    on.journal.record(new_event(at, "gateway.request.decided", actor=actor, server="s", outcome="deny"))


def kinds(on: Platform, kind: str) -> list[tuple[str, str]]:
    found = Search(on.data_dir).events(kind=kind, unbounded=True, newest_first=False)
    return [(event.actor or event.body.get("why", ""), event.body.get("group", "")) for event in found]


@pytest.mark.behaviour("hunts.scheduled")
def test_a_scheduled_hunt_keeps_its_history_and_raises_an_alert_for_what_is_new_once(
    on: Platform, clock: ManualClock
) -> None:
    book, runs = Book(on.database, on.journal, clock), keeper(on, clock)
    denied(on, T - 5 * SECOND, "agent:known")
    book.put(Schedule(hunt="who_denied", every=3600 * SECOND, alert="medium"), "operator:me")
    (first,) = runs.run_due()
    assert (first.rows, first.new, first.is_first, first.failure) == (1, 1, True, "")
    assert kinds(on, "detect.alert.raised") == []
    assert runs.run_due() == []
    denied(on, T, HOSTILE)
    denied(on, T, "agent:known")
    for expected in ((2, 1, 0), (2, 0, 0)):
        clock.advance(3600 * SECOND)
        (run,) = runs.run_due()
        assert (run.rows, run.new, run.gone) == expected
    (alert,) = Search(on.data_dir).events(kind="detect.alert.raised", unbounded=True)
    assert (alert.body["name"], alert.body["principal"], alert.body["event_kind"], alert.body["tags"]) == (
        "hunt_who_denied", HOSTILE, "detect.hunt.found", ["safe-mcp.t1602", "attack.t1087", "atlas.aml.t0084"],
    )  # fmt: skip
    assert alert.body["found"]["row"]["denials"] == 1
    assert [run.rows for run in book.runs("who_denied")] == [2, 2, 1]
    book.end("who_denied", "default", "operator:me")
    clock.advance(3600 * SECOND)
    assert runs.run_due() == []
    assert len(book.runs("who_denied")) == 3
    with pytest.raises(NotFound):
        book.end("who_denied", "default", "operator:me")


@pytest.mark.behaviour("hunts.scheduled-failure")
def test_a_run_that_fails_is_recorded_and_is_not_nothing_found(on: Platform, clock: ManualClock) -> None:
    book, runs = Book(on.database, on.journal, clock), keeper(on, clock)
    denied(on, T, "agent:known")
    book.put(Schedule(hunt="who_denied", every=60 * SECOND, alert="high"), "operator:me")
    runs.run_due()
    remove(on.data_dir, "who_denied")
    clock.advance(60 * SECOND)
    (run,) = runs.run_due()
    assert (run.failure, run.rows) == ("no hunt is called who_denied", 0)
    assert kinds(on, "detect.hunt.failed") == [("system:detect", "")]
    assert book.known(book.schedules()[0]) is not None


@pytest.mark.behaviour("hunts.escalate")
def test_a_row_becomes_a_fact_and_an_alert_by_an_operators_act(on: Platform) -> None:
    acts = Hunting(on).acts
    row = {"actor": "agent:a", "server": "s", "denials": 3}
    done = acts["hunts.escalate"](
        {"hunt": "who_denied", "row": row, "digest": "d", "level": "high", "by": "operator:me"}
    )
    (found,) = Search(on.data_dir).events(kind="detect.hunt.found", unbounded=True)
    (alert,) = Search(on.data_dir).events(kind="detect.alert.raised", unbounded=True)
    assert (found.id, found.body["by"], alert.id, alert.body["event"]) == (
        done["found"], "operator:me", done["alert"], found.id
    )  # fmt: skip
    with pytest.raises(Invalid):
        acts["hunts.escalate"]({"hunt": "who_denied", "row": row, "digest": "d", "level": "loud", "by": "o"})
    schedule = {"hunt": "who_denied", "every": 60_000_000, "alert": "loud"}
    with pytest.raises(Invalid):
        acts["hunts.schedule"]({"schedule": schedule, "by": "operator:me"})


@pytest.mark.behaviour("hunts.own")
def test_a_hunt_is_saved_once_its_tests_pass_and_never_in_the_place_of_ours(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "who_denied.yaml"
    file.write_text(HUNT.replace("denials: 1", "denials: 2"))
    with pytest.raises(Invalid):
        saved(data, file)
    file.write_text(HUNT)
    assert saved(data, file).name == "who_denied"
    assert "who_denied" in known_hunts(data)
    with pytest.raises(Conflict):
        saved(data, file)
    ours = tmp_path / "event_by_id.yaml"
    ours.write_text(HUNT)
    with pytest.raises(Conflict):
        saved(data, ours)
    for name in ("../data/hunts/who_denied", "nothing"):
        with pytest.raises(NotFound):
            remove(data, name)
    remove(data, "who_denied")
    assert "who_denied" not in known_hunts(data)


@pytest.mark.behaviour("hunts.pivots")
def test_a_row_leads_on_by_queries_that_hold_its_values_as_values() -> None:
    event = "01a2121e-e7b2-7c6f-a645-5fbd20007b2e"
    row = {"actor": HOSTILE, "server": "s", "denials": 3, "last": "2026-09-21T14:13:20.000000Z", "ids": [event]}
    types = {"actor": "text", "server": "text", "denials": "integer", "last": "time", "ids": "list"}
    ways = {way.says: way for way in pivots(row, types)}
    assert list(ways) == ["same actor", "same server", "event", "around"]
    words = shlex.split(ways["same actor"].command)
    assert words[:3] == ["watchkeeper", "events", "search"]
    assert parse_qs(urlsplit(ways["same actor"].link).query)["q"] == [words[3]]
    (actor,) = read(words[3], T).where.values  # type: ignore[union-attr]
    assert actor.text == HOSTILE
    assert ways["event"].link == f"/events/{event}"
    assert shlex.split(ways["around"].command)[-4:] == [
        "--since", "2026-09-21T14:08:20Z", "--until", "2026-09-21T14:18:20Z",
    ]  # fmt: skip
    assert ids_of(row) == [event]
    assert [moment for moment, _, _ in timeline([row, row | {"last": "2026-09-20T00:00:00.000000Z"}], types)] == [
        "2026-09-20T00:00:00.000000Z", "2026-09-21T14:13:20.000000Z",
    ]  # fmt: skip


@pytest.mark.behaviour("hunts.scheduled")
def test_a_row_is_known_by_what_it_names_and_not_by_what_it_counts() -> None:
    types = {"actor": "text", "n": "integer", "last": "time"}
    one = digest({"actor": "a", "n": 1, "last": "x"}, types)
    assert one == digest({"actor": "a", "n": 2, "last": "y"}, types)
    assert one != digest({"actor": "b", "n": 1, "last": "x"}, types)
    assert digest({"n": 1}, types) != digest({"n": 2}, types)
    assert compare(["a", "b"], ["b", "c"]) == ({"a"}, {"c"})


@pytest.mark.parametrize("text", ["", "1s", "30", "0m", "32d", "-1h", "1h 2m", "9" * 20 + "m"])
def test_a_period_is_between_a_minute_and_a_month(text: str) -> None:
    assert period("90m") == 5400 * SECOND
    with pytest.raises(Invalid):
        period(text)
