"""Messages of other systems: heard once they are through, and again if the process died in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Barrier

import pytest

from tests.respond.webhooks.conftest import KEYS, SECRET
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Unavailable, Untrusted
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Journal, JournalReader
from watchkeeper.respond.webhooks import Hearing, Hook
from watchkeeper.respond.webhooks.gate import HELD
from watchkeeper.respond.webhooks.model import Told
from watchkeeper.respond.webhooks.signing import sign

BODY = b'{"approval": "ask-1", "choice": "deny", "reason": "no"}'


@pytest.fixture
def hearing(tmp_path: Path, clock: ManualClock) -> Iterator[Hearing]:
    hooks = [Hook(name, "https://ops.example/in", Secret(SECRET)) for name in ("ops", "others")]
    with closing(Database.at(tmp_path / "state.db")) as database:
        database.create_missing_tables()
        with closing(Journal.open(tmp_path, "console", clock)) as journal:
            yield Hearing(database, journal, clock, hooks)


def headers(clock: ManualClock, message_id: str = "msg_1") -> dict[str, str]:
    seconds = clock.now() // SECOND
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": sign(KEYS, message_id, seconds, BODY),
    }


@pytest.mark.behaviour("webhooks.replay")
def test_a_message_may_come_again_until_its_decision_is_through_and_not_afterwards(
    hearing: Hearing, clock: ManualClock
) -> None:
    sent = headers(clock)
    assert hearing.hear("ops", sent, BODY)[1] == Told("ask-1", "deny", "no")
    with pytest.raises(Unavailable):  # whoever has it may still act upon it
        hearing.hear("ops", sent, BODY)
    clock.advance(HELD)
    assert hearing.hear("ops", sent, BODY)[1] == Told("ask-1", "deny", "no")
    hearing.release("ops", sent)
    assert hearing.hear("ops", sent, BODY)[1] == Told("ask-1", "deny", "no")
    hearing.done("ops", sent)
    with pytest.raises(Conflict):
        hearing.hear("ops", sent, BODY)
    clock.advance(299 * SECOND - HELD)
    with pytest.raises(Conflict):
        hearing.hear("ops", sent, BODY)
    clock.advance(2 * SECOND)
    with pytest.raises(Untrusted):
        hearing.hear("ops", sent, BODY)


@pytest.mark.behaviour("webhooks.once-at-once")
def test_nobody_waits_for_a_time_that_a_clock_put_back_left_far_away(tmp_path: Path) -> None:
    late, early = ManualClock(1_795_368_000_000_000), ManualClock(1_795_368_000_000_000 - 2 * HELD)
    hooks = [Hook("ops", "https://ops.example/in", Secret(SECRET))]
    with closing(Database.at(tmp_path / "state.db")) as database:
        database.create_missing_tables()
        for name, clock in (("console", late), ("console-2", early)):
            with closing(Journal.open(tmp_path, name, clock)) as journal:
                hearing = Hearing(database, journal, clock, hooks)
                assert hearing.hear("ops", headers(late), BODY)[1] == Told("ask-1", "deny", "no")


@pytest.mark.behaviour("webhooks.replay-and-clock")
def test_a_clock_that_is_put_ahead_and_back_lets_no_old_message_in_again(tmp_path: Path) -> None:
    right = ManualClock(1_795_368_000_000_000)
    ahead = ManualClock(right.now() + 7 * 24 * 3600 * SECOND)
    hooks = [Hook("ops", "https://ops.example/in", Secret(SECRET))]
    with closing(Database.at(tmp_path / "state.db")) as database:
        database.create_missing_tables()
        for name, clock, is_new in (("a", right, True), ("b", ahead, True), ("c", right, False)):
            with closing(Journal.open(tmp_path, name, clock)) as journal:
                hearing = Hearing(database, journal, clock, hooks)
                sent = headers(clock, "msg_1" if clock is right else "msg_2")
                if is_new:
                    hearing.hear("ops", sent, BODY)
                    hearing.done("ops", sent)
                else:
                    with pytest.raises(Conflict):
                        hearing.hear("ops", sent, BODY)


@pytest.mark.behaviour("webhooks.once-at-once")
def test_of_two_that_come_at_once_one_is_acted_upon_whoever_hears_them(tmp_path: Path, state_url: str) -> None:
    clock, many = ManualClock(1_795_368_000_000_000), 8
    hooks = [Hook("ops", "https://ops.example/in", Secret(SECRET))]
    with ExitStack() as stack:
        hearers = []
        for number in range(many):
            database = Database(state_url) if state_url else Database.at(tmp_path / "state.db")
            stack.enter_context(closing(database))
            database.create_missing_tables()
            journal = stack.enter_context(closing(Journal.open(tmp_path, f"console-{number}", clock)))
            hearers.append(Hearing(database, journal, clock, hooks))
        sent, line = headers(clock), Barrier(many)

        def hear(one: Hearing) -> str:
            line.wait(20)
            try:
                one.hear("ops", sent, BODY)
            except Unavailable:
                return "waits"
            return "acts"

        with ThreadPoolExecutor(many) as pool:
            said = Counter(pool.map(hear, hearers))
        assert said == {"acts": 1, "waits": many - 1}
        hearers[0].done("ops", sent)
        with pytest.raises(Conflict):
            hearers[1].hear("ops", sent, BODY)
        kinds = [record.event.kind for record in JournalReader(tmp_path).read({}) if record.event]
        assert kinds.count("respond.decision.heard") == 1


@pytest.mark.behaviour("webhooks.forged")
def test_refusals_are_recorded_and_not_in_floods(hearing: Hearing, clock: ManualClock, tmp_path: Path) -> None:
    for _ in range(40):
        with pytest.raises(Untrusted):
            hearing.hear("ops", headers(clock) | {"webhook-signature": "v1,guess"}, BODY)
    kinds = [record.event.kind for record in JournalReader(tmp_path).read({}) if record.event]
    assert kinds.count("respond.decision.refused") == 10
