"""Rules asked about the past say what the stream said; a simulation counts it, and silence is never good news."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import UNSHRUNK
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.detect.alerts.exceptions.model import Exemption
from watchkeeper.detect.alerts.exceptions.reading import condition_of
from watchkeeper.detect.correlation.stage import CorrelationStage
from watchkeeper.detect.detector import Detector, Place
from watchkeeper.detect.interface import Matched
from watchkeeper.detect.matching.own import Indexed
from watchkeeper.detect.model import Rule
from watchkeeper.detect.proving.backtest import Backtest, Chosen, choose
from watchkeeper.detect.proving.past import DAY, Past, Reach, kinds_of
from watchkeeper.detect.proving.simulation import Simulated, calls, sentence, simulate, sparkline
from watchkeeper.detect.sigma.rules import Detections, load_detections, parse_rule
from watchkeeper.detect.stream.judging import Court
from watchkeeper.detect.stream.loop import Loop
from watchkeeper.events import Event, Journal, JournalReader, new_event
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search

T = 1_790_000_000_000_000
HOUR = 3_600_000_000
_RULE = """
title: {name}
id: 0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c0{number}
name: {name}
logsource: {{product: mcp, service: watchkeeper{category}}}
level: high
detection:
  s: {{{said}}}
  condition: s
watchkeeper: {{group: [server, target]}}
"""


def rule(name: str, number: int, said: str, category: str = "") -> Rule:
    return parse_rule(_RULE.format(name=name, number=number, said=said, category=category), f"{name}.yml")


_SAID = (
    ("denied", 1, "kind: gateway.request.decided, outcome: deny", ""),
    ("wordy", 2, "target|contains: ead", ", category: gateway"),
    ("held", 3, "kind: registry.pin.held", ""),
    ("everything", 4, "actor: agent:a", ""),
)
DENIED, WORDY, HELD, EVERYTHING = (rule(*said) for said in _SAID)
RULES = (DENIED, WORDY, HELD, EVERYTHING)
AGAIN = """
title: Denied again
id: 0a9b3f1c-5b0a-4a57-9d2e-4f0a4f3a9c09
name: denied_again
level: high
correlation:
  type: event_count
  rules: [denied]
  group-by: [server]
  timespan: 30m
  condition: {gte: 2}
  generate: true
watchkeeper:
  tests: {match: [], clean: []}
