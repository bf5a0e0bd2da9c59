"""What is done with hunts in the console, over what really lies below: by whoever may, and under their name."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.app.hunting import book_of
from watchkeeper.app.hunts_view import HuntsView
from watchkeeper.app.platform import Platform, opened
from watchkeeper.detect.hunts.own import known_hunts, own_folder
from watchkeeper.events import Event, new_event
from watchkeeper.events.lake.search import Search

Serve = Callable[..., AbstractContextManager[Any]]
OURS = {"Sec-Fetch-Site": "same-origin"}
HOSTILE = '<script>alert(1)</script>"\u202e'
HUNT = """title: Who was denied
why: Being denied is how one learns what is there.
sql: |
  SELECT actor, server, count(*) AS denials, max(time) AS last FROM events
  WHERE outcome = 'deny' AND server = :place GROUP BY actor, server ORDER BY actor, server
parameters:
  place: {type: text, says: Which server.}
tests:
  - given: [{at: 0, actor: "agent:a", server: s, outcome: deny}]
    parameters: {place: s}
    expected: [{actor: "agent:a", denials: 1}]
"""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path / "data", "gateway") as platform:
        yield platform


@pytest.fixture
def running(platform: Platform, serve_console: Serve, desk: Any) -> Iterator[Any]:
    with serve_console(replace(desk.services(), hunts=HuntsView(platform))) as running:
        yield running


def recorded(platform: Platform, kind: str) -> list[Event]:
    return list(Search(platform.data_dir).events(kind=kind, unbounded=True).events)


def denied(platform: Platform, actor: str, outcome: str = "deny") -> None:
    now = platform.clock.now()
    body = {"code": "policy.denied"} if outcome == "deny" else {}
    platform.journal.record(
        new_event(now, "gateway.request.decided", actor=actor, server="s", target="t", outcome=outcome, body=body)
    )


def post(client: Any, path: str, **said: Any) -> Any:
    return client.post(path, data={name.replace("p_", "p."): value for name, value in said.items()}, headers=OURS)


@pytest.mark.behaviour("web.hunt-acts")
def test_a_hunt_is_saved_scheduled_and_ended_under_the_name_of_who_is_in(platform: Platform, running: Any) -> None:
    with running.inside() as client:
        saved = post(client, "/hunts/new-hunt", name="who_denied", yaml=HUNT)
        assert (saved.status_code, saved.headers["location"]) == (303, "/hunts/who_denied")
        wanted = {"p_place": HOSTILE, "every": "15m", "since": "7d", "alert": "medium"}
        assert post(client, "/hunts/who_denied/schedule", **wanted).status_code == 303
        (kept,) = book_of(platform).schedules()
        assert (kept.parameters, kept.every, kept.range, kept.alert) == (
            {"place": HOSTILE}, 900_000_000, "7d", "medium",
        )  # fmt: skip
        page = client.get("/hunts/who_denied").text
        assert "operator:ada" in page
        assert 'name="every" value="15m"' in page
        assert "<script>" not in page
        for wrong in ({"every": "1s"}, {"alert": "loud"}, {"since": "yesterday"}, {"p_place": ""}):
            refused = post(client, "/hunts/who_denied/schedule", **(wanted | wrong))
            assert (refused.status_code, "not done" in refused.text) == (400, True)
        assert book_of(platform).schedules() == [kept]
        assert post(client, "/hunts/who_denied/unschedule").status_code == 303
        assert post(client, "/hunts/who_denied/unschedule").status_code == 404
    kinds = ("detect.hunt.saved", "detect.hunt.scheduled", "detect.hunt.unscheduled")
    assert [(one.actor, one.target) for kind in kinds for one in recorded(platform, kind)] == [
        ("operator:ada", "who_denied")
    ] * 3


@pytest.mark.behaviour("web.hunt-acts")
def test_a_row_becomes_an_alert_with_a_note_and_rows_a_draft_that_was_tried_and_linted(
    platform: Platform, running: Any
) -> None:
    for actor, outcome in ((HOSTILE, "deny"), ("agent:b", "deny"), ("agent:c", "allow")):
        denied(platform, actor, outcome)
    with running.inside() as client:
        assert post(client, "/hunts/new-hunt", name="who_denied", yaml=HUNT).status_code == 303
        shown = client.get("/hunts/who_denied", params={"run": "1", "p.place": "s", "since": "all"}).text
        rows = re.findall(r'name="row" value="([0-9a-f]{24})"', shown)
        assert len(rows) == 2
        asked = {"p_place": "s", "since": "all", "row": rows[0], "level": "high"}
        done = post(client, "/hunts/who_denied/escalate", note=HOSTILE, **asked)
        assert done.status_code == 303
        after = client.get(done.headers["location"]).text
        (alert,), (found,) = recorded(platform, "detect.alert.raised"), recorded(platform, "detect.hunt.found")
        assert f'href="/alerts/{alert.id}"' in after
        assert (found.body["note"], found.body["by"], alert.body["found"]["note"]) == (HOSTILE, "operator:ada", HOSTILE)
        assert "an alert</a> now" not in client.get(f"/hunts/traffic_by_tool?raised={alert.id}").text
        gone = post(client, "/hunts/who_denied/escalate", **(asked | {"row": "0" * 24}))
        assert (gone.status_code, "not found any more" in gone.text) == (409, True)
        draft = client.post(
            "/hunts/who_denied/draft",
            data={"p.place": "s", "since": "all", "row": rows, "level": "medium"},
            headers=OURS,
        )
        assert (draft.status_code, "all hold" in draft.text, "<script>" in draft.text) == (200, True, False)
        digest = re.findall(r'name="file" value="([0-9a-f]{64})"', draft.text)[0]
        again = {"p.place": "s", "since": "all", "row": rows, "level": "medium", "file": digest}
        file = client.post("/hunts/who_denied/draft", data=again, headers=OURS)
        assert file.headers["content-disposition"] == 'attachment; filename="who_denied_draft.yml"'
        assert file.text in html.unescape(draft.text)
        changed = client.post("/hunts/who_denied/draft", data=again | {"file": "0" * 64}, headers=OURS)
        assert "it was not downloaded" in changed.text
        nothing = post(client, "/hunts/who_denied/draft", p_place="s", level="medium")
        assert (nothing.status_code, "no row is chosen" in nothing.text) == (400, True)


@pytest.mark.behaviour("web.hunt-saving")
def test_a_hunt_is_written_in_a_form_and_refused_with_the_reason(platform: Platform, running: Any) -> None:
    fields = {
        "name": "who_denied", "title": HOSTILE, "why": "Because:\r\n- of it", "techniques": "SAFE-T1602, T1087",
        "range": "7d", "sql": "SELECT actor FROM events\r\nWHERE outcome = 'deny' AND server = :place ORDER BY actor",
        "parameters": "place: {type: text, says: Which.}",
        "tests": "- given: [{actor: a, server: s, outcome: deny}]\n  parameters: {place: s}\n  expected: [{actor: a}]",
    }  # fmt: skip
    wrong = {
        "the tests": {"tests": fields["tests"].replace("expected: [{actor: a}]", "expected: [{actor: b}]")},
        "no event": {"tests": fields["tests"].replace("actor: a,", "colour: a,", 1)},
        "no yaml": {"tests": "- ["},
        "aliases": {"yaml": "a: &a [x]\nb: *a\n" + HUNT},
        "the query": {"sql": "DELETE FROM events WHERE server = :place"},
        "the name": {"name": "../../x"},
        "nothing": {"tests": ""},
        "too long": {"yaml": "x" * 100_001},
    }
    with running.inside() as client:
        for what, one in wrong.items():
            refused = post(client, "/hunts/new-hunt", **(fields | one))
            assert (what, refused.status_code, "not saved" in refused.text) == (what, 400, True)
            assert "<script>" not in refused.text
        assert not own_folder(platform.data_dir).exists()
        assert post(client, "/hunts/new-hunt", **fields, extra="1" * 600_000).status_code == 413
        assert post(client, "/hunts/new-hunt", **(fields | {"name": "slow_tools"})).status_code == 409
        assert post(client, "/hunts/new-hunt", **fields).status_code == 303
        hunt = known_hunts(platform.data_dir)["who_denied"]
        assert (hunt.title, hunt.why, hunt.techniques, hunt.range) == (
            HOSTILE, "Because:\n- of it", ("SAFE-T1602", "T1087"), "7d",
        )  # fmt: skip
        assert post(client, "/hunts/new-hunt", **fields).status_code == 409
        assert post(client, "/hunts/new-hunt", **fields, force="1").status_code == 303
    assert sorted(one.body["again"] for one in recorded(platform, "detect.hunt.saved")) == [False, True]


@pytest.mark.behaviour("web.hunt-own")
def test_a_hunt_of_ones_own_is_changed_and_removed_with_its_schedule_and_ours_stay(
    platform: Platform, running: Any
) -> None:
    with running.inside() as client:
        assert post(client, "/hunts/new-hunt", name="who_denied", yaml=HUNT).status_code == 303
        assert "/hunts/new-hunt?edit=who_denied" in client.get("/hunts/who_denied").text
        form = client.get("/hunts/new-hunt?edit=who_denied").text
        assert (html.unescape(form).count("Who was denied"), 'value="1" checked' in form) == (1, True)
        changed = HUNT.replace("Who was denied", "Who was refused")
        assert post(client, "/hunts/new-hunt", name="who_denied", yaml=changed, force="1").status_code == 303
        assert known_hunts(platform.data_dir)["who_denied"].title == "Who was refused"
        wanted = {"p_place": "s", "every": "1h", "alert": "", "since": ""}
        assert post(client, "/hunts/who_denied/schedule", **wanted).status_code == 303
        gone = post(client, "/hunts/who_denied/remove")
        assert (gone.status_code, gone.headers["location"]) == (303, "/hunts")
        assert ("who_denied" in known_hunts(platform.data_dir), book_of(platform).schedules()) == (False, [])
        for path in ("/hunts/new-hunt?edit=who_denied", "/hunts/new-hunt?edit=traffic_by_tool"):
            assert client.get(path).status_code == 404
        assert "edit=" not in client.get("/hunts/traffic_by_tool").text
        assert post(client, "/hunts/traffic_by_tool/remove").status_code == 404
        assert "traffic_by_tool" in known_hunts(platform.data_dir)
    (fact,) = recorded(platform, "detect.hunt.removed")
    assert (fact.actor, fact.target) == ("operator:ada", "who_denied")


@pytest.mark.behaviour("web.hunt-own")
@pytest.mark.parametrize("name", ["run", "since", "raised", "row", "level"])
def test_a_parameter_may_be_called_as_something_of_the_page_is(platform: Platform, running: Any, name: str) -> None:
    for actor in ("agent:a", "agent:b"):
        denied(platform, actor)
    text = HUNT.replace("place", name)
    with running.inside() as client:
        assert post(client, "/hunts/new-hunt", name="who_denied", yaml=text).status_code == 303
        asked = {"run": "1", "since": "all", f"p.{name}": "s"}
        shown = client.get("/hunts/who_denied", params=asked).text
        assert (">2 rows" in shown, f'name="p.{name}" value="s"' in shown) == (True, True)
        assert ">0 rows" in client.get("/hunts/who_denied", params=asked | {f"p.{name}": "other"}).text
        row = re.findall(r'name="row" value="([0-9a-f]{24})"', shown)[0]
        said = {f"p.{name}": "s", "since": "all", "row": row, "level": "high"}
        assert client.post("/hunts/who_denied/escalate", data=said, headers=OURS).status_code == 303


@pytest.mark.behaviour("web.hunt-roles")
def test_a_viewer_runs_hunts_and_does_nothing_with_them(platform: Platform, running: Any) -> None:
    denied(platform, "agent:a")
    acts = ("traffic_by_tool/schedule", "traffic_by_tool/unschedule", "traffic_by_tool/escalate")
    acts += ("traffic_by_tool/draft", "traffic_by_tool/remove", "new-hunt")
    said = {"every": "1h", "level": "high", "row": "0" * 24, "name": "who_denied", "yaml": HUNT}
    with running.inside() as client:
        for act in acts:
            assert client.post(f"/hunts/{act}", data=said).status_code == 403  # from no page of ours
        running.everybody.role = "viewer"
        found = client.get("/hunts/traffic_by_tool?run=1&since=all").text
        assert ("1 row" in found, 'method="post" action="/hunts' in found) == (True, False)
        assert "keeps none" in client.get("/hunts/new-hunt").text
        for act in acts:
            refused = post(client, f"/hunts/{act}", **said)
            assert (act, refused.status_code) == (act, 403)
    assert [one.body["act"] for one in recorded(platform, "operators.act.refused")] == ["keep_hunts"] * len(acts)
    assert (recorded(platform, "detect.hunt.saved"), book_of(platform).schedules()) == ([], [])
