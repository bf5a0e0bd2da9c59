"""Baselines in the stream: learning, speaking, freezing, forgetting, and what a restart changes: nothing."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watchkeeper.core.clock import SECOND
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.baselines.learners.interface import DAY, HOUR
from watchkeeper.detect.baselines.loading import load_baselines
from watchkeeper.detect.baselines.observing import forms_of
from watchkeeper.detect.baselines.stage import FORGOTTEN, FROZEN, THAWED, BaselineStage
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.model import Detection
from watchkeeper.events import Event, Position

BASELINES = load_baselines([content_folder("baselines")])
NEW_TOOL = next(one for one in BASELINES if one.heading.name == "principal_new_tool")
T = 1_790_208_000 * SECOND


def event(time: int, kind: str = "gateway.request.decided", **said: Any) -> Event:
    call = {"actor": "agent:a", "server": "files", "target": "read_file", "outcome": "allow"}
    said = (call if kind == "gateway.request.decided" else {}) | said
    return Event(v=1, id=f"id-{time}", time=time, kind=kind, **({"body": {"method": "tools/call"}} | said))


def stage_of(*baselines: Any, subjects: int = 100) -> BaselineStage:
    return BaselineStage(baselines or BASELINES, subjects=subjects)


def show(stage: BaselineStage, *events: Event) -> list[Detection]:
    found: list[Detection] = []
    for at, one in enumerate(events):
        stage.pass_time(one.time)
        found += stage.look(Seen(one, Position("w", at)))
    return found


def usual(days: float, start: int = T, **said: Any) -> list[Event]:
    return [event(start + turn * 30 * 60 * SECOND, **said) for turn in range(int(days * 48))]


def strange(time: int, target: str = "send", **said: Any) -> Event:
    return event(time, server="mail", target=target, **said)


@pytest.mark.behaviour("baselines.explain")
def test_a_detection_says_what_was_seen_what_was_expected_and_on_what_ground() -> None:
    stage = stage_of(NEW_TOOL)
    last = strange(T + 14 * DAY)
    (found,) = show(stage, *usual(14), last)
    assert (found.group, found.severity, found.event) == ("agent:a", NEW_TOOL.heading.level, last)
    assert found.found == {
        "baseline": "principal_new_tool",
        "subject": {"actor": "agent:a"},
        "seen": "the tool mail/send",
        "expected": "one of 1 known; 0.10% of calls bring a new tool",
        "observations": 673,
        "since": T,
        "says": "agent:a: the tool mail/send; expected one of 1 known; 0.10% of calls bring a new tool "
        "(from 673 calls since 2026-09-24)",
        "value": "mail/send",
        "known": 1,
        "share_of_new": pytest.approx(0.00104, abs=0.0001),
    }


@pytest.mark.behaviour("baselines.learn-first")
def test_nothing_is_said_before_enough_was_seen() -> None:
    assert show(stage_of(), *usual(6), strange(T + 6 * DAY)) == []
    few = [event(T + turn * 4 * HOUR) for turn in range(150)]
    assert show(stage_of(NEW_TOOL), *few, strange(T + 30 * DAY)) == []


def day(number: int, chance: random.Random) -> Iterable[Event]:
    for turn in range(60):
        body = {
            "method": "tools/call", "bytes_in": chance.randrange(1, 500), "bytes_out": chance.randrange(1, 10**5),
            "duration_us": chance.randrange(1, 10**6), "arguments": '{"a": 1}', "session": f"s{chance.randrange(20)}",
        }  # fmt: skip
        yield event(
            T + number * DAY + turn * 20 * 60 * SECOND, actor=f"agent:{chance.randrange(3)}",
            target=f"tool-{chance.randrange(6)}", body=body, outcome=chance.choice(["allow"] * 9 + ["deny"]),
        )  # fmt: skip


def odd(time: int) -> list[Event]:
    big = {"method": "tools/call", "bytes_in": 1, "bytes_out": 10**9, "arguments": '{"x": {"y": [1]}}'}
    return [
        *(strange(time + turn, f"tool-{turn}", actor="agent:1", outcome="deny") for turn in range(80)),
        event(time + 100, actor="agent:1", target="tool-1", body=big),
    ]


@pytest.mark.behaviour("baselines.restored")
def test_a_restart_at_any_moment_changes_nothing() -> None:
    chance = random.Random(3)
    events = [one for number in range(20) for one in day(number, chance)] + odd(T + 20 * DAY + 7 * HOUR)
    alone = show(stage_of(), *events)
    assert {"principal_denied", "session_tools"} <= {one.by.name for one in alone}
    kept: dict[str, bytes] = {}
    found, stage = [], stage_of()
    for at, one in enumerate(events):
        stage.pass_time(one.time)
        found += stage.look(Seen(one, Position("w", at)))
        if chance.random() < 0.02:
            for key, row in stage.changes().items():
                kept.pop(key, None) if row is None else kept.__setitem__(key, row)
            stage = stage_of()
            stage.restore(dict(kept))
    assert found == alone


@pytest.mark.behaviour("baselines.freeze-forget")
def test_frozen_it_learns_nothing_and_speaks_thawed_it_learns_forgotten_it_begins_anew() -> None:
    order = {"actor": "operator:root", "body": {"baseline": NEW_TOOL.heading.id, "subject": ["agent:a"]}}
    stage = stage_of(NEW_TOOL)
    at = T + 14 * DAY
    assert show(stage, *usual(14), event(at, FROZEN, **order)) == []
    first = show(stage, strange(at + 1), strange(at + 2))
    assert len(first) == 1, "once for each value, also where it is not learned"
    again = show(stage, event(at + 3, THAWED, **order), strange(at + 4, "two"), strange(at + 5, "two"))
    assert [one.found["value"] for one in again] == ["mail/two"]
    assert show(stage, event(at + 6, FORGOTTEN, **order), strange(at + 7, "three")) == []
    forged = order | {"actor": "agent:a"}
    stage = stage_of(NEW_TOOL)
    assert len(show(stage, *usual(14), event(at, FORGOTTEN, **forged), strange(at + 1))) == 1


@pytest.mark.behaviour("baselines.freeze-forget")
def test_a_whole_baseline_can_be_frozen() -> None:
    order = {"actor": "operator:root", "body": {"baseline": NEW_TOOL.heading.id}}
    stage = stage_of(NEW_TOOL)
    show(stage, event(T, FROZEN, **order), *usual(14))
    kept = {key: row for key, row in stage.changes().items() if row is not None}
    stage = stage_of(NEW_TOOL)
    stage.restore(kept)
    assert show(stage, *usual(14, T + 14 * DAY), strange(T + 28 * DAY)) == []


@pytest.mark.behaviour("baselines.decay")
def test_what_was_usual_long_ago_is_a_surprise_again_and_who_is_gone_is_forgotten() -> None:
    stage = stage_of(NEW_TOOL)
    years = [one for month in range(6) for one in usual(30, T + month * 30 * DAY)]
    found = show(stage, strange(T - 1), *years, strange(T + 180 * DAY))
    assert [one.found["value"] for one in found] == ["mail/send"]
    stage.pass_time(T + 400 * DAY)
    assert stage.progress()["subjects"] == 0
    assert list(stage.changes().values()).count(None) == 1


@pytest.mark.behaviour("baselines.new-for-all")
def test_a_tool_that_is_new_for_everybody_is_no_surprise() -> None:
    at = T + 14 * DAY
    seen = event(at, "registry.definition.seen", server="files", target="fresh")
    assert show(stage_of(NEW_TOOL), *usual(14), seen, event(at + 1, target="fresh")) == []


@pytest.mark.behaviour("baselines.exercises")
def test_nothing_is_learned_from_an_exercise() -> None:
    stage = stage_of(NEW_TOOL)
    exercise = [strange(T + 13 * DAY + turn, labels=("exercise",)) for turn in range(9)]
    assert show(stage, *usual(13), *exercise) == []
    assert len(show(stage, *usual(1, T + 13 * DAY + HOUR), strange(T + 15 * DAY))) == 1


@pytest.mark.behaviour("baselines.bounded")
def test_subjects_and_values_are_bounded() -> None:
    stage = stage_of(NEW_TOOL, subjects=2)
    show(stage, *(event(T + turn, actor=f"agent:{turn}") for turn in range(9)))
    assert stage.progress() == {"baselines": 1, "subjects": 2, "overflow": 7}
    assert stage.unfollowed == 7
    flood = [event(T + turn, actor="agent:0", target=f"{'x' * 10_000}{turn}") for turn in range(2_000)]
    show(stage, *flood)
    assert max(len(row or b"") for row in stage.changes().values()) < 300_000


@pytest.mark.behaviour("baselines.tenants")
def test_an_operator_of_another_tenant_changes_nothing() -> None:
    order = {
        "actor": "operator:x",
        "tenant": "other",
        "body": {"baseline": NEW_TOOL.heading.id, "subject": ["agent:a"]},
    }
    at = T + 14 * DAY
    stage = stage_of(NEW_TOOL)
    assert len(show(stage, *usual(14), event(at, FORGOTTEN, **order), strange(at + 1))) == 1
    assert show(stage, strange(at + 2, "two", tenant="other")) == []


def test_a_change_of_the_definition_begins_anew() -> None:
    stage = stage_of(NEW_TOOL)
    show(stage, *usual(14))
    kept = {key: row for key, row in stage.changes().items() if row is not None}
    other = msgspec.structs.replace(NEW_TOOL, heading=dataclasses.replace(NEW_TOOL.heading, version="2"))
    stage = stage_of(other)
    stage.restore(kept)
    assert list(stage.changes().values()).count(None) == 1
    assert show(stage, strange(T + 14 * DAY)) == []


@pytest.mark.parametrize(
    ("arguments", "forms"),
    [
        ('{"b": 1, "a": "x"}', ("a:text", "b:number")),
        ('{"a": {"c": [1, "x"], "d": null}}', ("a:{c:[number|text], d:nothing}",)),
        ("[1]", ()),
        ('{"cut": "here', ()),
        ("", ()),
        ('{"a": ' + '{"a": ' * 90 + "1" + "}" * 91, ("a:{a:{a:object}}",)),
    ],
)
def test_the_form_of_an_argument_is_its_name_and_type(arguments: str, forms: tuple[str, ...]) -> None:
    assert forms_of(arguments) == forms


GOOD = (content_folder("baselines") / "principal_new_tool.yaml").read_text(encoding="utf-8")


@pytest.mark.behaviour("baselines.refused")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: novelty", "kind: guess"),
        ("of: tool", "of: denied"),
        ("subject: [actor]", "subject: [everybody]"),
        ("threshold: 0.002", "threshold: none"),
        ("level: low", "level: loud"),
        ("name: principal", "nom: principal"),
        ("days: 7,", "days: -1,"),
    ],
)
def test_a_definition_that_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in GOOD
    (tmp_path / "one.yaml").write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Misconfigured) as caught:
        load_baselines([tmp_path])
    assert "one.yaml" in caught.value.reason
