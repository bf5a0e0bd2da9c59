"""kill -9 at step boundaries of every shipped playbook, on both stores; what came of it, and how soon.

Each case is two real processes on one fresh estate: one takes the lease and is killed by itself at the place, the other
looks on and takes over. Then the real order book, the real journal and the effects at the gateway and beyond it are
counted; one case whose lives forget their keys shows that this count can find something. `cold` cases start the second
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
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

import msgspec
from _respond_estate import BOOKS, STORES, Scene, Stores, begin, premises, runs_of, say, scenes

from tests.respond.crowds import deciding
from tests.respond.lives import ForkedLife, Nursery, live
from tests.respond.premises import Premises

Rows = list[dict[str, Any]]
_QUICK, _QUICK_COLD = 3, 1
_COLD = 1
"""Places of each playbook on each store that are taken cold."""
_TRIES, _SILENCE = 4, 0.6
"""Where a holder starved, the onlooker is given twice the patience (seconds); such a case has no time of its own."""
_TOLD_EVERY = 10.0
_FORGETFUL, _FORGOTTEN = "destructive_action", "end acted"
"""The playbook whose lives forget their keys once, and where they are killed: a session was ended, nobody knows yet."""
_LOST = 3
"""How a holder ends that lost the lease, on a server; on a file it is killed by who takes over."""
_SIDE_BY_SIDE = min(4, os.cpu_count() or 1)


class Early(Exception):
    """The onlooker took over before the holder could be killed."""


class Job(msgspec.Struct, frozen=True):
    """A kill to be tried."""

    scene: Scene
    runs: int
    place: str
    store: str
    is_cold: bool = False
    is_forgetful: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Of a life."""
        flags = {"forgetful": True} if self.is_forgetful else {}
        return {"runs": self.runs, "playbooks": BOOKS, "rooms": True, **flags}


class Case(msgspec.Struct, frozen=True):
    """What came of one kill."""

    scene: str
    store: str
    place: str
    is_cold: bool
    finished: bool
    duplicates: int
    recovery_s: float
    why: str = ""
    again: int = 0
    undone: tuple[str, ...] = ()
    """Actions of steps that failed or were unavailable."""


def measure(*, quick: bool) -> Rows:
    """The rows of this part."""
    with Stores() as stores, Nursery() as nursery, ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        try:
            jobs = list(pick(nursery) if quick else everything(nursery, pool))
            cases = told(jobs, [pool.submit(kill, stores, nursery, job) for job in jobs])
            found = forgotten(stores, nursery)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            nursery.close()  # whatever runs ends with its processes
            raise
    n, undone = len(cases), sorted({f"{case.scene}: {what}" for case in cases for what in case.undone})
    warm = [one for one in cases if one.finished and not one.is_cold and not one.again]
    return [
        {"metric": "kill_finished", "value": sum(one.finished for one in cases), "unit": f"of {n}", "n": n},
        {"metric": "kill_duplicates", "value": sum(one.duplicates for one in cases), "unit": "effects", "n": n},
        {"metric": "kill_duplicates_found_without_keys", "value": found, "unit": "effects", "n": 1},
        {"metric": "kill_steps_undone", "value": len(undone), "unit": "steps", "n": n}
        | ({"which": undone} if undone else {}),
        {"metric": "kill_taken_again", "value": sum(one.again for one in cases), "unit": "cases", "n": n},
        *_times("kill_recovery", [one.recovery_s for one in warm]),
        *_times("kill_recovery_cold", [one.recovery_s for one in cases if one.finished and one.is_cold]),
        *(
            row
            for store in STORES
            for row in _times(f"kill_recovery_{store}", [one.recovery_s for one in warm if one.store == store])
        ),
    ]


def told(jobs: Sequence[Job], futures: Sequence[Future[Case]]) -> list[Case]:
    """The cases, as they end; how many there are yet, and which are not as promised, is said meanwhile."""
    cases, began, said_at = [], time.monotonic(), time.monotonic()
    for done in as_completed(futures):
        case = done.result()
        cases.append(case)
        if not case.finished or case.duplicates:
            say(f"NOT AS PROMISED: {case}")
        now = time.monotonic()
        if now - said_at >= _TOLD_EVERY or len(cases) == len(jobs):
            left = (now - began) / len(cases) * (len(jobs) - len(cases))
            say(f"kill: {len(cases)} of {len(jobs)} after {now - began:.0f} s, about {left:.0f} s more")
            said_at = now
    return cases


def forgotten(stores: Stores, nursery: Nursery) -> int:
    """What the count of duplicates finds where each life acts under keys of its own. Raises when that is nothing."""
    scene = next(one for one in scenes() if one.shelved.playbook.id == _FORGETFUL)
    case = kill(stores, nursery, Job(scene, runs_of(scene), _FORGOTTEN, "sqlite", is_cold=True, is_forgetful=True))
    if not case.duplicates:
        raise SystemExit(f"the count of duplicates finds none where there must be one: {case}")
    return case.duplicates


