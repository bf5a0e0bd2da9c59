"""Grouping and throttling count over all groups of a rule; workers that divide the rules do it as one does."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect.stream.court import KIND, RULE, T
from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.detect.alerts.admission import AlertAdmission, Limits
from watchkeeper.detect.correlation.model import Correlation, Operator, Threshold, Type
from watchkeeper.detect.correlation.stage import CorrelationStage
from watchkeeper.detect.matching.own import Indexed
from watchkeeper.detect.model import Heading
from watchkeeper.detect.stream.counts import Counts
from watchkeeper.detect.stream.judging import Court, Judge
from watchkeeper.detect.stream.partition import Partition, Shared
from watchkeeper.detect.stream.watermark import Timed
from watchkeeper.events import Event, Position, Severity, new_event

RULES = tuple(replace(RULE, id=f"rule-{at}", name=f"rule-{at}", group=group) for at, group in enumerate(
    (("server", "target"), ("server",), ("actor",), ("target", "actor"), ())
))  # fmt: skip
LIMITS = Limits(window_seconds=20, throttle_alerts=2, throttle_seconds=60)
FEW = Correlation(
    heading=Heading(id="few", name="few", title="Few", level=Severity.LOW, version="1"),
    type=Type.EVENT_COUNT,
    rules=("rule-0", "rule-1"),
    timespan=30 * SECOND,
    group_by=("server",),
    condition=(Threshold(Operator.GREATER_EQUAL, 3),),
)

happened = st.lists(
    st.tuples(
        st.integers(0, 15), st.sampled_from("abcd"), st.sampled_from(("read", "write", "list")),
        st.sampled_from(("agent:a", "agent:b")), st.sampled_from(("deny", "deny", "allow")),
    ),
    min_size=10, max_size=60,
)  # fmt: skip


def recorded(events: list[Event], partition: Partition, *, keyed: bool = False) -> list[bytes]:
    """All that a worker derives; with `keyed`, by one that wrongly takes a share of every rule's groups."""
    stage = CorrelationStage((FEW,), owns=partition.owns)
    partition = replace(partition, families=stage.families)
    share = Indexed(RULES) if partition.of == 1 else Shared(Indexed, RULES, stage.needs, partition)
    clock, whole = ManualClock(T), partition
    if keyed:
        share, whole = Indexed(RULES), Partition()
    judge = Judge(Court(share, (stage,), AlertAdmission(LIMITS), whole), clock, Counts())
    found: list[Event] = []
    for at, event in enumerate(events):
        clock.advance(event.time - clock.now())
        if not keyed or partition.has(event.target):
            found += judge.judge(event, Position("gateway", at), Timed(event.time, is_late=False, is_skewed=False))
        found += judge.pass_time(event.time, (event, Position("gateway", at)))
    found += judge.pass_time(T + 7200 * SECOND, (events[-1], Position("gateway", len(events) - 1)))
    return sorted(msgspec.json.encode(msgspec.structs.replace(event, time=0)) for event in found)


def made(said: list[tuple[int, str, str, str, str]]) -> list[Event]:
    time, events = T, []
    for wait, server, target, actor, outcome in said:
        time += wait * SECOND
        events.append(new_event(time, KIND, server=server, target=target, actor=actor, outcome=outcome))
    return events


@pytest.mark.behaviour("detect.workers-throttle-as-one")
@settings(max_examples=40, deadline=None)
@given(said=happened, of=st.integers(2, 6))
def test_workers_group_throttle_and_correlate_as_one_does(said: list[tuple[int, str, str, str, str]], of: int) -> None:
    events = made(said)
    alone = recorded(events, Partition())
    together = [one for number in range(1, of + 1) for one in recorded(events, Partition(number, of))]
    assert sorted(together) == alone


@pytest.mark.behaviour("detect.workers-throttle-as-one")
def test_the_same_divided_by_group_would_tell_more_than_one_does() -> None:
    """Why a rule is one worker's with all of its groups; also that the property above can fail."""
    places = [(server, target) for server in "abcd" for target in ("read", "write", "list")]
    events = made([(3, server, target, "agent:a", "deny") for server, target in places * 4])
    alone = recorded(events, Partition())
    divided = [one for number in (1, 2) for one in recorded(events, Partition(number, 2), keyed=True)]
    assert any(b"detect.alert.throttled" in one for one in alone)
    assert sorted(divided) != alone
