"""The tests that correlations carry, and a correlation from its file to the alert in the journal."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.content import content_folder
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.check import test_rules as run_tests
from watchkeeper.detect.correlation.stage import CorrelationStage
from watchkeeper.detect.detector import Detector, Place
from watchkeeper.detect.matching.own import Indexed
from watchkeeper.detect.sigma.rules import load_detections
from watchkeeper.detect.stream.judging import Court
from watchkeeper.events import Journal, JournalReader, new_event

STEP = """
title: A call was {outcome}
id: {id}
name: {outcome}
level: informational
logsource: {{product: mcp, service: watchkeeper, category: gateway}}
detection:
  call: {{kind: gateway.request.decided, outcome: {outcome}}}
  condition: call
watchkeeper:
  tests:
    match: [{{kind: gateway.request.decided, outcome: {outcome}}}]
    clean: [{{kind: gateway.request.decided, outcome: ask}}]
"""
DENIED = STEP.format(outcome="deny", id="7a0d2a5e-5f5b-4b8e-8f0d-0a6f6f3b7a01")
ALLOWED = STEP.format(outcome="allow", id="7a0d2a5e-5f5b-4b8e-8f0d-0a6f6f3b7a02")
MANY = """
title: Denied three times
id: 7a0d2a5e-5f5b-4b8e-8f0d-0a6f6f3b7a03
name: many
correlation:
  type: event_count
  rules: [deny]
  group-by: [actor]
  timespan: 1m
  condition: {gte: 3}
level: low
"""
THEN = """
title: Denied three times, then allowed
id: 7a0d2a5e-5f5b-4b8e-8f0d-0a6f6f3b7a04
name: then
correlation:
  type: temporal_ordered
  rules: [many, allow]
  group-by: [actor]
  timespan: 5m
level: high
watchkeeper:
  tests:
    match:
      - - {at: 0, repeat: 3, kind: gateway.request.decided, actor: agent:a, outcome: deny}
        - {at: 200, kind: gateway.request.decided, actor: agent:a, outcome: allow}
    clean:
      - - {at: 0, repeat: 3, kind: gateway.request.decided, actor: agent:a, outcome: deny}
        - {at: 200, kind: gateway.request.decided, actor: agent:b, outcome: allow}
      - - {at: 0, repeat: 2, kind: gateway.request.decided, actor: agent:a, outcome: deny}
        - {at: 200, kind: gateway.request.decided, actor: agent:a, outcome: allow}
"""


def folder(path: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        (path / f"{number}.yml").write_text(text, encoding="utf-8")
    return path


@pytest.mark.behaviour("correlation.carries-tests")
def test_a_correlation_is_tried_with_the_sequences_in_its_file(tmp_path: Path) -> None:
    untested, right = MANY, THEN
    wrong = THEN.replace("at: 200", "at: 400", 1).replace("7a04", "7a05").replace("name: then", "name: later")
    outcomes = run_tests(folder(tmp_path, DENIED, ALLOWED, untested, right, wrong))
    assert {one.title: one.wrong for one in outcomes if one.source.endswith(("3.yml",))} == {
        "Denied three times, then allowed": ()
    }
    assert [one.wrong for one in outcomes if one.source.endswith(("2.yml", "4.yml"))] == [
        ("there is no example that it must match", "there is no example that it must not match"),
        ("match 1 is not matched",),
    ]


@pytest.mark.parametrize(
    "tests",
    ["{match: [{kind: x}]}", "{match: [[{at: soon, kind: x}]]}", "{clean: [[{repeat: 0, kind: x}]]}", "{when: []}"],
)
def test_a_sequence_that_is_none_is_refused(tmp_path: Path, tests: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_detections([folder(tmp_path, DENIED, f"{MANY}watchkeeper:\n  tests: {tests}\n")])
    assert "1.yml" in caught.value.reason


@pytest.mark.behaviour("correlation.raises-alerts")
def test_what_a_correlation_finds_is_an_alert_in_the_journal_and_its_steps_are_none(tmp_path: Path) -> None:
    detections = load_detections([folder(tmp_path, DENIED, ALLOWED, MANY, THEN)])
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    clock = ManualClock()
    with closing(Journal.open(tmp_path, "gateway")) as gateway, closing(Journal.open(tmp_path, "watch")) as watch:
        for at, outcome in enumerate(["deny", "deny", "deny", "allow"]):
            event = new_event(clock.now() + at * SECOND, "gateway.request.decided", actor="agent:a", outcome=outcome)
            gateway.wait(gateway.append(event))
        court = Court(Indexed(detections.rules), (CorrelationStage(detections.correlations),))
        detector = Detector(court, Place(watch, JournalReader(tmp_path), database), clock=clock)
        detector.step()
        clock.advance(60 * SECOND)  # nothing comes any more: event time follows the clock
        while detector.step():
            pass
        detector.save()
    database.close()
    records = JournalReader(tmp_path).read({})
    alerts = [one.event for one in records if one.event and one.event.kind == "detect.alert.raised"]
    assert [(alert.body["name"], alert.body["group"], len(alert.body["evidence"])) for alert in alerts] == [
        ("then", "agent:a", 2)
    ]


DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "concepts" / "correlation.md"


def test_the_documented_correlation_passes_its_tests(tmp_path: Path) -> None:
    example = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    folder(tmp_path, example)
    for step in ("step_call_made", "step_call_denied", "step_denied_many_times"):
        (tmp_path / f"{step}.yml").write_text(
            (content_folder("detections") / "steps" / f"{step}.yml").read_text(encoding="utf-8"), encoding="utf-8"
        )
    assert {outcome.wrong for outcome in run_tests(tmp_path)} == {()}