def everything(nursery: Nursery, pool: ThreadPoolExecutor) -> Iterator[Job]:
    """Every place of every playbook on every store; by hand only the places that its alerts do not bring it to."""

    def places_of(scene: Scene) -> tuple[Scene, int, list[str]]:
        runs = runs_of(scene)
        return scene, runs, trace(nursery, scene, runs)

    known: dict[str, set[str]] = {}
    for scene, runs, places in pool.map(places_of, scenes()):
        seen = known.setdefault(scene.shelved.playbook.id, set())
        new = [place for place in places if place not in seen]
        seen.update(places)
        for store in STORES:
            yield from (Job(scene, runs, place, store) for place in new)
            yield from (Job(scene, runs, place, store, is_cold=True) for place in new[:_COLD])


def pick(nursery: Nursery) -> Iterator[Job]:
    """A few places, over playbooks and stores in turn, from the first to the last of a run."""
    there = [scene for scene in scenes() if not scene.is_asked]
    for at in range(_QUICK):
        scene, store = there[at * len(there) // _QUICK], STORES[at % len(STORES)]
        runs = runs_of(scene)
        places = trace(nursery, scene, runs)
        place = places[(2 * at + 1) * len(places) // (2 * _QUICK)]
        yield Job(scene, runs, place, store)
        if at < _QUICK_COLD:
            yield Job(scene, runs, place, store, is_cold=True)


def trace(nursery: Nursery, scene: Scene, runs: int) -> list[str]:
    """Every place that a run comes by, in order."""
    with premises("", scene) as (made, _):
        begin(made, scene)
        with deciding(made), ForkedLife(nursery, made, trace=True, runs=runs, playbooks=BOOKS, rooms=True) as life:
            code, errors = life.ended()
        if code:
            raise SystemExit(f"{scene.name}: the run did not end: {errors}")
    told = [line.removeprefix("at ").rpartition(" ")[0] for line in life.lines if line.startswith("at ")]
    return [one for one in dict.fromkeys(told) if one != "finished"]


def kill(stores: Stores, nursery: Nursery, job: Job) -> Case:
    """One case."""
    for again in range(_TRIES):
        try:
            return msgspec.structs.replace(_kill(stores, nursery, job, _SILENCE * 2**again), again=again)
        except Early as error:
            why = str(error)
    return _case(job, False, 0, 0.0, f"the onlooker was too early {_TRIES} times: {why}")


def _kill(stores: Stores, nursery: Nursery, job: Job, silence: float) -> Case:
    with premises(stores.url(job.store), job.scene) as (made, there):
        try:
            with deciding(made):
                recovery = _cold(nursery, made, job) if job.is_cold else _warm(nursery, made, job, silence)
        except (AssertionError, TimeoutError) as error:
            return _case(job, False, _duplicates(made, there), 0.0, str(error)[-1500:])
        ended = Counter(event.body["run"] for event in made.events("respond.playbook.finished"))
        begun = {event.body["run"] for event in made.events("respond.playbook.started")}
        case = _case(job, set(ended) == begun and bool(begun), _duplicates(made, there), recovery)
        return msgspec.structs.replace(case, undone=_undone(made))


def _case(job: Job, finished: bool, duplicates: int, recovery: float, why: str = "") -> Case:
    return Case(job.scene.name, job.store, job.place, job.is_cold, finished, duplicates, recovery, why)


def _warm(nursery: Nursery, made: Any, job: Job, silence: float) -> float:
    options = {"wait": True, "silence": silence, **job.options}
    with (
        ForkedLife(nursery, made, job.place, writer="watch-a", **options) as one,
        ForkedLife(nursery, made, writer="watch-b", **options) as other,
    ):
        one.said("ready"), other.said("ready")
        one.go(), one.said("held")
        other.go(), other.said("looking")
        begin(made, job.scene)
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
    begin(made, job.scene)
    with ForkedLife(nursery, made, job.place, **job.options) as first:
        code, errors = first.ended()
        assert code == -signal.SIGKILL, errors
    last = live(made, **job.options)
    assert last.returncode == 0, last.stderr
    return _moment(last.stdout.splitlines(), "at ") - _moment(first.lines, f"at {job.place} ")


def _moment(said: Sequence[str], what: str) -> float:
    """When it was said; 0 when it was not."""
    return next((float(line.split()[-1]) for line in said if line.startswith(what)), 0.0)


def _duplicates(made: Any, there: Premises) -> int:
    """Orders given, facts recorded and effects brought about more than once."""
    orders = Counter((order.kind.value, order.target) for order in made.orders.all())
    facts = Counter(event.id for event in made.events("respond.", "gateway.order.", "gateway.custody."))
    return sum(sum(one.values()) - len(one) for one in (orders, facts)) + there.effects.doubled


def _undone(made: Any) -> tuple[str, ...]:
    bad = made.events("respond.step.failed", "respond.step.unavailable")
    return tuple(sorted({f"{event.body['action']} {event.kind.rpartition('.')[2]}" for event in bad}))


def _times(name: str, seconds: list[float]) -> Rows:
    if not seconds:
        return []
    ordered = sorted(seconds)
    p50 = {"metric": f"{name}_p50_s", "value": round(statistics.median(ordered), 3), "unit": "s", "n": len(ordered)}
    return [p50 | {"p90_s": round(ordered[int(0.9 * (len(ordered) - 1))], 3), "max_s": round(ordered[-1], 3)}]
