"""The tests that a baseline carries: some days as usual, then something, told or not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.baselines.learners.interface import DAY, HOUR
from watchkeeper.detect.baselines.loading import Trial, Usual
from watchkeeper.detect.baselines.model import Baseline
from watchkeeper.detect.baselines.stage import BaselineStage
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.model import Detection
from watchkeeper.events import Event, Position

_START = 1_790_208_000 * SECOND
"""A Thursday, at midnight."""


def try_out(baseline: Baseline, trials: Iterable[Trial]) -> list[str]:
    """A sentence for each test that fails, and for what there is no test of."""
    trials = list(trials)
    wrong = [
        f"test {at} is {'not ' if trial.told else ''}told"
        for at, trial in enumerate(trials, 1)
        if bool(told(baseline, trial)) is not trial.told
    ]
    for wanted, word in ((True, "must"), (False, "must not")):
        if not any(trial.told is wanted for trial in trials):
            wrong.append(f"there is no test in which it {word} be told")
    return wrong


def told(baseline: Baseline, trial: Trial) -> list[Detection]:
    """What is told of what comes after the usual days; what is told in these is nobody's surprise here."""
    stage = BaselineStage([baseline], subjects=1_000)
    usual = sorted((event for one in trial.usual for event in _usual(one)), key=lambda event: event.time)
    days = max((one.days for one in trial.usual), default=0)
    for event in usual:
        _look(stage, event)
    begin = _START + int(-(-days // 1)) * DAY + trial.hour * HOUR
    return [detection for event in _then(trial.then, begin) for detection in _look(stage, event)]


def _look(stage: BaselineStage, event: Event) -> list[Detection]:
    stage.pass_time(event.time)
    return list(stage.look(Seen(event, Position("example", 0))))


def _usual(one: Usual) -> Iterator[Event]:
    step = int(one.every_minutes * 60 * SECOND)
    for turn in range(int(one.days * DAY) // step):
        time = _START + turn * step
        if one.hours[0] <= time // HOUR % 24 < one.hours[1]:
            for number in range(one.number):
                yield _event(one.call, time + number, number)


def _then(calls: list[dict[str, Any]], begin: int) -> Iterator[Event]:
    turn = 0
    for call in map(dict, calls):
        for number in range(int(call.pop("repeat", 1))):
            yield _event(call, begin + turn * SECOND, number)
            turn += 1


def _event(call: dict[str, Any], time: int, number: int) -> Event:
    said = msgspec.json.decode(msgspec.json.encode(call).replace(b"{n}", str(number).encode()))
    base = {"v": 1, "id": f"example-{time}", "time": time, "kind": "gateway.request.decided", "outcome": "allow"}
    body = {"method": "tools/call"} | said.pop("body", {})
    return msgspec.convert(base | said | {"body": body}, Event)
