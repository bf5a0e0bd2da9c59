"""kill -9 at every step boundary of every shipped playbook, on both stores; what came of it, and how soon.

Each case is two real processes on one fresh estate: one takes the lease and is killed by itself at the place, the other
looks on and takes over. Then the real order book and the real journal are counted. `cold` cases start the second
process only after the first is dead, as a supervisor without a spare does.
"""

from __future__ import annotations

import signal
import statistics
import sys
from collections import Counter
from typing import Any

import msgspec
from _respond_estate import BOOKS, STORES, Stores, estate, know, playbooks, raise_alerts, runs_of

from tests.respond.crowds import deciding
from tests.respond.lives import Life, live
from watchkeeper.respond.playbook import Playbook, Trial

Rows = list[dict[str, Any]]
_QUICK = 3
_COLD = 3


class Case(msgspec.Struct, frozen=True):
    """What came of one kill."""

    playbook: str
    store: str
    place: str
    finished: bool
    duplicates: int
    recovery_s: float
    why: str = ""


def measure(*, quick: bool) -> Rows:
    """The rows of this part."""
    warm: list[Case] = []
    cold: list[Case] = []
    with Stores() as stores:
        for playbook, trial in playbooks():
            runs = runs_of(trial)
            places = trace(trial, runs)
            chosen = places[:: -(-len(places) // _QUICK)] if quick else places
            for store in STORES:
                warm += [kill(stores.url(store), store, playbook, trial, place, runs) for place in chosen]
                cold += [
                    kill(stores.url(store), store, playbook, trial, place, runs, is_cold=True)
                    for place in chosen[: 1 if quick else _COLD]
                ]
    for one in warm + cold:
        if not one.finished or one.duplicates:
            sys.stderr.write(f"NOT AS PROMISED: {one}\n")
    n = len(warm) + len(cold)
    recovered = [one.recovery_s for one in warm if one.finished]
    return [
        {"metric": "kill_finished", "value": sum(one.finished for one in warm + cold), "unit": f"of {n}", "n": n},
        {"metric": "kill_duplicates", "value": sum(one.duplicates for one in warm + cold), "unit": "effects", "n": n},
        *_times("kill_recovery", recovered),
        *_times("kill_recovery_cold", [one.recovery_s for one in cold if one.finished]),
        *(
            row
            for store in STORES
            for row in _times(f"kill_recovery_{store}", [o.recovery_s for o in warm if o.finished and o.store == store])
        ),
    ]


def trace(trial: Trial, runs: int) -> list[str]:
    """Every place that a run comes by, in order."""
    with estate("") as made:
        know(made, trial)
        raise_alerts(made, trial)
        with deciding(made):
            life = live(made, trace=True, runs=runs, playbooks=BOOKS)
        if life.returncode:
            raise SystemExit(f"{trial.name}: the run did not end: {life.stderr}")
    told = [line.removeprefix("at ").rpartition(" ")[0] for line in life.stdout.splitlines() if line.startswith("at ")]
    return [one for one in dict.fromkeys(told) if one != "finished"]


def kill(
    url: str, store: str, playbook: Playbook, trial: Trial, place: str, runs: int, *, is_cold: bool = False
) -> Case:
    """One case."""
    with estate(url) as made:
        know(made, trial)
        try:
            with deciding(made):
                recovery = (_cold if is_cold else _warm)(made, trial, place, runs)
        except (AssertionError, TimeoutError) as error:
            return Case(playbook.id, store, place, False, _duplicates(made), 0.0, str(error)[-500:])
        ended = Counter(event.body["run"] for event in made.events("respond.playbook.finished"))
        begun = {event.body["run"] for event in made.events("respond.playbook.started")}
        return Case(playbook.id, store, place, set(ended) == begun and bool(begun), _duplicates(made), recovery)


def _warm(made: Any, trial: Trial, place: str, runs: int) -> float:
    with (
        Life(made, place, writer="watch-a", wait=True, runs=runs, playbooks=BOOKS) as one,
        Life(made, writer="watch-b", wait=True, runs=runs, playbooks=BOOKS) as other,
    ):
        one.said("ready"), other.said("ready")
        one.go(), one.said("held")
        other.go(), other.said("looking")
        raise_alerts(made, trial)
        died = one.said(f"at {place}")
        assert one.ended()[0] == -signal.SIGKILL
        went_on = other.said("at")
        code, errors = other.ended()
        assert code == 0, errors
    return went_on - died


def _cold(made: Any, trial: Trial, place: str, runs: int) -> float:
    raise_alerts(made, trial)
    first = live(made, place, runs=runs, playbooks=BOOKS)
    assert first.returncode == -signal.SIGKILL, first.stderr
    died = _moment(first.stdout, f"at {place} ")
    last = live(made, runs=runs, playbooks=BOOKS)
    assert last.returncode == 0, last.stderr
    return _moment(last.stdout, "at ") - died


def _moment(said: str, what: str) -> float:
    return next(float(line.split()[-1]) for line in said.splitlines() if line.startswith(what))


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
