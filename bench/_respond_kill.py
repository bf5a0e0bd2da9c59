"""kill -9 at step boundaries of every shipped playbook, on both stores; what came of it, and how soon.

Each case is two real processes on one fresh estate: one takes the lease and is killed by itself at the place, the other
looks on and takes over. Then the real order book and the real journal are counted. `cold` cases start the second
process only after the first is dead, as a supervisor without a spare does. Processes that are not started cold are
forked by one that has imported everything, and several cases run beside each other.

All of it is every place of every playbook on both stores; *quick* takes a few, over playbooks and stores in turn.
Where a holder was so starved that the onlooker took over before it could be killed, nothing was tried: the case is
taken again, and told as `kill_taken_again`.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from _respond_estate import BOOKS, STORES, Stores, estate, know, playbooks, raise_alerts, runs_of

from tests.respond.crowds import deciding
from tests.respond.lives import ForkedLife, Nursery, live
from watchkeeper.respond.playbook import Playbook, Trial

Rows = list[dict[str, Any]]
_QUICK, _QUICK_COLD = 6, 2
_COLD = 1
"""Places of each playbook on each store that are taken cold."""
_TRIES = 3
_LOST = 3
"""How a holder ends that lost the lease, on a server; on a file it is killed by who takes over."""
_SIDE_BY_SIDE = min(4, os.cpu_count() or 1)


class Early(Exception):
    """The onlooker took over before the holder could be killed."""


class Job(msgspec.Struct, frozen=True):
    """A kill to be tried."""

    playbook: Playbook
    trial: Trial
    runs: int
    place: str
    store: str
    is_cold: bool = False


class Case(msgspec.Struct, frozen=True):
    """What came of one kill."""

    playbook: str
    store: str
    place: str
    is_cold: bool
    finished: bool
    duplicates: int
    recovery_s: float
    why: str = ""
    again: int = 0


def measure(*, quick: bool) -> Rows:
    """The rows of this part."""
    with Stores() as stores, Nursery() as nursery, ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        try:
            jobs = list(pick(nursery) if quick else everything(nursery, pool))
            cases = list(pool.map(lambda job: kill(stores, nursery, job), jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            nursery.close()  # whatever runs ends with its processes
            raise
    for one in cases:
        if not one.finished or one.duplicates:
            sys.stderr.write(f"NOT AS PROMISED: {one}\n")
    n = len(cases)
    warm = [one for one in cases if one.finished and not one.is_cold]
    return [
        {"metric": "kill_finished", "value": sum(one.finished for one in cases), "unit": f"of {n}", "n": n},
        {"metric": "kill_duplicates", "value": sum(one.duplicates for one in cases), "unit": "effects", "n": n},
        {"metric": "kill_taken_again", "value": sum(one.again for one in cases), "unit": "cases", "n": n},
        *_times("kill_recovery", [one.recovery_s for one in warm]),
        *_times("kill_recovery_cold", [one.recovery_s for one in cases if one.finished and one.is_cold]),
        *(
            row
            for store in STORES
            for row in _times(f"kill_recovery_{store}", [one.recovery_s for one in warm if one.store == store])
        ),
    ]


def everything(nursery: Nursery, pool: ThreadPoolExecutor) -> Iterator[Job]:
    """Every place of every playbook on every store."""

    def places_of(known: tuple[Playbook, Trial]) -> tuple[Playbook, Trial, int, list[str]]:
        playbook, trial = known
        runs = runs_of(trial)
        return playbook, trial, runs, trace(nursery, trial, runs)

    for playbook, trial, runs, places in pool.map(places_of, playbooks()):
        for store in STORES:
            yield from (Job(playbook, trial, runs, place, store) for place in places)
            yield from (Job(playbook, trial, runs, place, store, is_cold=True) for place in places[:_COLD])


def pick(nursery: Nursery) -> Iterator[Job]:
    """A few places, over playbooks and stores in turn, from the first to the last of a run."""
    shipped = playbooks()
    chosen = [shipped[at * len(shipped) // _QUICK] for at in range(_QUICK)]
    known: dict[str, tuple[int, list[str]]] = {}
    for at, (playbook, trial) in enumerate(chosen):
        if playbook.id not in known:
            runs = runs_of(trial)
            known[playbook.id] = runs, trace(nursery, trial, runs)
        runs, places = known[playbook.id]
        place = places[(2 * at + 1) * len(places) // (2 * _QUICK)]
        yield Job(playbook, trial, runs, place, STORES[at % len(STORES)])
        if at < _QUICK_COLD:
            yield Job(playbook, trial, runs, place, STORES[at % len(STORES)], is_cold=True)


def trace(nursery: Nursery, trial: Trial, runs: int) -> list[str]:
    """Every place that a run comes by, in order."""
    with estate("") as made:
        know(made, trial)
        raise_alerts(made, trial)
        with deciding(made), ForkedLife(nursery, made, trace=True, runs=runs, playbooks=BOOKS) as life:
            code, errors = life.ended()
        if code:
            raise SystemExit(f"{trial.name}: the run did not end: {errors}")
    told = [line.removeprefix("at ").rpartition(" ")[0] for line in life.lines if line.startswith("at ")]
    return [one for one in dict.fromkeys(told) if one != "finished"]


def kill(stores: Stores, nursery: Nursery, job: Job) -> Case:
    """One case."""
    for again in range(_TRIES):
        try:
            return msgspec.structs.replace(_kill(stores, nursery, job), again=again)
        except Early as error:
            why = str(error)
    return _case(job, False, 0, 0.0, f"the onlooker was too early {_TRIES} times: {why}")


def _kill(stores: Stores, nursery: Nursery, job: Job) -> Case:
    with estate(stores.url(job.store)) as made:
        know(made, job.trial)
        try:
            with deciding(made):
                recovery = _cold(nursery, made, job) if job.is_cold else _warm(nursery, made, job)
        except (AssertionError, TimeoutError) as error:
            return _case(job, False, _duplicates(made), 0.0, str(error)[-1500:])
        ended = Counter(event.body["run"] for event in made.events("respond.playbook.finished"))
        begun = {event.body["run"] for event in made.events("respond.playbook.started")}
        return _case(job, set(ended) == begun and bool(begun), _duplicates(made), recovery)


def _case(job: Job, finished: bool, duplicates: int, recovery: float, why: str = "") -> Case:
    return Case(job.playbook.id, job.store, job.place, job.is_cold, finished, duplicates, recovery, why)


def _warm(nursery: Nursery, made: Any, job: Job) -> float:
    options = {"wait": True, "runs": job.runs, "playbooks": BOOKS}
    with (
        ForkedLife(nursery, made, job.place, writer="watch-a", **options) as one,
        ForkedLife(nursery, made, writer="watch-b", **options) as other,
    ):
        one.said("ready"), other.said("ready")
        one.go(), one.said("held")
        other.go(), other.said("looking")
        raise_alerts(made, job.trial)
        code, errors = one.ended()
        died = _moment(one.lines, f"at {job.place} ")
        if not died and code in (_LOST, -signal.SIGKILL) and other.has_said("held"):
            raise Early(f"the holder ended with {code}: {errors[-300:]}")
        assert (bool(died), code) == (True, -signal.SIGKILL), f"it said {one.lines}: {errors}"
        went_on = other.said("at")
        code, errors = other.ended()
        assert code == 0, errors
        if went_on < died:
            raise Early("it went on before the holder was killed")
    return went_on - died


def _cold(nursery: Nursery, made: Any, job: Job) -> float:
    raise_alerts(made, job.trial)
    with ForkedLife(nursery, made, job.place, runs=job.runs, playbooks=BOOKS) as first:
        code, errors = first.ended()
        assert code == -signal.SIGKILL, errors
    last = live(made, runs=job.runs, playbooks=BOOKS)
    assert last.returncode == 0, last.stderr
    return _moment(last.stdout.splitlines(), "at ") - _moment(first.lines, f"at {job.place} ")


def _moment(said: Sequence[str], what: str) -> float:
    """When it was said; 0 when it was not."""
    return next((float(line.split()[-1]) for line in said if line.startswith(what)), 0.0)


def _duplicates(made: Any) -> int:
    """Orders given more than once, and facts recorded more than once."""
    orders = Counter((order.kind.value, order.target) for order in made.orders.all())
    facts = Counter(event.id for event in made.events("respond.", "gateway.order."))
    return sum(orders.values()) - len(orders) + sum(facts.values()) - len(facts)


def _times(name: str, seconds: list[float]) -> Rows:
    if not seconds:
        return []
    ordered = sorted(seconds)
    p50 = {"metric": f"{name}_p50_s", "value": round(statistics.median(ordered), 3), "unit": "s", "n": len(ordered)}
    return [p50 | {"p90_s": round(ordered[int(0.9 * (len(ordered) - 1))], 3), "max_s": round(ordered[-1], 3)}]
