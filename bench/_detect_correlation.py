"""Correlation's operators and its stage, one core: `python bench/_detect_correlation.py [--json] [--events N]`.

- *operator*: the events are made before, each with its group found; what is measured is the decision.
- *stage*: matches as the stream shows them (event, rules), out of order by up to two seconds, event time once a second,
  what changed collected once a second; one correlation of each type, 50 groups.
- *naive*: recounts the window at each event.

The peer's figure (RSigma, 63k events/s for `value_count` with 1,800 distinct values) is what it publishes for its own
machine; it was not run here.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from watchkeeper.detect.correlation.model import Correlation, Operator, Threshold, Type
from watchkeeper.detect.correlation.operators.interface import Mark, Occurrence, State
from watchkeeper.detect.correlation.planning import plan_for
from watchkeeper.detect.correlation.stage import CorrelationStage
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.model import Heading
from watchkeeper.events import Event, Position, Severity

SECOND = 1_000_000
DISTINCT = 1_800
PEER = 63_000
_NEVER = (Threshold(Operator.GREATER_EQUAL, 5_000),)


class Rule:
    """A stage asks a rule for its id."""

    def __init__(self, id: str) -> None:
        self.id = id


def correlation(kind: Type, rules: tuple[str, ...] = ("a", "b"), **said: Any) -> Correlation:
    heading = Heading(id=str(kind), name=kind, title=kind, level=Severity.HIGH, version="1")
    return Correlation(heading=heading, type=kind, rules=rules, **({"timespan": 60 * SECOND} | said))


def operator_rate(one: Correlation, count: int, value: Callable[[int], Any]) -> float:
    """Events a second through one group's state, 100 events a second of event time; the best of three."""
    best = 0.0
    events = [Occurrence(Mark(at * SECOND // 100, "w", at, f"id-{at}"), {}, None) for at in range(count)]
    values = [value(at) for at in range(count)]
    which = [(at % len(one.rules),) for at in range(count)]
    for _ in range(3):
        state: State = plan_for(one, 10_000).begin()
        feed = state.feed
        began = time.process_time()
        for seen, rules, those in zip(events, which, values, strict=True):
            feed(seen, rules, those)
        best = max(best, count / (time.process_time() - began))
    return best


def naive_rate(count: int, value: Callable[[int], Any]) -> float:
    """The window recounted at each event."""
    window: deque[tuple[int, Any]] = deque()
    began = time.process_time()
    for at in range(count):
        now = at * SECOND // 100
        window.append((now, value(at)))
        while window[0][0] < now - 60 * SECOND:
            window.popleft()
        assert len({one for _, one in window}) < 5_000
    return count / (time.process_time() - began)


def stage_rate(correlations: list[Correlation], count: int) -> float:
    """Matches a second through the whole stage."""
    chance = random.Random(7)
    rules = (Rule("a"), Rule("b"))
    shown = []
    for at in range(count):
        when = at * SECOND // 5_000 + chance.randrange(2 * SECOND)
        event = Event(
            v=1, id=f"id-{at}", time=when, kind="gateway.request.decided", actor=f"agent:{at % 50}", server="files",
            target=f"tool-{chance.randrange(DISTINCT)}", body={"bytes": chance.randrange(100_000)},
        )  # fmt: skip
        shown.append(Seen(event, Position("w", at), (rules[at % 2],)))  # type: ignore[arg-type]
    stage = CorrelationStage(correlations)
    began = time.process_time()
    for at, seen in enumerate(shown):
        list(stage.look(seen))
        if at % 5_000 == 4_999:
            list(stage.pass_time((at // 5_000 - 2) * SECOND))
            stage.changes()
    return count / (time.process_time() - began)


def measure(events: int) -> dict[str, float]:
    """Every figure, by name."""
    chance = random.Random(7)
    name = [(f"tool-{chance.randrange(DISTINCT)}",) for _ in range(events)]
    number = [(chance.randrange(100_000) * 1_000_000,) for _ in range(events)]
    nothing = ()
    a_lot = (Threshold(Operator.GREATER_EQUAL, 10**12),)
    kinds: dict[str, tuple[Correlation, Callable[[int], Any]]] = {
        "value_count": (correlation(Type.VALUE_COUNT, condition=_NEVER, fields=("target",)), lambda at: name[at]),
        "event_count": (correlation(Type.EVENT_COUNT, condition=(Threshold(Operator.GREATER_EQUAL, 7_000),)),
                        lambda at: nothing),
        "value_sum": (correlation(Type.VALUE_SUM, condition=a_lot, fields=("n",)), lambda at: number[at]),
        "value_avg": (correlation(Type.VALUE_AVG, condition=a_lot, fields=("n",)), lambda at: number[at]),
        "value_median": (correlation(Type.VALUE_MEDIAN, condition=a_lot, fields=("n",)), lambda at: number[at]),
        "value_percentile": (correlation(Type.VALUE_PERCENTILE, condition=a_lot, fields=("n",), percentile=95.0),
                             lambda at: number[at]),
        "temporal": (correlation(Type.TEMPORAL, ("a", "b", "c"), timespan=1), lambda at: nothing),
        "temporal_ordered": (correlation(Type.TEMPORAL_ORDERED, ("b", "a", "c"), timespan=1), lambda at: nothing),
        "absence": (correlation(Type.ABSENCE, ("a",), missing=("b",)), lambda at: nothing),
    }  # fmt: skip
    figures = {f"{kind}_events_per_second": operator_rate(one, events, of) for kind, (one, of) in kinds.items()}
    figures["value_count_naive_events_per_second"] = naive_rate(min(events, 8_000), lambda at: name[at])
    whole = {"timespan": 60 * SECOND, "group_by": ("actor",)}
    one = correlation(Type.VALUE_COUNT, condition=_NEVER, fields=("target",), **whole)
    figures["stage_value_count_events_per_second"] = stage_rate([one], min(events, 100_000))
    each = [
        correlation(Type.EVENT_COUNT, condition=_NEVER, **whole), one,
        correlation(Type.VALUE_SUM, condition=a_lot, fields=("body.bytes",), **whole),
        correlation(Type.TEMPORAL, ("a", "b", "c"), **whole),
        correlation(Type.TEMPORAL_ORDERED, ("a", "b", "c"), **whole),
        correlation(Type.ABSENCE, ("a",), missing=("b",), **whole),
    ]  # fmt: skip
    figures["stage_six_correlations_events_per_second"] = stage_rate(each, min(events, 100_000))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--events", type=int, default=200_000, help="events per operator")
    said = parser.parse_args()
    figures = measure(said.events)
    if said.json:
        print(json.dumps({name: round(value) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:45} {value:12,.0f}")
    print(f"{'RSigma, value_count, as published':45} {PEER:12,}")


if __name__ == "__main__":
    main()
