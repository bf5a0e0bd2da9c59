"""Response as an attacker meets it: hostile names and fields, forged and replayed approvals, clocks, full disks."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from tests.respond.conftest import Estate
from tests.respond.playing import SECOND, Killed, Play, step
from watchkeeper.core.errors import Conflict, Denied, Invalid
from watchkeeper.respond import IncidentState
from watchkeeper.respond.gates.model import Said

HOSTILE = {
    "NUL": "evil\x00name",
    "a name of 100,000 characters": "".join(random.Random(1).choices("0123456789abcdef", k=100_000)),
    "a way out": "../../etc/passwd",
    "a terminal's": "\x1b]0;owned\x07\x1b[2J",
    "SQL": "x'; DROP TABLE respond_incidents; --",
    "CEL": "' + incident.server + '",
}


@pytest.mark.behaviour("respond.hostile-fields")
def test_whatever_a_server_calls_things_incidents_open_and_the_next_alert_is_taken(shared_estate: Estate) -> None:
    estate, wanted = shared_estate, 2 * len(HOSTILE) + 2
    with estate.responding() as service:
        for number, word in enumerate(HOSTILE.values(), 1):
            estate.raise_alert(
                number, title=word, target=word, principal=f"agent:{word}", summary=word, rule=word, tags=[word]
            )
            estate.raise_alert(100 + number, server="", target=word, principal=f"agent:{word}")
            estate.raise_alert(200 + number, server=word, target=word)
        estate.raise_alert(300, server="another")
        estate.until(lambda: len(service.incidents.list()) == wanted)
        assert service.healthy
        assert all(service.incidents.show(one.number).timeline for one in service.incidents.list())


def test_half_a_character_never_gets_as_far_as_an_alert(estate: Estate) -> None:
    with pytest.raises(Invalid):
        estate.raise_alert(1, title="evil\ud800name")


TWO = "approve: {by: responder, quorum: 2, timeout: 10m}\n"


@pytest.mark.behaviour("respond.approval-is-no-spelling")
@pytest.mark.parametrize(
    ("by", "no"),
    [
        ("operator:ann", Conflict), ("operator:Ann", Conflict), ("operator:ANN", Conflict), ("operator:ann ", Denied),
        ("operator: ann", Denied), ("operator:\u0430nn", Denied), ("operator:ann\u200b", Denied), ("operator:", Denied),
        ("agent:ann", Denied), ("webhook:pager", Denied), ("system:respond", Denied), ("", Denied),
    ],
)  # fmt: skip
def test_one_person_is_no_two_by_another_spelling(estate: Estate, by: str, no: type[Exception]) -> None:
    play = Play(estate, step("a", "good"), TWO)
    play.start()
    play.say("approve", by="operator:ann")
    with pytest.raises(no):
        play.say("approve", by=by)
    assert play.actions["good"].log == []
    assert play.say("approve", by="operator:bob") == {"a": "completed"}


@pytest.mark.behaviour("respond.approval-in-time")
def test_a_yes_after_its_time_counts_for_nothing_also_while_nobody_looks_at_the_clock(estate: Estate) -> None:
    play = Play(estate, step("a", "good"), "approve: {by: responder, timeout: 10m}\n")
    play.start()
    play.steady_now += 600 * SECOND  # the watch is away; the wall clock was put back meanwhile
    with pytest.raises(Conflict, match="time of"):
        play.say("approve")
    assert play.look() == {"a": "skipped"}
    assert play.actions["good"].log == []


@pytest.mark.behaviour("respond.approval-in-time")
def test_a_wall_clock_that_is_put_ahead_takes_no_approval_away(estate: Estate) -> None:
    play = Play(estate, step("a", "good"), "approve: {by: responder, timeout: 10m}\n")
    play.start()
    play.clock.advance(86_400 * SECOND)
    assert play.say("approve") == {"a": "completed"}


@pytest.mark.behaviour("respond.approval-is-no-spelling")
def test_two_that_decide_at_the_same_moment_are_two_and_one_twice_is_one(shared_estate: Estate) -> None:
    play = Play(shared_estate, step("a", "good"), TWO)
    play.start()
    gate, line = play.gate().id, Barrier(6)

    def decide(who: str) -> str:
        line.wait(20)
        try:
            play.runs.persons.say(gate, Said(f"operator:{who}", "responder", "approve", "looked"))
        except Conflict:
            return "refused"
        return who

    with ThreadPoolExecutor(6) as pool:
        said = Counter(pool.map(decide, ["ann", "Ann", "ANN", "bob", "Bob", "bob"]))
    assert said.pop("refused") == 4
    assert sorted(name.casefold() for name in said) == ["ann", "bob"]
    assert play.look() == {"a": "completed"}
    assert play.actions["good"].log == ["run"]


def restored(estate: Estate, copy: Path) -> None:
    """The control state as it was then, under the same engine."""
    estate.database.engine.dispose()
    for path in estate.data.glob("state.db*"):
        path.unlink()
    shutil.copy(copy, estate.data / "state.db")


@pytest.mark.behaviour("respond.restored-state-is-not-believed")
def test_what_a_restored_state_does_not_know_is_done_again_under_its_key_and_proven(
    estate: Estate, tmp_path: Path
) -> None:
    play, copy = Play(estate, step("a", "good") + step("b", "good")), tmp_path / "older.db"
    with closing(sqlite3.connect(estate.data / "state.db")) as link:
        link.execute("VACUUM INTO ?", (str(copy),))
    play.deadly = "b effect"
    with pytest.raises(Killed):
        play.start()
    assert (len(play.actions["good"].keys), set(play.states())) == (2, {"a"})
    restored(estate, copy)
    play.live()
    assert play.start() == {"a": "completed", "b": "completed"}
    keys = play.actions["good"].keys
    assert (len(keys), len(set(keys)), play.actions["good"].log) == (4, 2, ["run", "run"])
    assert play.incident.state is IncidentState.CONTAINED


@pytest.mark.behaviour("respond.restored-state-is-not-believed")
def test_a_run_that_is_over_in_the_engine_and_not_in_a_restored_state_is_unverified(
    estate: Estate, tmp_path: Path
) -> None:
    play, copy = Play(estate, step("a", "good")), tmp_path / "older.db"
    with closing(sqlite3.connect(estate.data / "state.db")) as link:
        link.execute("VACUUM INTO ?", (str(copy),))
    assert play.start() == {"a": "completed"}
    restored(estate, copy)
    play.live()
    play.start()
    assert play.incident.state is IncidentState.UNVERIFIED
    assert "broke off" in play.incident.advice
