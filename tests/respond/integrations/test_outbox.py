"""The outbox: nothing lost, nothing twice where the receiver can tell, and everything said on the incident."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.respond.conftest import CLOCK, Estate
from tests.respond.integrations.conftest import errand, made
from tests.respond.integrations.servers import Reply, Request, elsewhere
from tests.respond.integrations.test_pager import EventsApi
from watchkeeper.core.clock import SECOND, Clock, ManualClock
from watchkeeper.core.errors import NotFound
from watchkeeper.respond.errands import Errand, NotTaken, Receipt, Rejected, Repeats, Verb
from watchkeeper.respond.errands import State as S
from watchkeeper.respond.integrations import Integration, IntegrationSettings, Outbox
from watchkeeper.respond.integrations.breaker import FAILURES, FIRST_PAUSE, Rate
from watchkeeper.respond.integrations.minutes import Minutes
from watchkeeper.respond.ledger import Ledger

NOW = 1_795_599_716 * SECOND


@dataclass
class Scripted:
    """A receiver in this process: each attempt is what the script says next, the last one for all that follow."""

    script: list[Receipt | Exception]
    repeats: Repeats = Repeats.KEYED
    verbs: frozenset[Verb] = frozenset(Verb)
    got: list[tuple[str, bool]] = field(default_factory=list)
    proofs: list[bool] = field(default_factory=list)

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        self.got.append((errand.key, again))
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(said, Exception):
            raise said
        return said

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        if not self.proofs:
            return receipt
        return Receipt(said="looked", reference=receipt.reference, verified=self.proofs.pop(0))


OK = Receipt(said="ok", reference="R1")


def outbox_of(estate: Estate, one: Integration, clock: Clock, **settings: object) -> Outbox:
    minutes = Minutes(Ledger(estate.database, estate.journal, estate.reader), clock)
    how = IntegrationSettings(type="x", **settings)  # type: ignore[arg-type]
    return Outbox(estate.database, minutes, clock, {"one": (how, one)})


def told(estate: Estate) -> list[str]:
    return [event.kind.removeprefix("respond.") for event in estate.events("respond.delivery", "respond.integration")]


def test_an_errand_is_carried_once_and_its_receipt_kept(estate: Estate) -> None:
    one, clock = Scripted([OK]), ManualClock(NOW)
    outbox = outbox_of(estate, one, clock)
    for _ in range(2):
        found = outbox.carry(errand())
        assert (found.state, found.receipt, found.attempts) == (S.SENT, OK, 1)
        assert outbox.round("one") == 0
    assert one.got == [("run-1:tell:1", False)]
    (event,) = estate.events("respond.delivery")
    assert (event.kind, event.body["said"], event.body["verified"]) == ("respond.delivery.taken", "ok", False)


def test_whoever_asks_while_the_lines_own_thread_sends_it_hears_what_became_of_it(estate: Estate) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Scripted):
        def deliver(self, errand: Errand, *, again: bool) -> Receipt:
            begun.set()
            go_on.wait(20)
            return super().deliver(errand, again=again)

    one = Slow([OK])
    outbox = outbox_of(estate, one, ManualClock(NOW))
    outbox.put(errand())
    with ThreadPoolExecutor() as pool:
        own = pool.submit(outbox.round, "one")
        assert begun.wait(20)
        asked = pool.submit(outbox.carry, errand())
        with pytest.raises(TimeoutError):
            asked.result(0.1)
        go_on.set()
        assert (own.result(20), asked.result(20).receipt, len(one.got)) == (1, OK, 1)


@pytest.mark.behaviour("integrations.nothing-lost")
def test_a_clock_that_is_put_back_holds_no_errand_up_and_sends_none_twice(estate: Estate) -> None:
    one = Scripted([NotTaken("busy"), OK])
    assert outbox_of(estate, one, ManualClock(NOW)).carry(errand()).state is S.DUE
    back = ManualClock(NOW - 5 * 3600 * SECOND)
    outbox = outbox_of(estate, one, back)
    assert outbox.round("one") == 1
    back.advance(6 * 3600 * SECOND)
    assert outbox.round("one") == 0
    assert one.got == [("run-1:tell:1", False)] * 2


@pytest.mark.behaviour("integrations.nothing-lost")
def test_what_is_not_taken_is_tried_again_later_each_time_and_said_once(estate: Estate) -> None:
    one, clock = Scripted([NotTaken("busy"), NotTaken("busy", after=40), OK]), ManualClock(NOW)
    outbox = outbox_of(estate, one, clock)
    assert outbox.carry(errand()).state is S.DUE
    assert outbox.round("one") == 0
    clock.advance(5 * SECOND)
    assert outbox.round("one") == 0
    clock.advance(39 * SECOND)
    assert outbox.round("one") == 0
    clock.advance(SECOND)
    assert outbox.round("one") == 1
    assert [again for _, again in one.got] == [False, False, False]  # it answered: there is no doubt
    assert told(estate) == ["delivery.failed", "delivery.taken"]


@pytest.mark.behaviour("integrations.nothing-lost")
def test_what_is_never_taken_lies_aside_and_can_be_sent_again(estate: Estate) -> None:
    one, clock = Scripted([NotTaken("busy")]), ManualClock(NOW)
    outbox = outbox_of(estate, one, clock, attempts=2)
    outbox.carry(errand())
    clock.advance(5 * SECOND)
    outbox.round("one")
    found = outbox.find(errand())
    assert (found.state, found.attempts) == (S.DEAD, 2)
    assert told(estate) == ["delivery.failed", "delivery.abandoned"]
    one.script = [Rejected("no")]
    assert outbox.retry("one") == 1
    outbox.round("one")
    assert (outbox.find(errand()).state, outbox.find(errand()).why) == (S.DEAD, "no")
    one.script = [OK]
    assert (outbox.retry("one"), outbox.round("one"), outbox.find(errand()).state) == (1, 1, S.SENT)


@pytest.mark.behaviour("integrations.nothing-twice")
def test_a_crash_between_sending_and_noting_sends_the_same_key_again_and_pages_once(estate: Estate) -> None:
    api, clock = EventsApi(), ManualClock(NOW)

    class Killed(BaseException):
        pass

    def dying(request: Request) -> Reply:
        answer = api(request)
        crash.set()
        return answer

    crash = threading.Event()
    with elsewhere(dying) as there:
        pager = made("pager", there.host, style="pagerduty", url=there.url, secret="env:KEY")

        class Dies:
            verbs, repeats, verify = pager.verbs, pager.repeats, pager.verify

            def deliver(self, errand: Errand, *, again: bool) -> Receipt:
                pager.deliver(errand, again=again)
                raise Killed

        with pytest.raises(Killed):
            outbox_of(estate, Dies(), clock).carry(errand(Verb.TRIGGER))
        assert crash.is_set()
        after = outbox_of(estate, pager, clock)  # the next life
        assert (after.round("one"), after.find(errand(Verb.TRIGGER)).state) == (0, S.SENDING)
        clock.advance(120 * SECOND)
        assert after.round("one") == 1
        found = after.find(errand(Verb.TRIGGER))
    assert (found.state, found.attempts, api.paged, len(there.got)) == (S.SENT, 2, 1, 2)


@pytest.mark.behaviour("integrations.nothing-twice")
def test_a_process_that_is_killed_while_it_pages_has_paged_once(tmp_path: Path) -> None:
    api, data, child = EventsApi(), tmp_path / "data", list[subprocess.Popen[bytes]]()
    data.mkdir()
    is_known = threading.Event()

    def kills(request: Request) -> Reply:
        answer = api(request)
        assert is_known.wait(60)
        if child[0].poll() is None:
            child[0].kill()
            child[0].wait(60)
        return answer

    with elsewhere(kills) as there:
        words = [sys.executable, "-m", "tests.respond.integrations.child", str(data), there.url, there.host]
        child.append(subprocess.Popen(words, cwd=Path(__file__).parents[3]))
        is_known.set()
        assert child[0].wait(60) == -signal.SIGKILL
        estate = Estate(data)
        pager = made("pager", there.host, style="pagerduty", url=there.url, secret="env:KEY")
        clock = ManualClock(CLOCK.now() + 120 * SECOND)
        outbox = outbox_of(estate, pager, clock)
        assert outbox.round("one") == 1
        found = outbox.find(errand(Verb.TRIGGER))
        kinds = told(estate)
        estate.close()
    assert (found.state, found.attempts, api.paged, len(there.got)) == (S.SENT, 2, 1, 2)
    assert kinds == ["delivery.taken"]


@pytest.mark.behaviour("integrations.nothing-twice")
def test_a_receiver_without_keys_is_told_that_an_earlier_copy_may_be_there(estate: Estate) -> None:
    one, clock = Scripted([NotTaken("broke off", was_answered=False), OK], Repeats.TWICE), ManualClock(NOW)
    outbox = outbox_of(estate, one, clock)
    outbox.carry(errand())
    clock.advance(5 * SECOND)
    outbox.round("one")
    assert [again for _, again in one.got] == [False, True]


@pytest.mark.behaviour("integrations.lies")
def test_what_is_not_there_is_unverified_and_looked_at_again(estate: Estate) -> None:
    one, clock = Scripted([OK], Repeats.FOUND, proofs=[False, False, True]), ManualClock(NOW)
    outbox = outbox_of(estate, one, clock)
    assert outbox.carry(errand()).state is S.UNVERIFIED
    clock.advance(5 * SECOND)
    outbox.round("one")
    assert outbox.find(errand()).state is S.UNVERIFIED
    clock.advance(15 * SECOND)
    outbox.round("one")
    found = outbox.find(errand())
    assert found.state is S.SENT
    assert len(one.got) == 1
    assert told(estate) == ["delivery.unverified", "delivery.taken"]


def test_errands_of_one_thread_keep_their_order_and_others_pass_them(estate: Estate) -> None:
    one, clock = Scripted([NotTaken("busy"), OK]), ManualClock(NOW)
    outbox = outbox_of(estate, one, clock)
    first, last = errand(Verb.TRIGGER, "1", thread="a"), errand(Verb.RESOLVE, "2", thread="a")
    outbox.carry(first)
    assert outbox.carry(last).state is S.DUE
    assert outbox.carry(errand(Verb.TRIGGER, "3", thread="b")).state is S.SENT
    clock.advance(5 * SECOND)
    while outbox.round("one"):
        continue
    assert [key for key, _ in one.got] == ["1", "3", "1", "2"]


@pytest.mark.behaviour("integrations.breaker")
def test_an_integration_that_fails_in_a_row_is_left_alone_and_tried_once_after_a_pause(estate: Estate) -> None:
    one, clock = Scripted([NotTaken("down")]), ManualClock(NOW)
    outbox = outbox_of(estate, one, clock)
    for number in range(FAILURES + 3):
        outbox.carry(errand(key=str(number), thread=str(number)))
    assert len(one.got) == FAILURES
    (row,) = outbox.standings()
    assert (row.state, row.error, row.paused_until, row.waiting) == ("paused", "down", NOW + FIRST_PAUSE, FAILURES + 3)
    clock.advance(FIRST_PAUSE)
    outbox.round("one")
    assert len(one.got) == FAILURES + 1
    one.script = [OK]
    clock.advance(2 * FIRST_PAUSE)
    assert outbox.round("one") == FAILURES + 3
    (row,) = outbox.standings()
    assert (row.state, row.error, row.sent, row.waiting) == ("well", "", FAILURES + 3, 0)
    assert told(estate).count("integration.suspended") == told(estate).count("integration.resumed") == 1


@pytest.mark.behaviour("integrations.rate")
def test_more_than_a_minute_holds_waits_and_is_not_lost(estate: Estate) -> None:
    one, clock = Scripted([OK]), ManualClock(NOW)
    outbox = outbox_of(estate, one, clock, per_minute=2)
    for number in range(3):
        outbox.put(errand(key=str(number), thread=str(number)))
    assert outbox.round("one") == 2
    clock.advance(30 * SECOND)
    assert outbox.round("one") == 1
    rate = Rate(1)
    assert [rate.take(NOW), rate.take(NOW - 1_000 * SECOND), rate.take(NOW)] == [True, False, True]


@pytest.mark.behaviour("integrations.apart")
def test_one_that_hangs_holds_up_nobody_else(estate: Estate) -> None:
    clock, entered, go = ManualClock(NOW), threading.Event(), threading.Event()

    class Hangs(Scripted):
        def deliver(self, errand: Errand, *, again: bool) -> Receipt:
            entered.set()
            assert go.wait(20)
            return OK

    minutes = Minutes(Ledger(estate.database, estate.journal, estate.reader), clock)
    how, slow, quick = IntegrationSettings(type="x"), Hangs([OK]), Scripted([OK])
    outbox = Outbox(estate.database, minutes, clock, {"slow": (how, slow), "quick": (how, quick)})
    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(stop,)) for run in outbox.runs.values()]
    for thread in threads:
        thread.start()
    outbox.put(errand(integration="slow"))
    assert entered.wait(20)
    outbox.put(errand(integration="quick"))
    estate.until(lambda: outbox.find(errand(integration="quick")).state is S.SENT)
    assert outbox.find(errand(integration="slow")).state is S.SENDING
    go.set()
    estate.until(lambda: outbox.find(errand(integration="slow")).state is S.SENT)
    stop.set()
    for thread in threads:
        thread.join(20)


@pytest.mark.behaviour("integrations.nothing-twice")
def test_of_two_processes_one_sends_on_either_kind_of_state(shared_estate: Estate) -> None:
    one, clock, start = Scripted([OK]), ManualClock(NOW), threading.Barrier(2)
    pair = [outbox_of(shared_estate, one, clock, per_minute=1000) for _ in range(2)]
    for number in range(20):
        pair[0].put(errand(key=str(number), thread=str(number)))

    def sends(outbox: Outbox) -> None:
        start.wait(20)
        outbox.round("one")

    threads = [threading.Thread(target=sends, args=(outbox,)) for outbox in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(key for key, _ in one.got) == sorted(str(number) for number in range(20))
    (row,) = pair[0].standings()
    assert (row.sent, row.waiting) == (20, 0)
    assert len(shared_estate.events("respond.delivery.taken")) == 20


def test_a_plug_in_that_breaks_fails_its_errand_and_no_other(estate: Estate) -> None:
    one = Scripted([ZeroDivisionError("oops"), OK])
    outbox = outbox_of(estate, one, ManualClock(NOW))
    assert outbox.carry(errand(key="1", thread="1")).state is S.DEAD
    assert outbox.carry(errand(key="2", thread="2")).state is S.SENT


def test_what_no_integration_does_is_refused(estate: Estate) -> None:
    outbox = outbox_of(estate, Scripted([OK], verbs=frozenset({Verb.TELL})), ManualClock(NOW))
    doing: list[Callable[[], object]] = [
        lambda: outbox.put(errand(integration="nobody")),
        lambda: outbox.put(errand(Verb.CREATE)),
        lambda: outbox.find(errand()),
    ]
    for act in doing:
        with pytest.raises(NotFound):
            act()
