"""Approvals of playbooks are enforced: by whom, for what, once, in time; and whatever is forged does nothing."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import update

from tests.respond.playing import Play, step
from watchkeeper.core.clock import to_iso
from watchkeeper.core.errors import Conflict, Denied, Invalid
from watchkeeper.respond import IncidentState
from watchkeeper.respond._store import RunRow
from watchkeeper.respond.gates._rows import GateRow
from watchkeeper.respond.gates.model import GateKind, GateState, Vote

WIPE = step("gone", "wipes", "approve: {by: responder, quorum: 2, timeout: 1h}")


def wiped(play: Play) -> list[str]:
    return play.actions["wipes"].log


@pytest.mark.behaviour("respond.approval-is-enforced")
@pytest.mark.either_state
def test_what_cannot_be_undone_waits_until_two_persons_agreed_and_is_told_who_they_were(estate):
    play = Play(estate, WIPE)
    assert play.start() == {}
    assert play.say("approve", "gone") == {}
    assert wiped(play) == []
    assert play.say("approve", "gone", by="operator:ben") == {"gone": "completed"}
    assert (wiped(play), play.actions["wipes"].approved_by) == (["run"], ("operator:ann", "operator:ben"))
    answers = estate.events("respond.gate.answered")
    assert [(e.actor, e.body["comment"], e.body["lacking"]) for e in answers] == [
        ("operator:ann", "looked at it", 1),
        ("operator:ben", "looked at it", 0),
    ]
    assert len({e.body["binding"] for e in answers}) == 1


@pytest.mark.behaviour("respond.approval-is-enforced")
@pytest.mark.parametrize(
    ("by", "role", "more", "error"),
    [
        ("agent:desk", "admin", {}, Denied),
        ("system:respond", "admin", {}, Denied),
        ("webhook:chat", "admin", {}, Denied),
        ("operator:eve", "viewer", {}, Denied),
        ("operator:eve", "analyst", {}, Denied),
        ("operator:eve", "no such role", {}, Denied),
        ("operator:ann", "responder", {"comment": "  "}, Invalid),
        ("operator:ann", "responder", {"comment": "x" * 501}, Invalid),
        ("operator:ann", "responder", {"binding": "sha256:of another plan"}, Conflict),
    ],
)
def test_what_somebody_may_not_say_changes_nothing_and_is_recorded(estate, by, role, more, error):
    play = Play(estate, WIPE)
    play.start()
    with pytest.raises(error):
        play.say("approve", "gone", by=by, role=role, **more)
    assert (play.look(), play.gate("gone").votes, wiped(play)) == ({}, (), [])
    assert [(e.actor, e.outcome) for e in estate.events("respond.gate.refused")] == [(by, "deny")]


@pytest.mark.behaviour("respond.approval-is-enforced")
def test_nobody_counts_twice(estate):
    play = Play(estate, WIPE)
    play.start()
    play.say("approve", "gone")
    with pytest.raises(Conflict):
        play.say("approve", "gone")
    assert wiped(play) == []


@pytest.mark.behaviour("respond.approval-replay")
@pytest.mark.either_state
def test_a_decision_that_comes_again_is_refused_and_does_nothing_again(estate):
    play = Play(estate, step("gone", "wipes", "approve: {by: responder}"))
    play.start()
    play.say("approve", "gone")
    for choice in ("approve", "decline"):
        with pytest.raises(Conflict):
            play.say(choice, "gone", by="operator:ben")
    assert wiped(play) == ["run"]
    assert len(estate.events("respond.gate.refused")) == 2


@pytest.mark.behaviour("respond.approval-is-enforced")
def test_one_no_is_enough_and_the_way_out_is_taken(estate):
    play = Play(estate, WIPE[:-2] + ", on_failure: [{id: b, action: good, deadline: 5s}]}\n")
    play.start()
    play.say("approve", "gone")
    assert play.say("decline", "gone", comment="not without the owner") == {"gone": "skipped", "b": "completed"}
    assert wiped(play) == []
    assert "declined by operator:ann: not without the owner" in play.run.steps[0].summary


@pytest.mark.behaviour("respond.approval-is-enforced")
def test_a_playbook_that_is_declined_does_nothing(estate):
    play = Play(estate, step("a", "good"), "approve: {by: responder}\n")
    play.start()
    assert play.say("decline") == {"a": "skipped"}
    assert (play.actions["good"].log, play.incident.state) == ([], IncidentState.UNVERIFIED)


@pytest.mark.behaviour("respond.approval-is-enforced")
@pytest.mark.either_state
def test_the_word_of_somebody_who_was_revoked_counts_no_more(estate):
    play = Play(estate, WIPE)
    play.roster.invite("ann", "responder", "operator:root")
    play.start()
    play.clock.advance(1)
    play.say("approve", "gone")
    play.clock.advance(1)
    play.roster.revoke("ann", "operator:root")
    assert play.say("approve", "gone", by="operator:ben") == {}
    assert play.say("approve", "gone", by="operator:cid") == {"gone": "completed"}
    assert play.actions["wipes"].approved_by == ("operator:ben", "operator:cid")


@pytest.mark.behaviour("respond.four-eyes")
def test_whoever_asked_for_a_run_is_never_the_only_one_who_approves_it(estate):
    play = Play(estate, step("gone", "wipes", "approve: {by: responder}"))
    with estate.database.write() as session:
        session.execute(update(RunRow).values(asked_by="operator:ann"))
    play.start()
    assert play.say("approve", "gone") == {}
    assert play.say("approve", "gone", by="operator:ben") == {"gone": "completed"}


@pytest.mark.behaviour("respond.approval-is-enforced")
def test_only_who_is_named_may_decide(estate):
    play = Play(estate, step("gone", "wipes", 'approve: {by: ["operator:ben"]}'))
    play.start()
    with pytest.raises(Denied):
        play.say("approve", "gone", role="admin")
    assert play.say("approve", "gone", by="operator:ben", role="analyst") == {"gone": "completed"}


@pytest.mark.behaviour("respond.approval-expires")
def test_silence_is_no_yes(estate):
    play = Play(estate, WIPE)
    play.start()
    play.say("approve", "gone")
    assert play.later(3599) == {}
    assert play.later(2) == {"gone": "failed"}
    with pytest.raises(Conflict):
        play.say("approve", "gone", by="operator:ben")
    assert wiped(play) == []
    assert "Do wipes by hand." in play.incident.advice


@pytest.mark.behaviour("respond.approval-escalates")
@pytest.mark.either_state
def test_when_nobody_decides_others_are_asked_once_more_and_then_it_stops(estate):
    more = "approve: {by: 'operator:ben', timeout: 1h, on_timeout: escalate, escalate_to: [admin]}"
    play = Play(estate, step("gone", "wipes", more))
    play.start()
    with pytest.raises(Denied):
        play.say("approve", "gone", by="operator:root", role="admin")
    assert play.later(3601) == {}
    assert [e.body["by"] for e in estate.events("respond.gate.escalated")] == [["admin"]]
    assert len(play.notifications.latest()) == 2
    assert play.say("approve", "gone", by="operator:root", role="admin") == {"gone": "completed"}
    again = Play(estate, step("gone", "wipes", more), alert=2)
    again.start()
    again.later(3601)
    assert again.later(3601) == {"gone": "failed"}
    assert wiped(again) == []


@pytest.mark.behaviour("respond.approval-forged")
@pytest.mark.parametrize("forgery", ["no votes", "an agent's vote", "another plan", "another gate's votes"])
@pytest.mark.either_state
def test_a_row_that_says_approved_is_not_believed(estate, forgery):
    play = Play(estate, WIPE)
    play.start()
    good = [Vote(f"operator:{n}", "responder", "approve", play.clock.now(), "x") for n in ("ann", "ben")]
    votes = {"no votes": [], "an agent's vote": [Vote("agent:desk", "viewer", "approve", 1, "x")]}.get(forgery, good)
    forged = {"state": GateState.APPROVED.value, "votes": msgspec.json.encode(votes).decode(), "decided_at": 1}
    if forgery in ("another plan", "another gate's votes"):
        forged["binding"] = "sha256:" + "0" * 64
    with estate.database.write() as session:
        session.execute(update(GateRow).where(GateRow.kind == GateKind.APPROVAL.value).values(**forged))
    assert play.look() == {"gone": "failed"}
    assert wiped(play) == []
    assert "nobody approved it, or not this plan of it" in play.run.steps[0].summary


@pytest.mark.behaviour("respond.approval-forged")
@pytest.mark.either_state
def test_an_approval_is_for_the_plan_that_was_approved_and_no_other(estate):
    play = Play(estate, step("gone", "wipes", "with: {word: mine}, approve: {by: responder}"))
    play.start()
    play.deadly = "gone approval decided"
    with pytest.raises(BaseException, match="decided"):
        play.say("approve", "gone")
    document = msgspec.json.encode(play.document).decode().replace('"mine"', '"everything"')
    with estate.database.write() as session:
        session.execute(update(RunRow).values(document=document))
    play.live()
    assert play.start() == {"gone": "failed"}
    assert wiped(play) == []


@pytest.mark.either_state
def test_parallel_approvals_do_not_disturb_each_other(estate):
    block = "  - id: both\n    parallel:\n"
    for name in ("a", "b"):
        block += f"      {name}: [{{id: w{name}, action: wipes, deadline: 5s, approve: {{by: responder}}}}]\n"
    play = Play(estate, block)
    assert play.start() == {}
    assert play.say("approve", "wb") == {"wb": "completed"}
    assert play.say("decline", "wa") == {"wb": "completed", "wa": "skipped", "both": "failed"}
    assert wiped(play) == ["run"]


@pytest.mark.behaviour("respond.pre-authorised")
def test_what_is_not_pre_authorised_waits_for_a_responder(estate):
    play = Play(estate, step("a", "good"), pre_authorised=("quarantine_principal",))
    assert play.start() == {}
    assert play.say("approve", "a") == {"a": "completed"}


@pytest.mark.behaviour("respond.clock-jumps")
@pytest.mark.parametrize("hours", [-72, 72])
def test_a_clock_that_is_set_ends_nothing_early_and_holds_nothing_up(estate, hours):
    play = Play(estate, WIPE)
    play.start()
    play.later(60)
    due = play.gate("gone").due_at
    play.clock._now += hours * 3600 * 1_000_000
    assert play.look() == {}
    (jump,) = estate.events("respond.clock.jumped")
    assert abs(jump.body["by_us"] - hours * 3600 * 1_000_000) < 1_000_000
    assert play.gate("gone").due_at == due + hours * 3600 * 1_000_000
    assert play.later(3500) == {}
    assert play.later(100) == {"gone": "failed"}
    assert len(estate.events("respond.clock.jumped")) == 1


@pytest.mark.behaviour("respond.clock-jumps")
def test_after_a_restart_of_the_host_the_wall_clock_is_believed_and_silence_is_still_no_yes(estate):
    play = Play(estate, WIPE)
    play.start()
    object.__setattr__(play.steady, "boot", "another boot")
    play.steady_now = 5
    play.live()
    play.clock.advance(3601 * 1_000_000)
    assert play.start() == {"gone": "failed"}
    assert wiped(play) == []


@pytest.mark.behaviour("respond.asked-with-all-that-is-needed")
def test_whoever_is_asked_is_told_how_many_until_when_what_then_and_where_to_look(estate):
    asked = "approve: {by: responder, quorum: 2, timeout: 4h, on_timeout: escalate, escalate_to: [admin]}"
    play = Play(estate, step("wipe", "wipes", f"with: {{word: now}}, {asked}"))
    play.start()
    gate = play.gate("wipe")
    notices = [notice.text.split("\n") for notice in play.notifications.latest()]
    assert notices == [
        [
            "2 of responder must approve: wipes word=now",
            f"Nobody by {to_iso(gate.due_at)}: admin may decide, too.",
            f"What is done so far: watchkeeper incidents show {play.incident.number}",
            f"watchkeeper playbooks approve {gate.id}",
            f"watchkeeper playbooks decline {gate.id}",
        ]
    ]
    play.later(4 * 3600 + 1)
    last = play.notifications.latest()[0].text
    assert last.startswith("2 of responder, admin must approve: wipes word=now")
    assert f"Nobody by {to_iso(play.gate('wipe').due_at)}: it is not done." in last