"""


def of(*rules: Rule) -> Chosen:
    return choose(Detections(rules, ()))


@pytest.fixture(scope="module")
def detections(tmp_path_factory: pytest.TempPathFactory) -> Detections:
    """The four rules, and a correlation of the first."""
    folder = tmp_path_factory.mktemp("rules")
    for name, number, said, category in _SAID:
        (folder / f"{name}.yml").write_text(_RULE.format(name=name, number=number, said=said, category=category))
    (folder / "denied_again.yml").write_text(AGAIN)
    return load_detections([folder])


def call(at: int, outcome: str = "deny", **fields: object) -> Event:
    return new_event(
        T + at, "gateway.request.decided", **{"outcome": outcome, "server": "s", "target": "read"} | fields
    )


def record(data: Path, events: list[Event]) -> None:
    journal = Journal.open(data, "gateway", ManualClock(T - HOUR))
    for event in events:
        last = journal.append(event)
    journal.wait(last)
    journal.close()


def streamed(data: Path, detections: Detections) -> set[str]:
    """Ids of the alerts that the stream raises, once time has gone on by a day."""
    clock = ManualClock(T + 4 * HOUR)  # an event that is far ahead of the clock is not believed
    database = Database.at(data / "state.db")
    database.create_missing_tables()
    watch = Journal.open(data, "watch", ManualClock(T - HOUR))
    court = Court(Loop(detections.rules), (CorrelationStage(detections.correlations),))
    detector = Detector(court, Place(watch, JournalReader(data), database), clock=clock)
    while detector.step():
        pass
    clock.advance(DAY)
    detector.step()
    detector.save()
    watch.close()
    database.close()
    found = Search(data).events(kind="detect.alert.raised", unbounded=True, limit=10_000)
    return {event.id for event in found}


events_of = st.lists(
    st.builds(
        lambda kind, at, **said: new_event(T + at, kind, **said),
        st.sampled_from(["gateway.request.decided", "registry.pin.held", "gateway.process.started"]),
        st.integers(0, 3 * HOUR),
        outcome=st.sampled_from(["allow", "deny", ""]),
        server=st.sampled_from(["s", "", "evil/../s"]),
        target=st.sampled_from(["read", "\x1b[2Jlead", ""]),
        actor=st.sampled_from(["agent:a", "agent:b", ""]),
    ),
    min_size=1,
    max_size=12,
).map(lambda found: sorted(found, key=lambda event: event.time))
"""In order: what comes late to the stream is counted there, and not correlated."""


@pytest.mark.behaviour("proving.backtest-is-stream")
@settings(max_examples=6, phases=UNSHRUNK)
@given(events=events_of, in_lake=st.integers(0, 12))
def test_a_backtest_finds_the_very_alerts_that_the_stream_raised(
    detections: Detections, events: list[Event], in_lake: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        if events[:in_lake]:
            record(data, events[:in_lake])
            with LakeReader(data) as lake:
                lake.fill()
        if events[in_lake:]:
            record(data, events[in_lake:])
        chosen = choose(detections)
        found = list(Backtest(chosen).run(Past(Search(data), 0, T + DAY).facts(None), T + DAY))
        assert {hit.alert for hit in found} == streamed(data, detections)
        assert len({hit.alert for hit in found}) == len(found)


@pytest.mark.behaviour("proving.backtest")
def test_only_what_the_rules_look_at_is_read_and_only_one_tenants(tmp_path: Path) -> None:
    record(tmp_path, [call(0), call(1, "allow"), call(2, tenant="other"), new_event(T + 3, "registry.pin.held")])
    past = Past(Search(tmp_path), T, T + DAY)
    run = Backtest(of(DENIED))
    assert [hit.event.time for hit in run.run(past.facts(kinds_of((DENIED,))))] == [T]
    assert (run.events, run.seen_by(DENIED), run.counts[DENIED.id]) == (2, 2, 1)
    assert kinds_of(RULES) is None
    assert kinds_of((DENIED, WORDY)) == {"gateway.request.decided", "gateway"}


@pytest.mark.behaviour("proving.backtest")
def test_a_rule_that_fails_is_counted_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = rule("broken", 5, "outcome: deny")
    monkeypatch.setattr(Indexed, "match", lambda *_: Matched((DENIED,), ((broken, "RecursionError"),)))
    record(tmp_path, [call(0)])
    run = Backtest(of(broken, DENIED))
    assert [hit.rule.name for hit in run.run(Past(Search(tmp_path), T, T + DAY).facts(None))] == ["denied"]
    assert run.failures == {broken.id: 1}


@pytest.mark.behaviour("proving.simulation")
def test_the_volume_is_counted_by_day_and_a_call_by_the_silence_before_it(tmp_path: Path) -> None:
    day = DAY - T % DAY
    times = [0, 1, HOUR, 3 * HOUR, day + 1]
    record(tmp_path, [*(call(at) for at in times), call(2, target="send"), call(3, labels=("exercise",))])
    past = Past(Search(tmp_path), T - DAY, T + 2 * DAY)
    run = Backtest(of(DENIED, HELD))
    found = simulate(run, (DENIED, HELD), run.run(past.facts(None)), past.reach())
    denied, held = found.volumes
    assert (denied.days, denied.matches, denied.drills) == ((0, 5, 1, 0), 6, 1)
    assert (denied.told, denied.wakes, denied.groups, denied.top) == (5, 4, 2, (("s/read", 5), ("s/send", 1)))
    assert (held.is_known, held.matches) == (False, 0)
    assert sentence(found) == (
        "Would have woken someone 4 times in 3 days; 2 groups. The records reach back only 2.0 days of them."
    )


def exception(where: dict[str, str], **more: object) -> Exemption:
    said = {"rule": DENIED.id, "expires_at": T + 365 * DAY} | more
    base = Exemption("e", "default", "", where, condition_of(where), "known", "ann", T + DAY, 0)
    return msgspec.structs.replace(base, **said)


@pytest.mark.behaviour("proving.simulation-exceptions")
def test_the_volume_is_counted_without_exceptions_and_with_those_of_today(tmp_path: Path) -> None:
    record(tmp_path, [call(0), call(5), call(2 * HOUR), call(1, target="send")])

    def found(*exceptions: Exemption, rules: tuple[Rule, ...] = (DENIED,)) -> Simulated:
        past, run = Past(Search(tmp_path), T, T + DAY), Backtest(of(*rules))
        return simulate(run, rules, run.run(past.facts(None)), past.reach(), exceptions=exceptions)

    (volume,) = found(exception({"target": "read"})).volumes
    assert (volume.matches, volume.told, volume.wakes) == (4, 3, 3)
    assert (volume.held, volume.told_with, volume.wakes_with) == (3, 1, 1)
    assert sentence(found(exception({"target": "read"}))) == (
        "Would have woken someone 3 times in 1 day; 2 groups. With the exceptions in force today (1): once."
    )
    assert sentence(found(exception({"server": "s"}))).endswith("(1): never.")
    other = found(exception({"server": "s"}, rule="another"))
    assert (other.exceptions, other.volumes[0].held, other.wakes_with) == (0, 0, 3)
    (volume,) = found().volumes
    assert (volume.held, volume.told_with, volume.wakes_with) == (0, 3, 3)


@pytest.mark.behaviour("proving.simulation-no-data")
def test_no_data_is_said_and_is_not_quiet(tmp_path: Path) -> None:
    record(tmp_path, [call(0, "allow")])

    def said(rules: tuple[Rule, ...], since: int) -> str:
        past, run = Past(Search(tmp_path), since, T + DAY), Backtest(of(*rules))
        return sentence(simulate(run, rules, run.run(past.facts(None)), past.reach()))

    assert said((HELD,), T).startswith("No data: no event that these rules look at")
    assert said((DENIED,), T + 5).startswith("No data: nothing was recorded")
    assert said((DENIED,), T) == "Would have woken nobody in 1 day."
    assert said((DENIED,), T - 13 * DAY).endswith("The records reach back only 1.0 days of them.")
    assert Reach(None, 0, DAY).is_short


@pytest.mark.behaviour("proving.simulation")
@pytest.mark.parametrize(
    ("times", "expected"), [([], 0), ([5], 1), ([5, 5, 6], 1), ([0, 11, 22], 3), ([22, 0, 11], 3), ([0, 10, 20], 1)]
)
def test_a_call_comes_again_after_a_silence_whatever_the_order(times: list[int], expected: int) -> None:
    assert calls(times, 10) == expected


def test_an_empty_day_is_told_from_a_quiet_one() -> None:
    assert sparkline([0, 1, 50, 100]) == "·▁▄█"
    assert sparkline([]) == ""


@pytest.mark.behaviour("proving.backtest")
def test_a_correlation_is_chosen_with_what_it_stands_on_and_found_by_itself(
    detections: Detections, tmp_path: Path
) -> None:
    (again,) = detections.correlations
    chosen = choose(detections, (again.heading.id,))
    assert ([one.name for one in chosen.headings], [one.name for one in chosen.rules]) == (["denied_again"], ["denied"])
    record(tmp_path, [call(0), call(HOUR), call(HOUR + 1), new_event(T, "registry.pin.held")])
    run = Backtest(chosen)
    found = list(run.run(Past(Search(tmp_path), T, T + DAY).facts(kinds_of(chosen.rules)), T + DAY))
    assert [(hit.rule.name, hit.event.time, hit.group) for hit in found] == [("denied_again", T + HOUR + 1, "s")]
    assert (run.seen_by(again.heading), run.late) == (3, 0)
