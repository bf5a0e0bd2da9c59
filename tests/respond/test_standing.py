"""What an incident's state says while a run of its playbook waits for somebody."""

from __future__ import annotations

import pytest

from tests.respond.playing import Play, step
from watchkeeper.respond.model import IncidentState, alert_of

pytestmark = pytest.mark.behaviour("respond.contained-while-it-waits")
ASKED = "approve: {by: responder, timeout: 4h}"


def told(play: Play) -> list[str]:
    return [entry.what for entry in play.desk.show(play.incident.id).timeline if entry.what.startswith("incident is")]


def test_proven_orders_contain_an_incident_although_its_run_waits(estate):
    play = Play(estate, step("hold", "good") + step("wipe", "wipes", ASKED))
    assert play.start() == {"hold": "completed"}
    assert (play.incident.state, play.incident.advice) == (IncidentState.CONTAINED, "")
    assert play.incident.contained_at > 0
    proven = play.incident.contained_at
    play.say("approve", "wipe")
    assert (play.incident.state, play.incident.contained_at) == (IncidentState.CONTAINED, proven)
    assert told(play) == ["incident is contained"]


def test_what_could_be_taken_back_and_waits_is_not_contained_yet(estate):
    play = Play(estate, step("hold", "good", "with: {word: a}") + step("block", "good", f"with: {{word: b}}, {ASKED}"))
    play.start()
    assert play.incident.state is IncidentState.PARTLY_CONTAINED
    assert play.incident.advice == "Not decided yet: good b."
    play.say("approve", "block")
    assert (play.incident.state, play.incident.advice) == (IncidentState.CONTAINED, "")


def test_what_nothing_carries_out_is_told_while_the_run_waits(estate):
    steps = step("hold", "good") + step("keep", "missing", "on_failure: continue") + step("wipe", "wipes", ASKED)
    play = Play(estate, steps)
    play.start()
    assert play.incident.state is IncidentState.PARTLY_CONTAINED
    assert "missing is unavailable" in play.incident.advice


def test_a_playbook_that_asks_first_has_contained_nothing(estate):
    play = Play(estate, step("hold", "good"), extra=f"{ASKED}\n")
    play.start()
    assert play.incident.state is IncidentState.OPEN
    play.say("approve")
    assert play.incident.state is IncidentState.CONTAINED


def test_branches_count_together(estate):
    both = """  - id: both
    parallel:
      left:
        - {id: wipe, action: wipes, deadline: 5s, approve: {by: responder, timeout: 4h}}
      right:
        - {id: hold, action: good, deadline: 5s}
"""
    play = Play(estate, both)
    play.start()
    assert play.incident.state is IncidentState.CONTAINED


def test_an_alert_that_got_past_the_proof_stays_open_until_the_run_ends(estate):
    play = Play(estate, step("hold", "good") + step("wipe", "wipes", ASKED) + step("tell", "wipes", ASKED))
    play.start()
    play.intake.take(alert_of(estate.rug_pull(7, server="files1", outcome="allow", rule="another")))
    play.say("approve", "wipe")
    assert play.incident.state is IncidentState.OPEN
    assert "came after containment" in play.incident.advice


def test_killed_before_it_was_said_it_is_said_in_the_next_life(estate):
    play = Play(estate, step("hold", "good") + step("wipe", "wipes", ASKED))
    play.survive("wipe approval opened", play.start)
    play.states()
    assert play.incident.state is IncidentState.CONTAINED
    assert told(play) == ["incident is contained"]


def test_what_a_person_closed_stays_closed(estate):
    play = Play(estate, step("hold", "good") + step("wipe", "wipes", ASKED) + step("tell", "wipes", ASKED))
    play.start()
    play.desk.close(play.incident.id, by="operator:ada", reason="over")
    play.say("approve", "wipe")
    assert play.incident.state is IncidentState.CLOSED
